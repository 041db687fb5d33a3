package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
)

const (
	keptResults = 1024     // how many pieces of ended work are remembered
	maxText     = 16 << 10 // bytes of a Failure's message, and of its stack: they are kept that often
)

// work is one piece of work, from its admission until it is forgotten.
type work struct {
	id, name, parent string
	started          time.Time
	ctx              context.Context
	cancel           context.CancelCauseFunc
	ready            chan struct{} // closed when the job calls ready
	done             chan struct{} // closed when the job has returned

	// Guarded by Runner.mu.
	isReady   bool
	out       []byte            // the ready value, until Start takes it
	encodeErr error             // why there is no ready value though ready was called
	isDone    bool              // its function has returned
	failure   *runnerv1.Failure // how it ended, once isDone; nil = well
	read      bool              // a caller has learnt how it ended
}

// execute runs w to its end, however that comes.
func (r *Runner) execute(w *work, h handler, input []byte) {
	var err error
	returned := false
	defer func() {
		if returned {
			r.finish(w, err, nil)
			return
		}
		// recover returns nil after runtime.Goexit, which ends the goroutine after this function.
		message := "ended its goroutine"
		if v := recover(); v != nil {
			message = fmt.Sprint("panic: ", v)
		}
		r.finish(w, nil, &runnerv1.Failure{Message: clip(message), Panic: true, Stack: clip(string(debug.Stack()))})
	}()
	err = h(w.ctx, input, func(out []byte, err error) { r.markReady(w, out, err) })
	returned = true
}

// markReady is the job's call of ready. The first alone counts, and none after the job's return.
func (r *Runner) markReady(w *work, out []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.isReady || w.isDone || w.encodeErr != nil {
		return
	}
	if err != nil {
		w.encodeErr = err
		w.cancel(err)
		return
	}
	w.isReady, w.out = true, out
	close(w.ready)
}

// finish frees w's slot and lets all who wait for its end know.
func (r *Runner) finish(w *work, err error, panicked *runnerv1.Failure) {
	now := time.Now()
	w.cancel(context.Canceled) // frees what the context holds

	r.mu.Lock()
	w.isDone = true
	w.failure = w.failureLocked(err, panicked)
	failure := w.failure
	delete(r.work, w.id)
	r.ended.add(w)
	for a := range r.attending {
		if a.parent == w.parent {
			a.ended = append(a.ended, w.id)
		}
	}
	if len(r.work) == 0 {
		r.life.idleSince = now
	}
	close(w.done)
	r.changeLocked()
	r.mu.Unlock()

	attrs := []slog.Attr{slog.String("work", w.id), slog.String("job", w.name), slog.Duration("took", now.Sub(w.started))}
	level := slog.LevelInfo
	if failure != nil {
		attrs = append(attrs, slog.String("error", failure.GetMessage()))
	}
	if panicked != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("stack", failure.GetStack()))
	}
	r.log.LogAttrs(w.ctx, level, "work ended", attrs...)
}

// failureLocked says how w ended, given what its function returned.
func (w *work) failureLocked(err error, panicked *runnerv1.Failure) *runnerv1.Failure {
	switch {
	case panicked != nil:
		return panicked
	case w.encodeErr != nil:
		return &runnerv1.Failure{Message: clip(w.encodeErr.Error())}
	case err != nil:
		return &runnerv1.Failure{Message: clip(err.Error())}
	case !w.isReady:
		return &runnerv1.Failure{Message: "job " + w.name + " ended before it was ready"}
	default:
		return nil
	}
}

// clip makes s fit to cross the wire: valid UTF-8, which protobuf demands, and not too long.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// stop asks the work of that id to end, if there is some.
func (r *Runner) stop(id string) {
	r.mu.Lock()
	w := r.work[id]
	r.mu.Unlock()
	if w != nil {
		r.log.InfoContext(w.ctx, "work is asked to end", "work", w.id, "job", w.name, "reason", ErrStopped.Error())
		w.cancel(ErrStopped)
	}
}

// errUnknown says that a work id means nothing here.
var errUnknown = errors.New("no such work, or forgotten")

// find returns the work of that id, running or ended.
func (r *Runner) find(id string) (*work, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.work[id]; w != nil {
		return w, nil
	}
	if w := r.ended.byID[id]; w != nil {
		return w, nil
	}
	return nil, errUnknown
}

// result returns how w, which is done, ended. From then on nobody is waited for to read it.
func (r *Runner) result(w *work) *runnerv1.Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.markReadLocked(w)
	return w.failure
}

// markReadLocked notes that a caller learns how w ended.
func (r *Runner) markReadLocked(w *work) {
	if !w.read {
		w.read = true
		r.changeLocked()
	}
}

// history remembers the work that ended last.
type history struct {
	byID  map[string]*work
	order []*work // a ring once it is full; next is then the oldest
	next  int
}

// add remembers w, and forgets the oldest beyond keptResults.
func (h *history) add(w *work) {
	if h.byID == nil {
		h.byID = map[string]*work{}
	}
	h.byID[w.id] = w
	if len(h.order) < keptResults {
		h.order = append(h.order, w)
		return
	}
	delete(h.byID, h.order[h.next].id)
	h.order[h.next] = w
	h.next = (h.next + 1) % keptResults
}

// of returns the remembered work of parent, oldest first.
func (h *history) of(parent string) []*work {
	var found []*work
	for i := range h.order {
		if w := h.order[(h.next+i)%len(h.order)]; w.parent == parent {
			found = append(found, w)
		}
	}
	return found
}
