package pool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"time"
)

// Defaults of Options.
const (
	DefaultName        = "default"
	DefaultMax         = 1
	DefaultConcurrency = 100
	DefaultQueue       = 1024
	DefaultIdleAfter   = 30 * time.Second
	DefaultBootTimeout = 30 * time.Second
	DefaultTimeout     = 30 * time.Second
	DefaultShutdown    = 30 * time.Second
)

// A bound that is off.
const (
	unlimited = math.MaxInt32
	forever   = 100 * 365 * 24 * time.Hour
)

// minKey is the fewest bytes that Options.Key may have.
const minKey = 16

// Options are a pool's tunables. A field's zero value means the default in its
// comment; a negative number or duration takes the bound away.
type Options struct {
	// Name names the pool; "default". Lower-case letters, digits and dashes, at most 32.
	Name string
	// Max is how many machines there are at most: 1.
	Max int
	// Concurrency is how many pieces of work one machine takes at once: 100, and
	// never more than the runner itself says it does.
	Concurrency int
	// Queue is how many callers wait at most: 1024. One more gets ErrQueueFull.
	Queue int
	// IdleAfter is how long a machine without work is kept: 30s.
	IdleAfter time.Duration
	// BootTimeout is how long a machine may take from its reservation until it is
	// ready, and how long a caller waits over failing boots: 30s.
	BootTimeout time.Duration
	// Timeout is how long a job may take, once admitted, until it is ready: 30s.
	Timeout time.Duration
	// Shutdown is what running work gets to end by itself, once told to stop: 30s.
	Shutdown time.Duration
	// Key is what machines' tokens are derived from, at least 16 bytes; nil means
	// a random one, so that no other parent can reach these machines.
	Key []byte
	// Runner is the process to start: its arguments, without the program's name,
	// and its whole environment. Backends add only what a process needs to live.
	Runner Command
	// Ledger holds the reservations; nil means a NewMemoryLedger of this pool alone.
	// Parents that share one share Max too.
	Ledger Ledger
	// Event, if not nil, is told what happens, in order, from one goroutine with no
	// lock held. Beyond 1024 waiting events further ones are dropped and counted in
	// Stats. Run returns only after the last call has.
	Event func(Event)
	// Logger gets one line for each growth, shrink, refusal and loss; nil means none.
	Logger *slog.Logger
	// NoPing switches the HTTP/2 pings off, by which frozen runners are noticed. It
	// is meant for tests in synctest bubbles, where idle time is long and pings are dear.
	NoPing bool
}

var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// withDefaults fills in what is zero, and turns what is negative into no bound.
func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if o.Key == nil {
		o.Key = make([]byte, 32)
		_, _ = rand.Read(o.Key) // Never fails: crypto/rand.
	}
	if o.Ledger == nil {
		o.Ledger = NewMemoryLedger()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Max = bound(o.Max, DefaultMax, unlimited)
	o.Concurrency = bound(o.Concurrency, DefaultConcurrency, unlimited)
	o.Queue = bound(o.Queue, DefaultQueue, unlimited)
	o.IdleAfter = bound(o.IdleAfter, DefaultIdleAfter, forever)
	o.BootTimeout = bound(o.BootTimeout, DefaultBootTimeout, forever)
	o.Timeout = bound(o.Timeout, DefaultTimeout, forever)
	o.Shutdown = bound(o.Shutdown, DefaultShutdown, forever)
	return o
}

// bound is v, or def where v is zero, or off where v is negative or beyond it.
func bound[T int | time.Duration](v, def, off T) T {
	switch {
	case v == 0:
		return def
	case v < 0 || v > off:
		return off
	}
	return v
}

// validate reports everything that is wrong, in one joined error.
func (o Options) validate() error {
	var errs []error
	if !nameRule.MatchString(o.Name) {
		errs = append(errs, fmt.Errorf("pool name %q: want lower-case letters, digits and dashes, at most 32", o.Name))
	}
	if len(o.Key) < minKey {
		errs = append(errs, fmt.Errorf("pool key of %d bytes: want at least %d", len(o.Key), minKey))
	}
	return errors.Join(errs...)
}

// callOptions are what the CallOptions of one call add up to.
type callOptions struct{ noWait bool }

// A CallOption changes one call.
type CallOption func(*callOptions)

// NoWait has the call refused with ErrNoCapacity, at once, where no slot is free,
// counting those of machines that boot, and no machine may be made. It waits for a
// boot that has a slot for it; if that fails it gets the cause at once.
func NoWait() CallOption { return func(o *callOptions) { o.noWait = true } }
