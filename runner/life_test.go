package runner_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/pharos-live/pharos/internal/memhttp"
	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/runner"
)

func TestFailsafe_EndsARunnerNobodyAttends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindHold)
		if _, err := g.client.Hello(t.Context(), connect.NewRequest(&runnerv1.HelloRequest{})); err != nil {
			t.Fatal(err) // to say hello is not to attend
		}
		g.http.CloseIdleConnections()
		g.endsAfter(20*time.Second, "no parent attended machine m1 within 20s")
	})
}

// pipeEnd counts as the booting parent's pipe.
type pipeEnd struct {
	io.ReadCloser
	closed chan struct{}
}

func (p pipeEnd) Close() error {
	close(p.closed)
	return p.ReadCloser.Close()
}

func TestPresence(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before func(*rig) presenceOf
		stays  bool // until the parent that attends has left too
	}{
		"the booter dies before it attends":     {func(*rig) presenceOf { return presenceOf{leave: func() {}} }, false},
		"the booter dies with its stream":       {func(g *rig) presenceOf { p := g.attend("p1"); p.leave(); synctest.Wait(); return p }, false},
		"the booter dies, another parent lives": {func(g *rig) presenceOf { return g.attend("p2") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				near, far := memhttp.Pipe()
				pipe := pipeEnd{near, make(chan struct{})}
				g := lightWith(t, options(), bindHold, pipe)
				p := tt.before(g)
				_ = far.Close()
				if tt.stays {
					g.stays(time.Hour)
					p.leave()
				}
				g.endsAfter(0, "")
				<-pipe.closed
			})
		})
	}
}

func TestPresence_OrphanedWorkMayEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := memhttp.Pipe()
		g := lightWith(t, options(), bindTidy(3*time.Second), near)
		p := g.attend("p1")
		g.running("tidy", "w1")
		_ = far.Close()
		p.leave()
		g.endsAfter(3*time.Second, "")
	})
}

func TestShutdown_LetsWorkEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		g := light(t, options(), func(r *runner.Runner) {
			bindHold(r)
			runner.HandleJob(r, runner.DefineJob[[]byte, []byte]("tidy"), func(ctx context.Context, _ []byte, ready func([]byte)) error {
				ready(nil)
				<-ctx.Done()
				cause = context.Cause(ctx)
				time.Sleep(10 * time.Second)
				return nil
			})
		})
		p := g.attend("p1")
		g.running("tidy", "w1")
		ended := make(chan error, 1)
		go func() {
			_, err := g.wait("w1")
			ended <- err
		}()
		synctest.Wait()
		g.stop()
		synctest.Wait()
		_, err := g.start(t.Context(), "hold", "w2")
		wantCode(t, err, connect.CodeUnavailable)
		g.endsAfter(10*time.Second, "")
		if !errors.Is(cause, runner.ErrShutdown) {
			t.Errorf("cause %v, want %v", cause, runner.ErrShutdown)
		}
		if err := <-ended; err != nil {
			t.Errorf("the Wait under way: %v, want its answer", err)
		}
		var told []string
		for m := range p.news {
			told = append(told, m.GetEnded()...)
		}
		if len(told) != 1 || told[0] != "w1" {
			t.Errorf("told of the ends of %q, want w1", told)
		}
	})
}

func TestShutdown_NamesTheWorkThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, runner.Options{Shutdown: 5 * time.Second, NoPing: true}, bindTidy(time.Minute))
		g.attend("p1")
		g.running("tidy", "w1")
		waited := make(chan error, 1)
		go func() {
			_, err := g.wait("w1")
			waited <- err
		}()
		synctest.Wait()
		g.stop()
		g.endsAfter(5*time.Second, "tidy w1")
		wantCode(t, <-waited, connect.CodeAborted)
		time.Sleep(time.Minute) // so that the goroutine ends
	})
}

func TestShutdown_BeforeWorkIsReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, runner.Options{Shutdown: 5 * time.Second, NoPing: true}, func(r *runner.Runner) {
			runner.HandleJob(r, hold, func(context.Context, []byte, func([]byte)) error {
				time.Sleep(time.Minute)
				return nil
			})
		})
		g.attend("p1")
		time.AfterFunc(time.Second, g.stop)
		// Neither ready nor ended: the answer must not be one that proves that nothing ran.
		_, err := g.start(t.Context(), "hold", "w1")
		wantCode(t, err, connect.CodeAborted)
		g.endsAfter(0, "hold w1")
		time.Sleep(time.Minute)
	})
}

// A parent that asks only once it was told of the end gets its answer, though the runner retires.
func TestRetire_LingersForResults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindHold)
		g.attend("p1")
		g.running("hold", "w1")
		g.retire(false)
		g.stopWork("w1")
		g.stays(400 * time.Millisecond)
		if f, err := g.wait("w1"); err != nil || f.GetMessage() != runner.ErrStopped.Error() {
			t.Errorf("wait: %v, %v; want %v", f, err, runner.ErrStopped)
		}
		g.endsAfter(0, "")
	})
}

// A failure that Start has told already is nothing to linger for.
func TestRetire_DoesNotLingerForWhatStartTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), func(r *runner.Runner) {
			runner.HandleJob(r, hold, func(context.Context, []byte, func([]byte)) error {
				time.Sleep(time.Second)
				return errors.New("no encoder")
			})
		})
		g.attend("p1")
		time.AfterFunc(time.Second/2, func() { g.retire(false) })
		res, err := g.start(t.Context(), "hold", "w1")
		if err != nil || res.GetFailure().GetMessage() != "no encoder" {
			t.Errorf("start: %v, %v; want its failure", res, err)
		}
		g.endsAfter(0, "")
	})
}

func TestListenerBreaks_WorkIsToldAndTheErrorReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindTidy(time.Second))
		g.attend("p1")
		g.running("tidy", "w1")
		_ = g.ln.Close()
		g.endsAfter(1500*time.Millisecond, "serve machine m1") // work, and lingering for its result
	})
}

func TestServe_OnceAndWithAWholeTicket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), nil)
		synctest.Wait()
		for want, tk := range map[string]runner.Ticket{"was run before": ticket, "no token": {Pool: "p", Machine: "m", Listen: "x"}} {
			ln := memhttp.NewListener()
			if err := g.r.Serve(t.Context(), tk, ln); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if _, err := ln.Dial(t.Context()); err == nil {
				t.Error("the listener is still open")
			}
		}
		if got := panics(func() { bindHold(g.r) }); !strings.Contains(got, "after Run") {
			t.Errorf("HandleJob panics with %q", got)
		}
		if got := panics(func() { g.r.Mount("/late", http.NotFoundHandler()) }); !strings.Contains(got, "after Run") {
			t.Errorf("Mount panics with %q", got)
		}
	})
}
