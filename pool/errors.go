package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// States that callers act on.
var (
	// ErrClosed is returned once the pool takes nothing new.
	ErrClosed = errors.New("pool closed")
	// ErrQueueFull is returned where Options.Queue callers wait already.
	ErrQueueFull = errors.New("pool queue full")
	// ErrNoCapacity is returned to a call with NoWait where no slot is free and no
	// machine may be made. It comes wrapped in the numbers.
	ErrNoCapacity = errors.New("no capacity")
	// ErrConflict is returned by Ledger.Swap when the document moved on.
	ErrConflict = errors.New("ledger document changed")
)

// Retry says what a failed boot means for the next one.
type Retry int

// What may be tried after a failed boot.
const (
	// RetrySame: the same boot may succeed later.
	RetrySame Retry = iota
	// RetryElsewhere: it may succeed, but not in the same place.
	RetryElsewhere
	// RetryNever: it fails until somebody changes something.
	RetryNever
)

// String names it.
func (r Retry) String() string {
	switch r {
	case RetrySame:
		return "same"
	case RetryElsewhere:
		return "elsewhere"
	case RetryNever:
		return "never"
	}
	return fmt.Sprintf("Retry(%d)", int(r))
}

// A BootError is why a machine did not become ready.
type BootError struct {
	// Phase is what was being done: "reserve", "boot", "start", "hello", "attend",
	// "confirm", or a phase of the backend's own.
	Phase string
	// Retry says whether another boot may succeed.
	Retry Retry
	// After is how long to wait at least before the next; 0 leaves it to the pool.
	After time.Duration
	// Exit is how the machine ended, where it did and the backend knows.
	Exit *Exit
	// Err is the cause.
	Err error
}

// Error names the phase, the cause and the last log lines.
func (e *BootError) Error() string {
	msg := fmt.Sprintf("boot machine: %s: %v", e.Phase, e.Err)
	if e.Exit != nil && len(e.Exit.Tail) > 1 {
		msg += "; lines before: " + strings.Join(e.Exit.Tail[:len(e.Exit.Tail)-1], " | ")
	}
	return msg
}

// Unwrap returns the cause.
func (e *BootError) Unwrap() error { return e.Err }

// asBootError makes err a *BootError of the phase, unless it is one already.
func asBootError(phase string, err error) *BootError {
	if be, ok := errors.AsType[*BootError](err); ok {
		return be
	}
	return &BootError{Phase: phase, Err: err}
}

// Started says whether lost work had started.
type Started int

// How much is known of lost work.
const (
	// StartedMaybe: nobody knows.
	StartedMaybe Started = iota
	// StartedNo: it certainly did not run.
	StartedNo
	// StartedYes: it ran.
	StartedYes
)

// String names it.
func (s Started) String() string {
	switch s {
	case StartedMaybe:
		return "maybe"
	case StartedNo:
		return "no"
	case StartedYes:
		return "yes"
	}
	return fmt.Sprintf("Started(%d)", int(s))
}

// A LostError says that the machine, or the way to it, was lost under the work.
type LostError struct {
	// Machine is the machine's launch id.
	Machine string
	// Started says whether the work had started.
	Started Started
	// Exit is how the machine ended, where the backend knows.
	Exit *Exit
	// Err is what was noticed first.
	Err error
}

// Error names the machine and what is known of its end.
func (e *LostError) Error() string {
	msg := fmt.Sprintf("machine %s lost (work started: %s)", e.Machine, e.Started)
	if e.Exit != nil {
		msg += ": " + e.Exit.String()
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns what was noticed first.
func (e *LostError) Unwrap() error { return e.Err }

// Phases of a TimeoutError.
const (
	PhaseQueue = "queue" // waiting for a slot
	PhaseBoot  = "boot"  // waiting for a machine that boots
	PhaseRun   = "run"   // waiting for the job to be ready
)

// A TimeoutError says in which phase time ran out. It is a context.DeadlineExceeded.
type TimeoutError struct {
	// Phase is PhaseQueue, PhaseBoot or PhaseRun.
	Phase string
	// Err is what stood in the way, such as the last failed boot; nil if nothing did.
	Err error
}

// Error names the phase and what stood in the way.
func (e *TimeoutError) Error() string {
	if e.Err == nil {
		return "timeout in phase " + e.Phase
	}
	return fmt.Sprintf("timeout in phase %s: %v", e.Phase, e.Err)
}

// Is reports whether target is context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout reports true, as net.Error asks.
func (e *TimeoutError) Timeout() bool { return true }

// Unwrap returns what stood in the way.
func (e *TimeoutError) Unwrap() error { return e.Err }

// A RemoteError is the error that the work itself returned, or its panic.
type RemoteError struct {
	// Work is the work's id.
	Work WorkID
	// Message is the error's text.
	Message string
	// Stack is the panic's stack; empty for an error.
	Stack string
	// Panic says that the work panicked.
	Panic bool
}

// Error names the work and what it said. The stack is left out.
func (e *RemoteError) Error() string { return fmt.Sprintf("work %s: %s", e.Work, e.Message) }
