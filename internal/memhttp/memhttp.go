// Package memhttp serves HTTP without sockets, for tests: in-memory connections, a listener of
// them, and a server with its client, which speak HTTP/2 in clear text as Pharos' processes do.
//
// All of it works inside testing/synctest bubbles, where a goroutine that waits on a socket would
// keep time from passing. What a bubble uses must be made in that bubble, and closed in it.
package memhttp

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// host is the name of every Server. It is reserved (RFC 6761 section 6.4), so that a request that
// misses the in-memory client fails rather than reaches somebody.
const host = "memhttp.test"

// Server serves one handler to the clients it hands out. Its methods are safe for concurrent use.
type Server struct {
	ln     *Listener
	http   *http.Server
	client *http.Client
	served sync.WaitGroup // the goroutine that accepts

	mu       sync.Mutex // guards closed, and Add on requests against Wait
	closed   bool
	requests sync.WaitGroup // handlers under way
}

// New starts a Server of h that speaks HTTP/1.1 and h2c.
func New(h http.Handler) *Server {
	s := &Server{ln: NewListener()}
	s.http = &http.Server{Handler: s.counted(h), Protocols: new(http.Protocols)}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetUnencryptedHTTP2(true)

	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true) // alone: beside HTTP/1 the transport would choose that for http:// URLs
	s.client = &http.Client{Transport: &http.Transport{DialContext: s.DialContext, Protocols: h2c}}

	s.served.Go(func() { _ = s.http.Serve(s.ln) }) // always ErrServerClosed: the listener fails only when closed
	return s
}

// Client returns the one client that reaches s, over h2c and without HTTP/2 pings. It reaches
// nothing else.
func (s *Server) Client() *http.Client { return s.client }

// URL returns the base URL of s, without a slash at the end.
func (s *Server) URL() string { return "http://" + host }

// DialContext connects to s; it has the signature of http.Transport's field, for tests that need a
// transport of their own. It refuses addresses other than that of s.
func (s *Server) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	if address != net.JoinHostPort(host, "80") {
		return nil, fmt.Errorf("dial %s: this client reaches %s only", address, s.URL())
	}
	return s.ln.Dial(ctx)
}

// Close closes s and all its connections, which ends the contexts of requests under way, and
// returns once their handlers and every goroutine of s have returned.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.http.Close()
	s.client.CloseIdleConnections()
	s.served.Wait()
	s.requests.Wait()
}

// counted serves as h does, so that Close can wait for the requests.
func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		s.requests.Add(1)
		s.mu.Unlock()
		defer s.requests.Done()
		h.ServeHTTP(w, r)
	})
}
