package runner_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner"
)

func TestWork_FromStartToEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindHold)
		g.attend("p1")
		began := time.Now()
		if got, want := string(g.running("hold", "w1")), "ready w1"; got != want {
			t.Errorf("ready value %q, want %q", got, want)
		}
		want := runner.State{Slots: 100, Used: 1, Work: []runner.WorkInfo{
			{ID: "w1", Name: "hold", Parent: "p1", Started: began, Ready: true},
		}}
		if diff := cmp.Diff(want, g.r.State()); diff != "" {
			t.Errorf("state (-want +got):\n%s", diff)
		}
		g.stopWork("w1")
		f, err := g.wait("w1")
		if err != nil || f.GetMessage() != runner.ErrStopped.Error() || f.GetPanic() {
			t.Errorf("wait: %v, %v; want %v", f, err, runner.ErrStopped)
		}
		if diff := cmp.Diff(runner.State{Slots: 100}, g.r.State()); diff != "" {
			t.Errorf("state after the end (-want +got):\n%s", diff)
		}
	})
}

func TestWork_OutlivesTheRequestThatStartedIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindHold)
		g.attend("p1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := g.start(ctx, "hold", "w1"); err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(time.Hour)
		if used := g.r.State().Used; used != 1 {
			t.Errorf("%d slots used an hour later, want 1", used)
		}
	})
}

func TestWork_HowItEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		job     func(ctx context.Context, in []byte, ready func([]byte)) error
		ready   bool   // whether Start answers that it runs
		message string // in the failure; "" = none
		panics  bool
	}{
		"well":                       {func(_ context.Context, _ []byte, ready func([]byte)) error { ready(nil); return nil }, true, "", false},
		"with an error":              {func(_ context.Context, _ []byte, ready func([]byte)) error { ready(nil); return errors.New("torn") }, true, "torn", false},
		"before it was ready":        {func(context.Context, []byte, func([]byte)) error { return nil }, false, "job odd ended before it was ready", false},
		"with an error before ready": {func(context.Context, []byte, func([]byte)) error { return errors.New("no ffmpeg") }, false, "no ffmpeg", false},
		"in a panic":                 {func(_ context.Context, _ []byte, ready func([]byte)) error { ready(nil); panic("index 7") }, true, "panic: index 7", true},
		"in a panic before ready":    {func(context.Context, []byte, func([]byte)) error { panic(errors.New("nil map")) }, false, "panic: nil map", true},
		"by Goexit":                  {func(context.Context, []byte, func([]byte)) error { runtime.Goexit(); return nil }, false, "ended its goroutine", true},
		"with bytes that are no text": {func(context.Context, []byte, func([]byte)) error {
			return errors.New("a\xffb")
		}, false, "a\uFFFDb", false},
		"with a very long text": {func(context.Context, []byte, func([]byte)) error {
			return errors.New(strings.Repeat("ä", 5<<20))
		}, false, "ää…", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := light(t, options(), func(r *runner.Runner) {
					bindHold(r)
					runner.HandleJob(r, runner.DefineJob[[]byte, []byte]("odd"), tt.job)
				})
				g.attend("p1")
				res, err := g.start(t.Context(), "odd", "w1")
				if err != nil {
					t.Fatal(err)
				}
				if got := res.GetFailure() == nil; got != tt.ready {
					t.Errorf("start answered %v, want running: %t", res, tt.ready)
				}
				f, err := g.wait("w1")
				if err != nil {
					t.Fatal(err)
				}
				if (f == nil) != (tt.message == "") || !strings.Contains(f.GetMessage(), tt.message) || f.GetPanic() != tt.panics {
					t.Errorf("got failure %v, want %q, panic %t", f, tt.message, tt.panics)
				}
				if tt.panics && !strings.Contains(f.GetStack(), "TestWork_HowItEnds") {
					t.Errorf("the stack does not name the job's function:\n%s", f.GetStack())
				}
				if !tt.ready && !cmp.Equal(res.GetFailure().GetMessage(), f.GetMessage()) {
					t.Errorf("start says %q, wait says %q", res.GetFailure().GetMessage(), f.GetMessage())
				}
				g.running("hold", "w2") // the runner goes on
			})
		})
	}
}

func TestWork_BadValuesFailIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		g := light(t, options(), func(r *runner.Runner) {
			runner.HandleJob(r, runner.DefineJob[int, []byte]("in"),
				func(context.Context, int, func([]byte)) error { panic("not called") })
			runner.HandleJob(r, runner.DefineJob[[]byte, chan int]("out"),
				func(ctx context.Context, _ []byte, ready func(chan int)) error {
					ready(nil)
					ready(nil)
					<-ctx.Done()
					cause = context.Cause(ctx)
					return nil
				})
		})
		g.attend("p1")
		for job, want := range map[string]string{"in": "decode input of job in: ", "out": "encode ready value of job out: "} {
			res, err := g.start(t.Context(), job, "w-"+job)
			if err != nil || !strings.HasPrefix(res.GetFailure().GetMessage(), want) || res.GetFailure().GetPanic() {
				t.Errorf("start of %s: %v, %v; want the failure %q…", job, res, err, want)
			}
		}
		if cause == nil || !strings.HasPrefix(cause.Error(), "encode ready value") {
			t.Errorf("cause %v, want why the ready value was not encoded", cause)
		}
	})
}

func TestWork_ReadyCountsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late func([]byte)
		g := light(t, options(), func(r *runner.Runner) {
			runner.HandleJob(r, hold, func(ctx context.Context, _ []byte, ready func([]byte)) error {
				ready([]byte("first"))
				ready([]byte("second"))
				late = ready
				<-ctx.Done()
				return nil
			})
			runner.HandleJob(r, runner.DefineJob[[]byte, []byte]("late"), func(_ context.Context, _ []byte, ready func([]byte)) error {
				late = ready
				return nil
			})
		})
		g.attend("p1")
		if got := string(g.running("hold", "w1")); got != "first" {
			t.Errorf("ready value %q, want the first", got)
		}
		g.stopWork("w1")
		if f, err := g.wait("w1"); f != nil || err != nil {
			t.Errorf("wait: %v, %v; want a good end", f, err)
		}
		if _, err := g.start(t.Context(), "late", "w2"); err != nil {
			t.Fatal(err)
		}
		late(nil) // after the end: nothing happens
		if f, err := g.wait("w2"); f == nil || err != nil {
			t.Errorf("wait: %v, %v; want that it was not ready", f, err)
		}
	})
}

func TestWork_StartWhoseCallerGoesAwayIsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		causes := make(chan error, 1)
		g := light(t, runner.Options{Slots: 1, NoPing: true}, func(r *runner.Runner) {
			bindHold(r)
			runner.HandleJob(r, runner.DefineJob[[]byte, []byte]("slow"), func(ctx context.Context, _ []byte, _ func([]byte)) error {
				<-ctx.Done()
				causes <- context.Cause(ctx)
				time.Sleep(time.Second) // what it has to tidy up
				return nil
			})
		})
		g.attend("p1")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := g.start(ctx, "slow", "w1")
		wantCode(t, err, connect.CodeDeadlineExceeded)
		if cause := <-causes; !errors.Is(cause, runner.ErrStopped) {
			t.Errorf("cause %v, want %v", cause, runner.ErrStopped)
		}
		_, err = g.start(t.Context(), "hold", "w2")
		wantCode(t, err, connect.CodeResourceExhausted) // until it has returned
		time.Sleep(time.Second)
		synctest.Wait()
		g.running("hold", "w3")
	})
}

func TestWait_LongAfterTheEndAndForUnknownWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), func(r *runner.Runner) {
			runner.HandleJob(r, runner.DefineJob[[]byte, []byte]("fail"), func(_ context.Context, in []byte, _ func([]byte)) error {
				return fmt.Errorf("failed %s", in)
			})
		})
		g.attend("p1")
		_, err := g.wait("never")
		wantCode(t, err, connect.CodeNotFound)
		g.stopWork("never") // no error

		if _, err := g.start(t.Context(), "fail", "w1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		for range 2 {
			f, err := g.wait("w1")
			if want := "failed w1"; err != nil || f.GetMessage() != want {
				t.Errorf("wait: %v, %v; want %q", f, err, want)
			}
		}
	})
}
