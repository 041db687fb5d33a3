package registrytest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// errCut is what a cut link answers.
var errCut = errors.New("link cut")

// A Link is a way from one registry to a Redis that can fail. It is safe for concurrent use.
type Link struct {
	redis *Redis

	mu    sync.Mutex // guards all below; never held while waiting
	conns map[*conn]struct{}
	cut   bool
	lose  int // so many requests more are carried out, and their answers lost
}

// Cut breaks all connections, and lets none be made until Mend.
func (l *Link) Cut() {
	l.mu.Lock()
	l.cut = true
	conns := l.conns
	l.conns = map[*conn]struct{}{}
	l.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
}

// Mend ends a Cut.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

// LoseAnswers lets the next n requests (each a command or a pipeline) reach Redis, and breaks the connection
// where the answer to one comes.
func (l *Link) LoseAnswers(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = n
}

func (l *Link) connect(ctx context.Context) (net.Conn, error) {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut {
		return nil, errCut
	}
	nc, err := l.redis.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, link: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	return c, nil
}

// conn is a connection over a link.
type conn struct {
	net.Conn
	link  *Link
	loses bool // the next answer; guarded by link.mu
}

// Write is where a request gets marked to lose its answer.
func (c *conn) Write(p []byte) (int, error) {
	c.link.mu.Lock()
	if c.link.lose > 0 {
		c.link.lose--
		c.loses = true
	}
	c.link.mu.Unlock()
	return c.Conn.Write(p)
}

// Read breaks the connection in place of an answer that is to be lost.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.link.mu.Lock()
	loses := c.loses
	c.link.mu.Unlock()
	if err == nil && loses {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close closes the connection, unless a cut has.
func (c *conn) Close() error {
	c.link.mu.Lock()
	_, open := c.link.conns[c]
	delete(c.link.conns, c)
	c.link.mu.Unlock()
	if !open {
		return nil // the link was cut
	}
	return c.Conn.Close()
}
