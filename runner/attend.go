package runner

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
)

// attendance is one Attend stream. All of it is guarded by Runner.mu.
type attendance struct {
	parent string
	ended  []string // ends not told yet

	told     bool // whether used and retiring were ever told
	used     int
	retiring bool
}

// attend counts a stream of parent. Its first message names the ends of the parent's work that are
// still remembered: another stream, dead but not known to be, may have swallowed them.
func (r *Runner) attend(parent string) *attendance {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &attendance{parent: parent}
	for _, w := range r.ended.of(parent) {
		a.ended = append(a.ended, w.id)
	}
	r.attending[a] = struct{}{}
	r.parents[parent]++
	r.life.attended = true
	if r.parents[parent] == 1 {
		r.log.Info("parent attends", "parent", parent, "parents", len(r.parents))
	}
	r.changeLocked()
	return a
}

// depart takes a back. With its parent's last stream, the parent's work loses its reason.
func (r *Runner) depart(a *attendance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.attending, a)
	r.parents[a.parent]--
	if r.parents[a.parent] > 0 {
		return
	}
	delete(r.parents, a.parent)
	if len(r.parents) == 0 {
		r.life.lastLeft = time.Now()
	}
	orphans := 0
	for _, w := range r.work {
		if w.parent == a.parent {
			orphans++
			w.cancel(ErrOrphaned)
		}
	}
	r.log.Info("parent is gone", "parent", a.parent, "parents", len(r.parents), "orphaned", orphans)
	r.changeLocked()
}

// news returns what a has not been told yet, nil if nothing, and a channel that the next change
// closes. What it returns counts as told.
func (r *Runner) news(a *attendance) (*runnerv1.AttendResponse, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	used, retiring := len(r.work), r.life.retiring
	if a.told && len(a.ended) == 0 && a.used == used && a.retiring == retiring {
		return nil, r.changed
	}
	m := &runnerv1.AttendResponse{SlotsUsed: int32(used), Ended: a.ended, Retiring: retiring}
	if used == 0 {
		m.Idle = durationpb.New(time.Since(r.life.idleSince))
	}
	a.told, a.used, a.retiring, a.ended = true, used, retiring, nil
	return m, r.changed
}
