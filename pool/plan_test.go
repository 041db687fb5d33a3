package pool

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	in := now.Add
	ready := func(used int) machineState {
		return machineState{phase: phaseReady, slots: 2, used: used, placed: used, idleSince: now}
	}
	booting := machineState{phase: phaseBooting, slots: 2}
	ending := machineState{phase: phaseEnding, slots: 2}
	stuck := machineState{phase: phaseStuck, slots: 2}
	waits := waiterState{since: now}
	hurries := waiterState{since: now, noWait: true}
	cause := &BootError{Phase: "boot", Err: errors.New("out of stock")}
	never := &BootError{Phase: "boot", Retry: RetryNever, Err: errors.New("no such image")}

	assign := func(w, m int) action { return action{kind: actAssign, waiter: w, machine: m} }
	grow := func(n int) action { return action{kind: actGrow, count: n} }
	refuse := func(w int, err error) action { return action{kind: actRefuse, waiter: w, err: err} }
	retire := func(m int) action { return action{kind: actRetire, machine: m} }

	for _, c := range []struct {
		name string
		in   state // with max 2, concurrency 2, where 0
		want []action
		next time.Time
	}{
		{name: "nothing to do"},
		{
			name: "a caller on an empty pool has a machine made",
			in:   state{waiters: []waiterState{waits}}, want: []action{grow(1)},
		},
		{
			name: "three callers have two made, five no more",
			in:   state{waiters: []waiterState{waits, waits, waits, waits, waits}}, want: []action{grow(2)},
		},
		{
			name: "callers that a booting machine has room for have none made",
			in:   state{machines: []machineState{booting}, waiters: []waiterState{waits, hurries}},
		},
		{
			name: "the fullest machine with a free slot is taken, in order",
			in:   state{max: 3, machines: []machineState{ready(0), ready(1), ready(2)}, waiters: []waiterState{waits, hurries, waits}},
			want: []action{assign(0, 1), assign(1, 0), assign(2, 0)},
		},
		{
			name: "a machine that said it is full is left alone for a moment",
			in: state{
				max:      1,
				machines: []machineState{{phase: phaseReady, slots: 2, used: 1, placed: 1, blocked: in(time.Second)}},
				waiters:  []waiterState{waits},
			},
			next: in(time.Second),
		},
		{
			name: "all full: who waits stays, who does not is refused",
			in:   state{max: 1, machines: []machineState{ready(2)}, waiters: []waiterState{waits, hurries}},
			want: []action{refuse(1, ErrNoCapacity)},
		},
		{
			name: "booting slots are counted before refusing",
			in:   state{max: 1, machines: []machineState{booting}, waiters: []waiterState{hurries, hurries, hurries}},
			want: []action{refuse(2, ErrNoCapacity)},
		},
		{
			name: "a machine on its way out is room to come",
			in:   state{max: 1, machines: []machineState{ending}, waiters: []waiterState{hurries, hurries, hurries}},
			want: []action{refuse(2, ErrNoCapacity)},
		},
		{
			name: "a draining machine is, once nothing is placed on it",
			in: state{
				max:      1,
				machines: []machineState{{phase: phaseDraining, slots: 2, used: 1}},
				waiters:  []waiterState{hurries},
			},
		},
		{
			name: "a draining machine with work is not",
			in: state{
				max:      1,
				machines: []machineState{{phase: phaseDraining, slots: 2, used: 1, placed: 1}},
				waiters:  []waiterState{hurries},
			},
			want: []action{refuse(0, ErrNoCapacity)},
		},
		{
			name: "nor is one that cannot be destroyed",
			in:   state{max: 1, machines: []machineState{stuck}, waiters: []waiterState{hurries, waits}},
			want: []action{refuse(0, ErrNoCapacity)},
		},
		{
			name: "machines of other parents count",
			in:   state{foreign: 2, foreignAt: in(time.Second), waiters: []waiterState{hurries, waits}},
			want: []action{refuse(0, ErrNoCapacity)}, next: in(time.Second),
		},
		{
			name: "but not for ever",
			in:   state{foreign: 2, foreignAt: now, waiters: []waiterState{hurries}},
			want: []action{grow(1)},
		},
		{
			name: "after a failed boot the next waits its time",
			in:   state{bootErr: cause, growAfter: in(time.Second), waiters: []waiterState{{since: now, failed: 1}}},
			next: in(time.Second),
		},
		{
			name: "and then is made for the same caller",
			in:   state{bootErr: cause, growAfter: now, waiters: []waiterState{{since: now, failed: 1}}},
			want: []action{grow(1)}, next: in(30 * time.Second),
		},
		{
			name: "who saw three boots fail gets the cause",
			in:   state{bootErr: cause, growAfter: now, waiters: []waiterState{{since: now, failed: 3}}},
			want: []action{refuse(0, cause)},
		},
		{
			name: "so does who waited for the boot timeout",
			in:   state{bootErr: cause, growAfter: now, waiters: []waiterState{{since: ago(30 * time.Second), failed: 1}}},
			want: []action{refuse(0, cause)},
		},
		{
			name: "and who does not wait, while none may be tried",
			in:   state{bootErr: cause, growAfter: in(time.Second), waiters: []waiterState{hurries}},
			want: []action{refuse(0, cause)},
		},
		{
			name: "and all, where a retry is useless",
			in:   state{bootErr: never, growAfter: in(time.Second), waiters: []waiterState{waits, waits}},
			want: []action{refuse(0, never), refuse(1, never)},
		},
		{
			name: "a new caller has it tried again in time",
			in:   state{bootErr: never, growAfter: now, waiters: []waiterState{hurries}},
			want: []action{grow(1)},
		},
		{
			name: "a failed boot hides no free slot",
			in:   state{bootErr: never, growAfter: in(time.Second), machines: []machineState{ready(1)}, waiters: []waiterState{hurries}},
			want: []action{assign(0, 0)},
		},
		{
			name: "an idle machine is retired in time",
			in: state{machines: []machineState{
				{phase: phaseReady, slots: 2, idleSince: ago(30 * time.Second)},
				{phase: phaseReady, slots: 2, idleSince: ago(29 * time.Second)},
				{phase: phaseReady, slots: 2, idleSince: ago(time.Hour), asking: true},
				{phase: phaseReady, slots: 2, used: 1, placed: 1, idleSince: ago(time.Hour)},
			}},
			want: []action{retire(0)}, next: in(time.Second),
		},
		{
			name: "but not where a caller takes it",
			in:   state{machines: []machineState{{phase: phaseReady, slots: 2, idleSince: ago(time.Hour)}}, waiters: []waiterState{waits}},
			want: []action{assign(0, 0)},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.in
			s.now, s.concurrency, s.idleAfter, s.bootTimeout = now, 2, 30*time.Second, 30*time.Second
			if s.max == 0 {
				s.max = 2
			}
			before := append([]machineState(nil), s.machines...)
			got, next := plan(s)
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(action{}), cmpopts.EquateErrors(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if !next.Equal(c.next) {
				t.Errorf("got next plan at %v, want %v", next, c.next)
			}
			if diff := cmp.Diff(before, s.machines, cmp.AllowUnexported(machineState{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plan changed the state:\n%s", diff)
			}
		})
	}
}

func TestBackoff_GrowsToItsBound(t *testing.T) {
	t.Parallel()
	for n, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000} {
		want *= time.Millisecond
		if got := backoff(n); got < want/2 || got > want {
			t.Errorf("after %d failures: got %s, want %s to %s", n, got, want/2, want)
		}
	}
	if got := backoff(1 << 40); got > maxBackoff {
		t.Errorf("got %s, want at most %s", got, maxBackoff)
	}
}
