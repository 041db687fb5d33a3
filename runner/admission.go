package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
)

// admit starts the work that q asks for, or refuses it. All that decides is looked at, and the slot
// taken, under one lock: a refusal proves that nothing ran.
func (r *Runner) admit(q *runnerv1.StartRequest) (*work, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refusalLocked(q); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(r.base)
	w := &work{
		id: q.GetWorkId(), name: q.GetName(), parent: q.GetParent(),
		started: time.Now(),
		ctx:     ctx, cancel: cancel,
		ready: make(chan struct{}), done: make(chan struct{}),
	}
	r.work[w.id] = w
	r.admitted++
	r.changeLocked()
	r.log.InfoContext(ctx, "work admitted", "work", w.id, "job", w.name, "parent", w.parent, "used", len(r.work), "slots", r.o.Slots)
	go r.execute(w, r.jobs[w.name], q.GetInput())
	return w, nil
}

// refusalLocked says why q is not admitted, or returns nil. The id comes first: were it looked at
// later, another refusal of a Start that was sent twice would claim that nothing ran.
func (r *Runner) refusalLocked(q *runnerv1.StartRequest) error {
	id := q.GetWorkId()
	switch {
	case id == "" || q.GetParent() == "":
		return refuse(connect.CodeInvalidArgument, "work needs an id and a parent")
	case r.work[id] != nil || r.ended.byID[id] != nil:
		return refuse(connect.CodeAlreadyExists, "work %s was admitted before", id)
	case r.life.retiring:
		return refuse(connect.CodeUnavailable, "machine %s is retiring", r.machine)
	case q.GetBuild() != BuildID():
		return refuse(connect.CodeFailedPrecondition, "machine %s is of build %s and takes no work from build %s",
			r.machine, BuildID(), q.GetBuild())
	case r.jobs[q.GetName()] == nil:
		return refuse(connect.CodeFailedPrecondition, "machine %s knows no job %q, but %s",
			r.machine, q.GetName(), strings.Join(r.namesLocked(), ", "))
	case r.parents[q.GetParent()] == 0:
		return refuse(connect.CodeFailedPrecondition, "parent does not attend: %s", q.GetParent())
	case len(r.work) >= r.o.Slots:
		return refuse(connect.CodeResourceExhausted, "machine %s has %d of %d slots in use", r.machine, len(r.work), r.o.Slots)
	default:
		return nil
	}
}

func refuse(code connect.Code, format string, args ...any) error {
	return connect.NewError(code, fmt.Errorf(format, args...))
}

// namesLocked returns the names of the jobs bound, sorted.
func (r *Runner) namesLocked() []string {
	return slices.Sorted(maps.Keys(r.jobs))
}

// retire stops admission and reports whether it is stopped. With ifIdle it does so only if there is
// no work and the program agrees.
func (r *Runner) retire(ifIdle bool) bool {
	if !ifIdle {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.retireLocked("a parent asked")
		return true
	}
	admitted, idle := r.idle()
	// The program is asked without the lock, as it may ask for State.
	if !idle || !r.o.IdleOK() {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.life.retiring
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Whatever was admitted meanwhile, even if it has ended, the program's answer did not know of.
	if len(r.work) == 0 && r.admitted == admitted {
		r.retireLocked("a parent asked, idle")
	}
	return r.life.retiring
}

// idle returns whether there is no work, and how much was admitted up to now.
func (r *Runner) idle() (admitted int, idle bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.admitted, len(r.work) == 0
}

// retireLocked stops admission, for good.
func (r *Runner) retireLocked(reason string) {
	if r.life.retiring {
		return
	}
	r.life.retiring = true
	r.log.Info("runner retires", "reason", reason, "used", len(r.work))
	r.changeLocked()
}
