package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/ingest/rtmptest"
	"github.com/pharos-live/pharos/internal/memhttp"
)

// A rig is a server on an in-memory listener, with what it logged.
type rig struct {
	*ingest.Server
	t    *testing.T
	ln   *memhttp.Listener
	log  *lines
	stop func() error // ends Serve and returns what it returned
}

// serve starts a server; it must be called within a bubble.
func serve(t *testing.T, h ingest.Handler, o ingest.Options) *rig {
	t.Helper()
	return serveOn(t, h, o, memhttp.NewListener(), nil)
}

func serveOn(t *testing.T, h ingest.Handler, o ingest.Options, ln *memhttp.Listener, wrap func(net.Listener) net.Listener) *rig {
	t.Helper()
	log := &lines{}
	o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server, err := ingest.NewServer(h, o)
	if err != nil {
		t.Fatal(err)
	}
	var listener net.Listener = ln
	if wrap != nil {
		listener = wrap(ln)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	r := &rig{Server: server, t: t, ln: ln, log: log}
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

// conn dials without a handshake.
func (r *rig) conn() net.Conn {
	r.t.Helper()
	conn, err := r.ln.Dial(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// dial connects and shakes hands.
func (r *rig) dial() *rtmptest.Client {
	r.t.Helper()
	c := rtmptest.New(r.conn())
	if err := c.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// publish dials and publishes live/news_key.
func (r *rig) publish() *rtmptest.Client {
	r.t.Helper()
	c := r.dial()
	if err := c.Publish("live", "news_key"); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// lines is a log that can be searched.
type lines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// mustLog fails unless something with that text has been logged.
func (r *rig) mustLog(text string) {
	r.t.Helper()
	synctest.Wait()
	if got := strings.ReplaceAll(r.log.String(), `\"`, `"`); !strings.Contains(got, text) {
		r.t.Errorf("log lacks %q:\n%s", text, got)
	}
}

// A sink records a publish.
type sink struct {
	write func(ingest.Frame) error // nil = take it
	done  chan struct{}
	why   error
	ended chan error // gets Close's reason

	mu     sync.Mutex // guards frames
	frames []ingest.Frame
}

func newSink() *sink { return &sink{done: make(chan struct{}), ended: make(chan error, 9)} }

func (s *sink) Write(f ingest.Frame) error {
	if s.write != nil {
		if err := s.write(f); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, f)
	return nil
}

func (s *sink) Close(reason error)    { s.ended <- reason }
func (s *sink) Done() <-chan struct{} { return s.done }
func (s *sink) Err() error            { return s.why }

func (s *sink) got() []ingest.Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]ingest.Frame(nil), s.frames...)
}

// summary is a frame without its bytes.
func summary(f ingest.Frame) string {
	text := fmt.Sprintf("%s dts=%d cts=%d %d bytes", f.Kind, f.DTS, f.CTS, len(f.Payload))
	if f.Key {
		text += " key"
	}
	if f.Config {
		text += " config"
	}
	return text
}

func summaries(frames []ingest.Frame) []string {
	var all []string
	for _, f := range frames {
		all = append(all, summary(f))
	}
	return all
}

// take lets every publish go to s.
func take(s ingest.Sink) ingest.Handler {
	return ingest.HandlerFunc(func(context.Context, ingest.Publish) (ingest.Sink, error) { return s, nil })
}

// bubble runs f where time is fake and every goroutine must end.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// must fails on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustClose fails unless the server closes the connection, and tells how long that took.
func mustClose(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	start := time.Now()
	_ = conn.SetReadDeadline(start.Add(time.Hour))
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the server did not close the connection")
	}
	return time.Since(start)
}

// reason waits for the publish's end.
func (s *sink) reason(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.ended:
		select {
		case <-s.ended:
			t.Error("Sink closed twice")
		default:
		}
		return err
	case <-time.After(time.Hour):
		t.Fatal("Sink was never closed")
		return nil
	}
}
