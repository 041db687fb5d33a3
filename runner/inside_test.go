package runner

import (
	"fmt"
	"testing"
	"time"

	"connectrpc.com/connect"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
)

func TestLife_Decide(t *testing.T) {
	t.Parallel()
	o := Options{Shutdown: 30 * time.Second, Orphan: time.Second, Failsafe: 20 * time.Second}
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, tt := range map[string]struct {
		life life
		want verdict
	}{
		"just booted":                             {life{born: ago(5 * time.Second)}, verdict{stay, 15 * time.Second}},
		"nobody ever came":                        {life{born: ago(20 * time.Second)}, verdict{leaveUnattended, 0}},
		"booted by a parent that died":            {life{born: now, abandoned: true}, verdict{leave, 0}},
		"attended, idle for a day":                {life{attended: true, parents: 1, born: ago(24 * time.Hour)}, verdict{stay, 0}},
		"attended by another than the booter":     {life{attended: true, parents: 1, abandoned: true}, verdict{stay, 0}},
		"the last parent left just now":           {life{attended: true, lastLeft: ago(time.Second / 4)}, verdict{stay, 3 * time.Second / 4}},
		"the last parent left":                    {life{attended: true, lastLeft: ago(time.Second)}, verdict{leave, 0}},
		"the last parent died, and was the one":   {life{attended: true, lastLeft: now, abandoned: true}, verdict{leave, 0}},
		"working":                                 {life{attended: true, parents: 1, work: 1}, verdict{stay, 0}},
		"orphaned work is ending":                 {life{attended: true, work: 1, lastLeft: ago(10 * time.Second), abandoned: true}, verdict{stay, 20 * time.Second}},
		"orphaned work does not end":              {life{attended: true, work: 1, lastLeft: ago(30 * time.Second)}, verdict{leaveStuck, 0}},
		"retiring with work":                      {life{attended: true, parents: 1, work: 1, retiring: true}, verdict{stay, 0}},
		"retired":                                 {life{attended: true, parents: 1, retiring: true}, verdict{leave, 0}},
		"retired, a result is not fetched yet":    {life{attended: true, parents: 1, retiring: true, unread: 1, idleSince: ago(100 * time.Millisecond)}, verdict{stay, 400 * time.Millisecond}},
		"retired, a result is never fetched":      {life{attended: true, parents: 1, retiring: true, unread: 1, idleSince: ago(500 * time.Millisecond)}, verdict{leave, 0}},
		"told to stop before anybody came":        {life{born: now, retiring: true, stopping: now}, verdict{leave, 0}},
		"told to stop, with work":                 {life{attended: true, parents: 1, work: 2, retiring: true, stopping: ago(10 * time.Second)}, verdict{stay, 20 * time.Second}},
		"told to stop, and the parents left":      {life{attended: true, work: 2, retiring: true, lastLeft: now, stopping: ago(10 * time.Second)}, verdict{stay, 20 * time.Second}},
		"told to stop, with work that goes on":    {life{attended: true, parents: 1, work: 2, retiring: true, stopping: ago(30 * time.Second)}, verdict{leaveStuck, 0}},
		"told to stop, and all has ended since":   {life{attended: true, parents: 1, retiring: true, stopping: ago(5 * time.Second)}, verdict{leave, 0}},
		"retiring without parents or work at all": {life{attended: true, retiring: true, lastLeft: now}, verdict{leave, 0}},
	} {
		if got := tt.life.decide(now, o); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestHistory_KeepsTheLatest(t *testing.T) {
	t.Parallel()
	var h history
	const beyond = keptResults + 10
	for i := range beyond {
		h.add(&work{id: fmt.Sprint(i), parent: fmt.Sprint("p", i%2)})
	}
	if len(h.byID) != keptResults || len(h.order) != keptResults {
		t.Fatalf("%d by id, %d in order, want %d", len(h.byID), len(h.order), keptResults)
	}
	if h.byID["9"] != nil || h.byID["10"] == nil || h.byID[fmt.Sprint(beyond-1)] == nil {
		t.Error("the oldest is kept, or a younger one forgotten")
	}
	mine := h.of("p1")
	if len(mine) != keptResults/2 || mine[0].id != "11" || mine[len(mine)-1].id != fmt.Sprint(beyond-1) {
		t.Errorf("of p1: %d from %s to %s, want %d from 11 to %d", len(mine), mine[0].id, mine[len(mine)-1].id, keptResults/2, beyond-1)
	}
}

// begun is a runner in the state that serve begins with, without a listener.
func begun(t *testing.T) *Runner {
	t.Helper()
	r := New(Options{})
	if err := r.begin(t.Context(), Ticket{Pool: "p", Machine: "m", Listen: "x", Token: "t"}); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStep_WhoeverGoesAdmitsNothing(t *testing.T) {
	t.Parallel()
	r := begun(t)
	if fate, _, _ := r.step(time.Now()); fate != stay || r.State().Retiring {
		t.Fatalf("fate %d, retiring %t; want it to stay", fate, r.State().Retiring)
	}
	r.abandon()
	if fate, _, _ := r.step(time.Now()); fate != leave || !r.State().Retiring {
		t.Errorf("fate %d, retiring %t; want it to leave and admit nothing", fate, r.State().Retiring)
	}
}

// Work that has ended, and a runner that goes for that reason: the end is the answer, every time.
func TestWait_TheEndGoesBeforeTheRunners(t *testing.T) {
	t.Parallel()
	r := begun(t)
	ended, stuck := make(chan struct{}), make(chan struct{})
	close(ended)
	r.ended.add(&work{id: "w1", done: ended, isDone: true})
	r.work["w2"] = &work{id: "w2", done: stuck}
	close(r.left)
	for range 50 {
		if _, err := (service{r}).Wait(t.Context(), connect.NewRequest(&runnerv1.WaitRequest{WorkId: "w1"})); err != nil {
			t.Fatalf("wait for ended work: %v", err)
		}
	}
	_, err := (service{r}).Wait(t.Context(), connect.NewRequest(&runnerv1.WaitRequest{WorkId: "w2"}))
	if connect.CodeOf(err) != connect.CodeAborted {
		t.Errorf("wait for running work: %v, want code %s", err, connect.CodeAborted)
	}
}
