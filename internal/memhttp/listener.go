package memhttp

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	// backlog is how many dialled connections wait for Accept before Dial waits too.
	backlog = 128
	// The ports in the made-up addresses of a Listener: its own, and where its clients' begin.
	serverPort      = 80
	firstClientPort = 49152
)

// Listener is a net.Listener whose connections are Pipes. Its methods are safe for concurrent use.
type Listener struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
	clients  atomic.Int64 // so that each has a RemoteAddr of its own
}

var _ net.Listener = (*Listener)(nil)

// NewListener returns a Listener that takes connections at once.
func NewListener() *Listener {
	return &Listener{accepted: make(chan net.Conn, backlog), closed: make(chan struct{})}
}

// Dial connects to l. It waits while 128 connections are yet to be accepted, and fails with ctx's
// error, or with syscall.ECONNREFUSED once l is closed.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	port := firstClientPort + int(l.clients.Add(1)-1)
	client, server := pipe(addr(port), l.Addr())
	refuse := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: l.Addr(), Err: err}
	}
	select {
	case <-l.closed: // by itself first: with several ways open, select takes any
		return refuse(syscall.ECONNREFUSED)
	default:
	}
	select {
	case l.accepted <- server:
	case <-l.closed:
		return refuse(syscall.ECONNREFUSED)
	case <-ctx.Done():
		return refuse(ctx.Err())
	}
	select {
	case <-l.closed: // perhaps after Close looked for connections nobody will accept
		_ = l.Close()
	default:
	}
	return client, nil
}

// Accept waits for the next connection; after Close it fails with net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close makes l refuse what dials it from now on, and closes what nobody has accepted yet.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	for {
		select {
		case c := <-l.accepted:
			_ = c.Close()
		default:
			return nil
		}
	}
}

// Addr returns an address in the form of TCP's, the same for every Listener.
func (l *Listener) Addr() net.Addr { return addr(serverPort) }
