package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/pharos-live/pharos/proto/pharos/runner/v1/runnerv1connect"
)

// How a frozen peer, or a path that swallows everything, is noticed: within two
// seconds of silence. Measured without pings: only a call's own deadline ends it.
const (
	pingAfter    = time.Second
	pingTimeout  = time.Second
	writeTimeout = 2 * time.Second
)

// maxMessage bounds what a runner may answer, in bytes.
const maxMessage = 16 << 20

// errDial marks a connection that could not be made: nothing was sent.
var errDial = errors.New("dial runner")

// A link is the way to one machine's runner. It is safe for concurrent use.
type link struct {
	open   func(ctx context.Context) (net.Conn, error)
	base   string // URL
	token  string
	noPing bool
	rpc    runnerv1connect.RunnerServiceClient

	mu     sync.Mutex             // protects conns and closed
	conns  map[*linkConn]struct{} // open
	closed bool
}

// newLink returns the way to m, over the backend where that knows one.
func newLink(b Backend, m Machine, token string, noPing bool) *link {
	l := &link{
		open:   func(ctx context.Context) (net.Conn, error) { return dial(ctx, b, m) },
		base:   "http://" + m.Launch,
		token:  token,
		noPing: noPing,
		conns:  map[*linkConn]struct{}{},
	}
	l.rpc = runnerv1connect.NewRunnerServiceClient(l.client(), l.base, connect.WithReadMaxBytes(maxMessage))
	return l
}

// client returns an HTTP client with a connection of its own, so that what it sends
// holds up nobody else: HTTP/2 shares one flow control window per connection.
func (l *link) client() *http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	t := &http.Transport{
		Protocols:   &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) },
		HTTP2:       &http.HTTP2Config{},
	}
	if !l.noPing {
		t.HTTP2.SendPingTimeout = pingAfter
		t.HTTP2.PingTimeout = pingTimeout
		t.HTTP2.WriteByteTimeout = writeTimeout
	}
	return &http.Client{Transport: &bearer{transport: t, token: l.token}}
}

// dial opens a connection that close closes.
func (l *link) dial(ctx context.Context) (net.Conn, error) {
	c, err := l.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDial, err)
	}
	lc := &linkConn{Conn: c, link: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close()
		return nil, fmt.Errorf("%w: %w", errDial, net.ErrClosed)
	}
	l.conns[lc] = struct{}{}
	return lc, nil
}

// close ends every connection, and lets no other be made.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	conns := l.conns
	l.conns = map[*linkConn]struct{}{}
	l.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
}

// linkConn takes itself off its link when it is closed.
type linkConn struct {
	net.Conn
	link *link
}

// Close implements net.Conn.
func (c *linkConn) Close() error {
	c.link.mu.Lock()
	delete(c.link.conns, c)
	c.link.mu.Unlock()
	return c.Conn.Close()
}

// bearer shows the machine's token with every request.
type bearer struct {
	transport *http.Transport
	token     string
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.transport.RoundTrip(r)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections looks for.
func (b *bearer) CloseIdleConnections() { b.transport.CloseIdleConnections() }

// dial opens a connection to m: by the backend, or else to its address.
func dial(ctx context.Context, b Backend, m Machine) (net.Conn, error) {
	if d, ok := b.(Dialer); ok {
		if c, err := d.Dial(ctx, m); !errors.Is(err, errors.ErrUnsupported) {
			return c, err
		}
	}
	network, addr := "tcp", m.Addr
	if path, ok := strings.CutPrefix(m.Addr, "unix:"); ok {
		network, addr = "unix", path
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}
