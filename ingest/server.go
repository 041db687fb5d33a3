package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/yutopp/go-rtmp"
)

// Defaults of Options.
const (
	DefaultMaxConns      = 1000
	DefaultMaxConnsPerIP = 20
	DefaultSetup         = 10 * time.Second
	DefaultIdle          = 10 * time.Second
	DefaultWrite         = 5 * time.Second
	DefaultShutdown      = 5 * time.Second
)

// App is the one application name: rtmp://host/live.
const App = "live"

// Options are the tunables of a Server. Zero means the default.
type Options struct {
	MaxConns      int           // connections at once: 1000
	MaxConnsPerIP int           // from one IPv4 address or IPv6 /64: 20
	Setup         time.Duration // from accepting a connection to its publish being asked for: 10 s
	Idle          time.Duration // without a complete picture or audio frame: 10 s
	Write         time.Duration // for the client to take what it is sent: 5 s
	Shutdown      time.Duration // for clients to be told that the server stops: 5 s
	H265          bool          // take HEVC, too, and say so to encoders that ask
	Logger        *slog.Logger  // nil = discard
}

func (o Options) withDefaults() Options {
	setDefault(&o.MaxConns, DefaultMaxConns)
	setDefault(&o.MaxConnsPerIP, DefaultMaxConnsPerIP)
	setDefault(&o.Setup, DefaultSetup)
	setDefault(&o.Idle, DefaultIdle)
	setDefault(&o.Write, DefaultWrite)
	setDefault(&o.Shutdown, DefaultShutdown)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func (o Options) validate() error {
	var errs []error
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"MaxConns", int64(o.MaxConns)},
		{"MaxConnsPerIP", int64(o.MaxConnsPerIP)},
		{"Setup", int64(o.Setup)},
		{"Idle", int64(o.Idle)},
		{"Write", int64(o.Write)},
		{"Shutdown", int64(o.Shutdown)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("ingest option %s is negative", v.name))
		}
	}
	return errors.Join(errs...)
}

// Server is an RTMP server that takes publishes. It is safe for concurrent use.
type Server struct {
	handler Handler
	o       Options
	limiter *limiter
	stats   Stats
	crowd   throttle // log lines about connections over the limits
	noise   throttle // log lines about connections that never came to publish
}

// NewServer returns a Server that asks h about each publish. It starts nothing. Errors name every
// option that is wrong.
func NewServer(h Handler, o Options) (*Server, error) {
	if h == nil {
		return nil, errors.New("ingest needs a handler")
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	return &Server{handler: h, o: o, limiter: newLimiter(o.MaxConns, o.MaxConnsPerIP)}, nil
}

// Stats returns the server's counters.
func (s *Server) Stats() *Stats { return &s.stats }

// Serve takes connections from ln, which it closes, until ctx ends or ln fails. Then every client
// is told, and Serve returns when all its goroutines have ended: at most Options.Shutdown later,
// given that Handler and Sinks return. The error is nil when ctx ended. Several listeners, of RTMP
// and RTMPS say, may be served at once; the limits hold for all of them together.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	conns := &connections{open: make(map[*session]struct{})}
	queue := &handover{addr: ln.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	library := rtmp.NewServer(&rtmp.ServerConfig{OnConnect: accepted})
	var running sync.WaitGroup
	running.Go(func() { _ = library.Serve(queue) }) // says only that it was closed

	unlisten := context.AfterFunc(ctx, func() { _ = ln.Close() })
	err := s.accept(ctx, ln, conns, queue)
	unlisten()
	_ = ln.Close()

	_ = library.Close() // first, as it makes Accept's error the end
	_ = queue.Close()   // in case the library has not come to know it yet
	running.Wait()
	conns.end(s.o.Shutdown)
	return err
}

// accept takes connections until ctx ends, which is no error, or ln is closed. Other errors pass,
// such as having no file descriptors left: it waits a little and tries again, as net/http does.
func (s *Server) accept(ctx context.Context, ln net.Listener, conns *connections, queue *handover) error {
	var pause time.Duration
	for {
		conn, err := ln.Accept()
		select {
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close()
			}
			return nil
		default:
		}
		if err == nil {
			pause = 0
			s.admit(ctx, conn, conns, queue)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept RTMP connections: %w", err)
		}
		s.stats.AcceptErrs.Add(1)
		pause = min(max(5*time.Millisecond, 2*pause), time.Second)
		s.o.Logger.Error("accept RTMP connection", "error", err, "retry", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// admit starts a connection, or closes it at once when there are too many.
func (s *Server) admit(ctx context.Context, conn net.Conn, conns *connections, queue *handover) {
	s.stats.Connections.Add(1)
	release, err := s.limiter.admit(conn.RemoteAddr())
	if err != nil {
		s.stats.OverLimit.Add(1)
		if skipped, ok := s.crowd.allow(); ok {
			s.o.Logger.Warn("RTMP connection refused",
				"remote", conn.RemoteAddr().String(), "reason", err.Error(), "not_logged", skipped)
		}
		_ = conn.Close()
		return
	}
	s.stats.Open.Add(1)
	var session *session
	session = newSession(ctx, s, conn, func() {
		s.stats.Open.Add(-1)
		release()
		conns.remove(session)
	})
	conns.add(session)
	queue.conns <- handed{Conn: session.guard, session: session} // go-rtmp's accept loop outlives this one
}

// accepted tells go-rtmp how to serve a connection.
func accepted(conn net.Conn) (io.ReadWriteCloser, *rtmp.ConnConfig) {
	session := conn.(handed).session // handover holds nothing else
	return session.guard, session.config()
}

// connections are those that one Serve has open.
type connections struct {
	mu   sync.Mutex // guards open
	open map[*session]struct{}
	all  sync.WaitGroup
}

func (c *connections) add(s *session) {
	c.all.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[s] = struct{}{}
}

func (c *connections) remove(s *session) {
	c.mu.Lock()
	delete(c.open, s)
	c.mu.Unlock()
	c.all.Done()
}

// end stops all connections, and returns when they have ended. Whose client has not taken the
// news within grace is cut off.
func (c *connections) end(grace time.Duration) {
	c.each(func(s *session) { s.guard.interrupt(ErrStopping) })
	cut := time.AfterFunc(grace, func() { c.each(func(s *session) { _ = s.guard.Conn.Close() }) })
	defer cut.Stop()
	c.all.Wait()
}

func (c *connections) each(f func(*session)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.open {
		f(s)
	}
}
