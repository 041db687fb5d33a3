package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	drainTimeout  = 2 * time.Second  // what requests under way get when the runner goes
	flushTime     = time.Second / 4  // what connections get to send what the last of them answered
	headerTimeout = 10 * time.Second // what a caller gets to send a request's header
	maxHeader     = 64 << 10         // bytes

	// Pings: a peer that was silent for one second and then does not answer for another is gone.
	pingAfter    = time.Second
	pingTimeout  = time.Second
	writeTimeout = 2 * time.Second // without a single byte sent

	// A mounted handler that does not read holds up to one stream's window of its connection's,
	// which net/http bounds at 4 MiB: 15 such streams stop no other.
	streamWindow     = 256 << 10
	connectionWindow = 4<<20 - 1
)

// Run serves t's machine: it listens on t.Listen, runs what parents start, and returns once it has
// retired, or has nobody left, and all work has ended. It calls for no signal handling of its own:
// when ctx ends, it takes no more work, asks what runs to end with ErrShutdown, and gives it
// Options.Shutdown. It returns nil whenever all work has ended, and an error if it could not listen,
// if no parent came within Options.Failsafe, or if work would not end, whose goroutines then still
// run.
//
// For "unix:/path" it makes missing directories, for this user alone, and takes the place of a
// socket on which nobody listens any more. Run looks for PresenceEnv in the environment, and removes
// it. A Runner runs once.
func (r *Runner) Run(ctx context.Context, t Ticket) error {
	presence, err := presenceFromEnv()
	if err != nil {
		return err
	}
	ln, err := listen(ctx, t.Listen)
	if err != nil {
		closeIfAny(presence)
		return fmt.Errorf("listen for machine %s: %w", t.Machine, err)
	}
	return r.serve(ctx, t, ln, presence)
}

// Serve is Run on a listener that is open already, which it closes. It reads no environment.
func (r *Runner) Serve(ctx context.Context, t Ticket, ln net.Listener) error {
	return r.serve(ctx, t, ln, nil)
}

// serve owns ln and presence, which may be nil.
func (r *Runner) serve(ctx context.Context, t Ticket, ln net.Listener, presence io.ReadCloser) error {
	if err := r.begin(ctx, t); err != nil {
		_ = ln.Close() // nothing was served on it
		closeIfAny(presence)
		return err
	}
	r.log.InfoContext(ctx, "runner listens", "addr", ln.Addr().String(), "slots", r.o.Slots, "build", BuildID())

	requests := &requests{none: make(chan struct{})}
	srv := r.server(t.Token, requests)
	broken := make(chan error, 1)
	var own sync.WaitGroup
	own.Go(func() { broken <- srv.Serve(ln) })
	if presence != nil {
		own.Go(func() { r.watchPresence(presence) })
	}
	err := r.live(ctx, broken)
	err = errors.Join(err, drain(context.WithoutCancel(ctx), srv, requests))
	closeIfAny(presence)
	own.Wait()
	r.log.InfoContext(ctx, "runner goes")
	return err
}

// begin makes r the machine of t.
func (r *Runner) begin(ctx context.Context, t Ticket) error {
	if err := t.check(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		return fmt.Errorf("run machine %s: this Runner was run before", t.Machine)
	}
	r.begun = true
	r.machine = t.Machine
	r.log = r.o.Logger.With("machine", t.Machine)
	r.base = context.WithoutCancel(ctx)
	now := time.Now()
	r.life.born, r.life.idleSince = now, now
	return nil
}

// server is the HTTP server of all that callers with the token may reach: HTTP/2 in clear text with
// prior knowledge, and HTTP/1.
func (r *Runner) server(token string, count *requests) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	h2 := &http.HTTP2Config{
		// For each piece of work a Start, a Wait and streams of the program's own.
		MaxConcurrentStreams:          250 + 4*r.o.Slots,
		MaxReceiveBufferPerStream:     streamWindow,
		MaxReceiveBufferPerConnection: connectionWindow,
	}
	if !r.o.NoPing {
		h2.SendPingTimeout, h2.PingTimeout, h2.WriteByteTimeout = pingAfter, pingTimeout, writeTimeout
	}
	return &http.Server{
		Handler:           authorised(token, count.counted(r.mux)),
		Protocols:         protocols,
		HTTP2:             h2,
		ReadHeaderTimeout: headerTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
}

// drain lets requests under way end, and ends those that do not. A connection that its client keeps
// open holds it up for flushTime alone; by itself Shutdown would wait a second for each.
func drain(ctx context.Context, srv *http.Server, count *requests) error {
	count.close()
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	var flush sync.WaitGroup
	flush.Go(func() {
		select {
		case <-count.none:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(flushTime):
			cancel()
		case <-ctx.Done():
		}
	})
	if srv.Shutdown(ctx) != nil { // only ever because ctx has ended
		_ = srv.Close() // ends the contexts of the requests that are left
	}
	cancel()
	flush.Wait()
	select {
	case <-count.none:
		return nil
	case <-time.After(drainTimeout):
		return errors.New("a mounted handler does not return though its request has ended")
	}
}

// requests counts handlers under way, which http.Server does not wait for in every case.
type requests struct {
	mu     sync.Mutex // guards all below
	n      int
	closed bool
	none   chan struct{} // closed once closed is set and n is 0
}

// counted serves as next does. What comes after close is served too: connections that were open
// may still bring some until the server has closed them; it is only no longer waited for.
func (c *requests) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		c.add(1)
		defer c.add(-1)
		next.ServeHTTP(w, q)
	})
}

func (c *requests) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += n
	c.settleLocked()
}

// close makes none be closed when there are no requests.
func (c *requests) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.settleLocked()
}

func (c *requests) settleLocked() {
	if c.closed && c.n == 0 {
		select {
		case <-c.none:
		default:
			close(c.none)
		}
	}
}

func closeIfAny(c io.Closer) {
	if c != nil {
		_ = c.Close() // only ever read from
	}
}
