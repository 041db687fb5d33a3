package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// What Options that are zero stand for.
const (
	DefaultSlots    = 100
	DefaultShutdown = 30 * time.Second
	DefaultOrphan   = time.Second
	DefaultFailsafe = 20 * time.Second
)

// The causes with which a job's context ends: context.Cause tells which.
var (
	ErrStopped  = errors.New("runner: stopped by its parent")
	ErrOrphaned = errors.New("runner: its parent is lost")
	ErrShutdown = errors.New("runner: the runner shuts down")
)

// Options tune a Runner; the zero value works.
type Options struct {
	Slots    int           // most work at once; 0 = 100
	IdleOK   func() bool   // asked before a parent may retire the idle runner; it must not block; nil = yes
	Shutdown time.Duration // what running work gets after Run's ctx ended or its parent was lost; 0 = 30s
	Orphan   time.Duration // how long the runner outlives its last parent with no work; 0 = 1s
	Failsafe time.Duration // how long it waits for its first parent; 0 = 20s
	Logger   *slog.Logger  // nil = discard

	// NoPing switches off the HTTP/2 pings by which a frozen parent is noticed. For tests whose
	// time is not the wall clock's: there each second of silence costs two pings.
	NoPing bool
}

// withDefaults fills in what is zero. It panics on what is negative.
func (o Options) withDefaults() Options {
	if o.Slots < 0 || o.Shutdown < 0 || o.Orphan < 0 || o.Failsafe < 0 {
		panic(fmt.Sprintf("runner: negative option: slots %d, shutdown %s, orphan %s, failsafe %s",
			o.Slots, o.Shutdown, o.Orphan, o.Failsafe))
	}
	o.Slots = cmp.Or(o.Slots, DefaultSlots)
	o.Shutdown = cmp.Or(o.Shutdown, DefaultShutdown)
	o.Orphan = cmp.Or(o.Orphan, DefaultOrphan)
	o.Failsafe = cmp.Or(o.Failsafe, DefaultFailsafe)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.IdleOK == nil {
		o.IdleOK = func() bool { return true }
	}
	return o
}

// A Runner runs work for the parents that dial it. Bind jobs and mount handlers first, then call Run
// or Serve, once. State may be called at any time, from any goroutine.
type Runner struct {
	o    Options
	mux  *http.ServeMux
	left chan struct{} // closed when the runner has decided to go

	// Set by begin, before anything reads them.
	log     *slog.Logger
	machine string
	base    context.Context // the values of Run's ctx, for the contexts of work; never ends

	mu        sync.Mutex // guards all below; no function of the program's runs under it, but Logger's
	begun     bool
	jobs      map[string]handler
	work      map[string]*work // that has not ended
	ended     history
	admitted  int                      // pieces of work, ever
	attending map[*attendance]struct{} // one for each Attend stream
	parents   map[string]int           // their streams, by parent
	life      life
	changed   chan struct{} // closed and replaced by every change of what Attend tells or life decides on
}

// handler runs one piece of work, from its encoded input on.
type handler func(ctx context.Context, input []byte, ready func(out []byte, err error)) error

// New returns a Runner without jobs. It panics on negative Options.
func New(o Options) *Runner {
	r := &Runner{
		o:         o.withDefaults(),
		mux:       http.NewServeMux(),
		left:      make(chan struct{}),
		jobs:      map[string]handler{},
		work:      map[string]*work{},
		attending: map[*attendance]struct{}{},
		parents:   map[string]int{},
		changed:   make(chan struct{}),
	}
	r.mux.Handle(newService(r))
	return r
}

// Mount serves h below path (a pattern of http.ServeMux, as the constructors of Connect handlers
// return it) on the runner's listener, to callers that show the machine's token; h does not see the
// token. When the runner goes, requests under way get two seconds before their contexts end. It
// panics on a path that is taken, or if r runs.
func (r *Runner) Mount(path string, h http.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		panic("runner: Mount of " + path + " after Run")
	}
	r.mux.Handle(path, h)
}

// bind makes h what runs under name.
func (r *Runner) bind(name string, h handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case name == "":
		panic("runner: HandleJob of a job that DefineJob did not make")
	case r.begun:
		panic("runner: HandleJob of " + name + " after Run")
	case r.jobs[name] != nil:
		panic("runner: job " + name + " is bound twice")
	}
	r.jobs[name] = h
}

// State is what a runner does at one moment.
type State struct {
	Slots, Used int
	Retiring    bool       // takes no more work
	Work        []WorkInfo // that has not ended, oldest first
}

// WorkInfo describes one piece of work.
type WorkInfo struct {
	ID, Name, Parent string
	Started          time.Time
	Ready            bool
}

// State returns what r does now, for the program's own use.
func (r *Runner) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := State{Slots: r.o.Slots, Used: len(r.work), Retiring: r.life.retiring}
	for _, w := range r.work {
		s.Work = append(s.Work, WorkInfo{ID: w.id, Name: w.name, Parent: w.parent, Started: w.started, Ready: w.isReady})
	}
	slices.SortFunc(s.Work, func(a, b WorkInfo) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return s
}

// changeLocked wakes all that wait for a change.
func (r *Runner) changeLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}
