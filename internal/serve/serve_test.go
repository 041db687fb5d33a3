package serve_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/memhttp"
	"github.com/pharos-live/pharos/internal/serve"
)

// running is a server under serve.HTTP in a bubble.
type running struct {
	ln   *memhttp.Listener
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, grace time.Duration, handler func(ctx context.Context) http.Handler) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{ln: memhttp.NewListener(), stop: stop, done: make(chan error, 1)}
	srv := &http.Server{Handler: handler(ctx), Protocols: serve.Protocols()}
	go func() { r.done <- serve.HTTP(ctx, srv, r.ln, grace) }()
	return r
}

// client returns a client of one protocol; its connections must be closed within the bubble.
func (r *running) client(t *testing.T, h2c bool) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(!h2c)
	p.SetUnencryptedHTTP2(h2c)
	tr := &http.Transport{
		Protocols:   &p,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return r.ln.Dial(ctx) },
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

type answer struct {
	body string
	err  error
}

func fetch(c *http.Client, path string) answer {
	resp, err := c.Get("http://pharos.test" + path)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answer{string(body), err}
}

// routes answers /slow after a second, /poll when its context ends, and /stuck with its context's end too.
func routes(ctx context.Context) http.Handler {
	untilEnd := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		_, _ = io.WriteString(w, context.Cause(r.Context()).Error())
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Second):
			_, _ = io.WriteString(w, "finished")
		case <-r.Context().Done():
			_, _ = io.WriteString(w, "cut off")
		}
	})
	mux.Handle("/poll", serve.EndOnShutdown(ctx, untilEnd))
	mux.Handle("/stuck", untilEnd)
	return mux
}

func TestHTTP_LetsRequestsFinishAndAnswersLongPollsAtOnce(t *testing.T) {
	t.Parallel()
	for name, h2c := range map[string]bool{"HTTP/1.1": false, "h2c": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := start(t, time.Minute, routes)
				c := r.client(t, h2c)
				slow, poll := make(chan answer, 1), make(chan answer, 1)
				go func() { slow <- fetch(c, "/slow") }()
				go func() { poll <- fetch(c, "/poll") }()
				synctest.Wait()

				stopped := time.Now()
				r.stop()
				if got, want := <-poll, (answer{serve.ErrStopping.Error(), nil}); got != want {
					t.Errorf("long poll: got %v, want %v", got, want)
				}
				if took := time.Since(stopped); took != 0 {
					t.Errorf("long poll: answered %v after the stop, want at once", took)
				}
				if got, want := <-slow, (answer{"finished", nil}); got != want {
					t.Errorf("slow request: got %v, want %v", got, want)
				}
				if err := <-r.done; err != nil {
					t.Errorf("HTTP: %v, want nil", err)
				}
				if took := time.Since(stopped); took > 5*time.Second {
					t.Errorf("HTTP returned %v after the stop: it did not notice that all was done", took)
				}
				if got := fetch(c, "/slow"); got.err == nil {
					t.Error("a stopped server still answers")
				}
			})
		})
	}
}

func TestHTTP_ClosesWhatOutlastsTheGrace(t *testing.T) {
	t.Parallel()
	for name, h2c := range map[string]bool{"HTTP/1.1": false, "h2c": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := start(t, 7*time.Second, routes)
				stuck := make(chan answer, 1)
				go func() { stuck <- fetch(r.client(t, h2c), "/stuck") }()
				synctest.Wait()
				stopped := time.Now()
				r.stop()
				if err := <-r.done; err != nil {
					t.Errorf("HTTP: %v, want nil", err)
				}
				if got, want := time.Since(stopped), 7*time.Second; got != want {
					t.Errorf("HTTP returned after %v, want the grace of %v", got, want)
				}
				if got := <-stuck; got.err == nil {
					t.Errorf("the stuck request was answered %q", got.body)
				}
			})
		})
	}
}

func TestHTTP_ReportsABrokenListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, time.Minute, routes)
		stuck := make(chan answer, 1)
		go func() { stuck <- fetch(r.client(t, false), "/stuck") }()
		synctest.Wait()
		_ = r.ln.Close()
		if err := <-r.done; !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "127.0.0.1:80") {
			t.Errorf("HTTP: %v, want an error that wraps %v and names the address", err, net.ErrClosed)
		}
		if got := <-stuck; got.err == nil {
			t.Error("a connection outlived its server")
		}
	})
}

func TestHTTP_ClosesTheListenerWhenTheContextHasEndedBefore(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	ln := memhttp.NewListener()
	if err := serve.HTTP(ctx, &http.Server{}, ln, time.Second); err != nil {
		t.Errorf("HTTP: %v, want nil", err)
	}
	if _, err := ln.Dial(t.Context()); err == nil {
		t.Error("the listener is still open")
	}
}

// tardy is a listener whose Accept takes a second to notice that it is closed.
type tardy struct{ *memhttp.Listener }

func (l tardy) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		time.Sleep(time.Second)
	}
	return c, err
}

func TestHTTP_WaitsForItsGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- serve.HTTP(ctx, &http.Server{}, tardy{memhttp.NewListener()}, time.Minute)
		}()
		synctest.Wait()
		stopped := time.Now()
		stop()
		if err := <-done; err != nil || time.Since(stopped) != time.Second {
			t.Errorf("HTTP returned %v after %v, want nil after 1s, as its listener does", err, time.Since(stopped))
		}
	})
}

func TestHTTP_ServesTLSWithHTTP2(t *testing.T) {
	t.Parallel()
	lender := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	lender.Close()
	ln := memhttp.NewListener()
	srv := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }),
		Protocols: serve.Protocols(),
		TLSConfig: &tls.Config{Certificates: lender.TLS.Certificates, MinVersion: tls.VersionTLS12},
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve.HTTP(ctx, srv, ln, time.Second) }()

	tr, ok := lender.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("httptest's client has another transport than expected")
	}
	tr = tr.Clone()
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return ln.Dial(ctx) }
	tr.ForceAttemptHTTP2 = true
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("https://example.com/")
	if err != nil {
		t.Fatalf("GET over TLS: %v", err)
	}
	got, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if want := "HTTP/2.0"; string(got) != want || err != nil {
		t.Errorf("GET over TLS: %q, %v, want %q", got, err, want)
	}
	tr.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Errorf("HTTP: %v, want nil", err)
	}
}

func TestHTTP_TLSWithoutCertificatesIsAnError(t *testing.T) {
	t.Parallel()
	ln := memhttp.NewListener()
	srv := &http.Server{TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if err := serve.HTTP(t.Context(), srv, ln, time.Second); err == nil {
		t.Error("HTTP: nil, want an error")
	}
	if _, err := ln.Dial(t.Context()); err == nil {
		t.Error("the listener was left open")
	}
}

func TestHTTP_ASilentClientIsLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, time.Second, routes)
		c, err := r.ln.Dial(t.Context())
		if err != nil {
			t.Fatalf("Dial: %v", err)
		}
		since := time.Now()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n")
		_, _ = io.ReadAll(c)
		if got, want := time.Since(since), 10*time.Second; got != want {
			t.Errorf("half a request was kept open for %v, want %v", got, want)
		}
		r.stop()
		if err := <-r.done; err != nil {
			t.Errorf("HTTP: %v, want nil", err)
		}
	})
}

func TestEndOnShutdown_AClientThatLeavesIsNoShutdown(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	cause := make(chan error, 1)
	h := serve.EndOnShutdown(t.Context(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leave()
		<-r.Context().Done()
		cause <- context.Cause(r.Context())
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	if err := <-cause; !errors.Is(err, context.Canceled) || errors.Is(err, serve.ErrStopping) {
		t.Errorf("cause: %v, want %v", err, context.Canceled)
	}
}
