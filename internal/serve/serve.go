// Package serve runs the listeners of every role: it opens them with errors that name the
// setting to blame, serves HTTP on them until a context ends, and ends what belongs together
// together.
//
// A stop has two steps. When the context ends, nothing new is accepted and long polls are
// answered (EndOnShutdown); what is still under way then has a grace period to finish in.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// headerTimeout is what a client gets to send its request headers where a server names no
// limit of its own. Without one, a client that sends a byte a minute holds its connection for ever.
const headerTimeout = 10 * time.Second

// HTTP serves srv on ln until ctx ends; it has closed ln and ended its goroutine when it returns. It serves TLS where srv.TLSConfig is set, which must then hold the certificates.
// A zero srv.ReadHeaderTimeout becomes 10 s.
//
// When ctx ends, requests under way get up to grace to finish; the connections of those that
// have not by then are closed, which ends their requests' contexts. Both are clean stops and
// return nil. Any other end is an error: the listener broke.
//
// Request contexts do not derive from ctx, so that work such as a frame stream may use the
// grace; EndOnShutdown is for handlers that merely wait.
func HTTP(ctx context.Context, srv *http.Server, ln net.Listener, grace time.Duration) error {
	if srv.ReadHeaderTimeout == 0 {
		srv.ReadHeaderTimeout = headerTimeout
	}
	defer func() { _ = ln.Close() }() // ServeTLS leaves it open when it cannot begin
	served := make(chan error, 1)
	go func() { served <- serveOn(srv, ln, srv.TLSConfig) }()

	select {
	case err := <-served:
		_ = srv.Close() // open connections would outlive the listener; its own error says what matters
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}

	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) { // it broke just before
		return fmt.Errorf("serve %s: %w", ln.Addr(), ended)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop serving %s: %w", ln.Addr(), err)
	}
	return nil
}

func serveOn(srv *http.Server, ln net.Listener, c *tls.Config) error {
	if c != nil {
		return srv.ServeTLS(ln, "", "")
	}
	return srv.Serve(ln)
}

// Protocols returns what every Pharos listener speaks: HTTP/1.1, HTTP/2 over TLS, and HTTP/2
// in clear text (h2c), which TLS edges and the frame streams use. RFC 9113 section 3.3 lets a
// client that knows begin with HTTP/2 at once.
func Protocols() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}
