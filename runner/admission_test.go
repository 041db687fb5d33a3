package runner_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/runner"
)

func TestHello(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, runner.Options{Slots: 7, NoPing: true}, func(r *runner.Runner) {
			bindHold(r)
			runner.HandleJob(r, runner.DefineJob[int, int]("a"), func(context.Context, int, func(int)) error { return nil })
		})
		hello := func() *runnerv1.HelloResponse {
			t.Helper()
			res, err := g.client.Hello(t.Context(), connect.NewRequest(&runnerv1.HelloRequest{Build: "any other"}))
			if err != nil {
				t.Fatal(err)
			}
			return res.Msg
		}
		want := &runnerv1.HelloResponse{Machine: "m1", Build: runner.BuildID(), Names: []string{"a", "hold"}, Slots: 7}
		if diff := cmp.Diff(want, hello(), protocmp.Transform()); diff != "" {
			t.Errorf("at first (-want +got):\n%s", diff)
		}
		g.attend("p1")
		g.running("hold", "w1")
		g.retire(false)
		want.SlotsUsed, want.Retiring = 1, true
		if diff := cmp.Diff(want, hello(), protocmp.Transform()); diff != "" {
			t.Errorf("retiring (-want +got):\n%s", diff)
		}
	})
}

func TestStart_Refusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request func(*runnerv1.StartRequest)
		before  func(*rig)
		code    connect.Code
		text    []string
	}{
		"all slots taken": {
			before: func(g *rig) { g.running("hold", "w2"); g.running("hold", "w3") },
			code:   connect.CodeResourceExhausted, text: []string{"2 of 2 slots"},
		},
		"retiring": {
			before: func(g *rig) { g.running("hold", "w2"); g.retire(false) },
			code:   connect.CodeUnavailable, text: []string{"machine m1 is retiring"},
		},
		"another build": {
			request: func(q *runnerv1.StartRequest) { q.Build = "older" },
			code:    connect.CodeFailedPrecondition, text: []string{"older", runner.BuildID()},
		},
		"an unknown name": {
			request: func(q *runnerv1.StartRequest) { q.Name = "bake" },
			code:    connect.CodeFailedPrecondition, text: []string{`"bake"`, "hold, slow"},
		},
		"a parent that does not attend": {
			request: func(q *runnerv1.StartRequest) { q.Parent = "p2" },
			code:    connect.CodeFailedPrecondition, text: []string{"parent does not attend"},
		},
		"a parent that attends no longer": {
			request: func(q *runnerv1.StartRequest) { q.Parent = "p2" },
			before:  func(g *rig) { g.attend("p2").leave(); synctest.Wait() },
			code:    connect.CodeFailedPrecondition, text: []string{"parent does not attend"},
		},
		"an id of running work, even when full and retiring": {
			before: func(g *rig) { g.running("hold", "w1"); g.running("hold", "w2"); g.retire(false) },
			code:   connect.CodeAlreadyExists, text: []string{"w1"},
		},
		"an id of ended work": {
			before: func(g *rig) {
				g.running("hold", "w1")
				g.stopWork("w1")
				_, _ = g.wait("w1")
			},
			code: connect.CodeAlreadyExists, text: []string{"w1"},
		},
		"no id":     {request: func(q *runnerv1.StartRequest) { q.WorkId = "" }, code: connect.CodeInvalidArgument},
		"no parent": {request: func(q *runnerv1.StartRequest) { q.Parent = "" }, code: connect.CodeInvalidArgument},
		"too much input": {
			request: func(q *runnerv1.StartRequest) { q.Input = make([]byte, 5<<20) },
			code:    connect.CodeResourceExhausted, text: []string{"message size"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var runs atomic.Int32
				g := light(t, runner.Options{Slots: 2, NoPing: true}, func(r *runner.Runner) {
					bindHold(r)
					runner.HandleJob(r, runner.DefineJob[[]byte, []byte]("slow"), func(context.Context, []byte, func([]byte)) error {
						runs.Add(1)
						return nil
					})
				})
				g.attend("p1")
				if tt.before != nil {
					tt.before(g)
				}
				q := &runnerv1.StartRequest{WorkId: "w1", Build: runner.BuildID(), Name: "slow", Parent: "p1"}
				if tt.request != nil {
					tt.request(q)
				}
				used := g.r.State().Used
				_, err := g.client.Start(t.Context(), connect.NewRequest(q))
				wantCode(t, err, tt.code)
				for _, text := range tt.text {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("error %q does not name %q", err, text)
					}
				}
				if runs.Load() != 0 || g.r.State().Used != used {
					t.Errorf("something ran: %d runs, %d slots in use, before %d", runs.Load(), g.r.State().Used, used)
				}
			})
		})
	}
}

func TestRetire_IfIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var agree atomic.Bool
		var g *rig
		g = light(t, runner.Options{NoPing: true, IdleOK: func() bool {
			return g.r.State().Used == 0 && agree.Load() // it may ask for State
		}}, bindHold)
		g.attend("p1")
		if g.retire(true) {
			t.Error("retired, though IdleOK does not agree")
		}
		agree.Store(true)
		g.running("hold", "w1")
		if g.retire(true) {
			t.Error("retired, though there is work")
		}
		g.stopWork("w1")
		if _, err := g.wait("w1"); err != nil {
			t.Fatal(err)
		}
		if !g.retire(true) {
			t.Error("not retired, though idle")
		}
		g.endsAfter(0, "")
	})
}

func TestRetire_WorkAdmittedWhileTheProgramIsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan struct{})
		g := light(t, runner.Options{NoPing: true, IdleOK: func() bool {
			close(asked)
			<-answer
			return true
		}}, bindHold)
		g.attend("p1")
		retired := make(chan bool)
		go func() { retired <- g.retire(true) }()
		<-asked
		g.running("hold", "w1")
		g.stopWork("w1")
		if _, err := g.wait("w1"); err != nil {
			t.Fatal(err)
		}
		close(answer)
		if <-retired {
			t.Error("retired on an answer from before the work")
		}
		g.running("hold", "w2")
	})
}

func TestRetire_LetsWorkEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := light(t, options(), bindHold)
		p := g.attend("p1")
		g.running("hold", "w1")
		for _, ifIdle := range []bool{false, false, true} {
			if !g.retire(ifIdle) {
				t.Errorf("retire, if idle %t: not retired", ifIdle)
			}
		}
		_, err := g.start(t.Context(), "hold", "w2")
		wantCode(t, err, connect.CodeUnavailable)
		g.stays(time.Hour)
		g.stopWork("w1")
		f, err := g.wait("w1")
		if err != nil || f.GetMessage() != runner.ErrStopped.Error() {
			t.Errorf("wait: %v, %v; want %v", f, err, runner.ErrStopped)
		}
		g.endsAfter(0, "")
		var last *runnerv1.AttendResponse
		for last = range p.news { // to the last
		}
		if !last.GetRetiring() || last.GetSlotsUsed() != 0 {
			t.Errorf("the last news is %v, want retiring without work", last)
		}
	})
}

// A Start and a Retire that meet: either the work runs and the answer is no, or it is refused.
func TestRetire_RacesWithStart(t *testing.T) {
	t.Parallel()
	won, lost := 0, 0
	for i := range 60 {
		synctest.Test(t, func(t *testing.T) {
			g := light(t, options(), bindHold)
			g.attend("p1")
			var retired bool
			var errs [4]error
			var all sync.WaitGroup
			for n := range errs {
				all.Go(func() { _, errs[n] = g.start(t.Context(), "hold", fmt.Sprint("w", i, "-", n)) })
			}
			all.Go(func() { retired = g.retire(true) })
			all.Wait()
			for _, err := range errs {
				if retired {
					lost++
					wantRefusedOrGone(t, err)
				} else if err != nil {
					t.Fatalf("not retired, and the start failed: %v", err)
				}
			}
			if !retired {
				won++
				if used := g.r.State().Used; used != len(errs) {
					t.Fatalf("%d slots used, want %d", used, len(errs))
				}
			}
		})
	}
	t.Logf("%d starts refused, %d retirements refused", lost, won)
}

// wantRefusedOrGone fails unless err proves that nothing ran: refused, or not even connected.
func wantRefusedOrGone(t *testing.T, err error) {
	t.Helper()
	wantCode(t, err, connect.CodeUnavailable)
}

// Slots hold under load: never more work than slots, and every Start runs or is refused.
func TestStart_NeverMoreThanSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const slots, callers, each = 3, 8, 40
		var running, most, ran, refused atomic.Int32
		brief := runner.DefineJob[[]byte, []byte]("brief")
		g := light(t, runner.Options{Slots: slots, NoPing: true}, func(r *runner.Runner) {
			runner.HandleJob(r, brief, func(_ context.Context, _ []byte, ready func([]byte)) error {
				n := running.Add(1)
				defer running.Add(-1)
				for {
					m := most.Load()
					if n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				ready(nil)
				time.Sleep(time.Millisecond)
				ran.Add(1)
				return nil
			})
		})
		g.attend("p1")
		var all sync.WaitGroup
		for c := range callers {
			all.Go(func() {
				for i := range each {
					_, err := g.start(t.Context(), "brief", fmt.Sprint(c, "-", i))
					if connect.CodeOf(err) == connect.CodeResourceExhausted {
						refused.Add(1)
						time.Sleep(100 * time.Microsecond)
					} else if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		time.Sleep(time.Second)
		if most.Load() != slots {
			t.Errorf("at most %d ran at once, want %d", most.Load(), slots)
		}
		if got := ran.Load() + refused.Load(); got != callers*each {
			t.Errorf("%d ran and %d were refused, want %d in all", ran.Load(), refused.Load(), callers*each)
		}
	})
}
