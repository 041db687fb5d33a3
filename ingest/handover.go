package ingest

import (
	"net"
	"sync"
)

// handed is a connection on its way to go-rtmp's server.
type handed struct {
	net.Conn // the session's guard
	session  *session
}

// handover is the listener that go-rtmp's server accepts from: connections that the server has
// already accepted, admitted and put behind a guard. go-rtmp's own accept loop spins on errors,
// so that this one gives none until the library was closed.
type handover struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var _ net.Listener = (*handover)(nil)

// Accept waits for the next connection, or for Close.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. It closes no connection.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr is the address of the listener behind it.
func (h *handover) Addr() net.Addr { return h.addr }
