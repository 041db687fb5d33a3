package runner_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/runner"
)

func TestToken_IsNeededForEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		seen := make(chan http.Header, 10)
		g := light(t, runner.Options{NoPing: true, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))},
			func(r *runner.Runner) {
				bindHold(r)
				r.Mount("/own/", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					seen <- q.Header
					_, _ = io.WriteString(w, "own")
				}))
			})
		for _, token := range []string{"", "secret", "secret-token2", "SECRET-TOKEN"} {
			c, client := g.dial(token)
			_, err := client.Hello(t.Context(), connect.NewRequest(&runnerv1.HelloRequest{}))
			wantCode(t, err, connect.CodeUnauthenticated)
			stream, err := client.Attend(t.Context(), connect.NewRequest(&runnerv1.AttendRequest{Parent: "p1"}))
			if err != nil {
				t.Fatal(err)
			}
			if stream.Receive() {
				t.Errorf("token %q attends: %v", token, stream.Msg())
			}
			wantCode(t, stream.Err(), connect.CodeUnauthenticated)
			_ = stream.Close()
			for _, path := range []string{"/own/x", "/", "/pharos.runner.v1.RunnerService/Hello"} {
				if status, body := get(t, c, path); status != http.StatusUnauthorized || !strings.Contains(body, `"code":"unauthenticated"`) {
					t.Errorf("token %q, GET %s: %d %s, want 401 in Connect's form", token, path, status, body)
				}
			}
		}
		if len(seen) != 0 {
			t.Error("a request without the token reached a mounted handler")
		}
		if status, body := get(t, g.http, "/own/x"); status != http.StatusOK || body != "own" {
			t.Errorf("with the token: %d %s, want what was mounted", status, body)
		}
		if h := <-seen; h.Get("Authorization") != "" {
			t.Error("the token reached a mounted handler")
		}
		g.stop()
		_, _ = g.ends()
		if strings.Contains(log.String(), ticket.Token) {
			t.Errorf("the token is in the log:\n%s", log.String())
		}
		if !strings.Contains(log.String(), "runner listens") {
			t.Errorf("the log says nothing:\n%s", log.String())
		}
	})
}

func get(t *testing.T, c *http.Client, path string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://runner.test"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestMount_RequestsEndWithTheRunner(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		err     string
		ends    time.Duration
	}{
		"a request that ends soon is answered": {func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			_, _ = io.WriteString(w, "done")
		}, "", time.Second},
		"a request without an end is cut off": {func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() }, "", 2 * time.Second},
		"a handler that does not care is told on": {func(http.ResponseWriter, *http.Request) {
			time.Sleep(time.Minute)
		}, "mounted handler", 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := light(t, options(), func(r *runner.Runner) { r.Mount("/own", tt.handler) })
				g.attend("p1")
				answered := make(chan bool, 1)
				go func() {
					q, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://runner.test/own", nil)
					res, err := g.http.Do(q)
					if err == nil {
						_ = res.Body.Close()
					}
					answered <- err == nil
				}()
				synctest.Wait()
				g.retire(false)
				g.endsAfter(tt.ends, tt.err)
				if got, want := <-answered, strings.Contains(name, "is answered"); got != want {
					t.Errorf("answered: %t, want %t", got, want)
				}
				time.Sleep(time.Minute) // so that the last handler ends
			})
		})
	}
}
