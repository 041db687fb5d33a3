package pool

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pharos-live/pharos/runner"
)

// A Backend makes machines. Its methods may run together, and end when ctx does.
// They return a *BootError where that says more than the plain error. Package
// backendtest holds the suite that every implementation passes.
type Backend interface {
	// Boot makes the machine of s.Launch and returns once it has an address, before
	// it serves. It is idempotent in s.Launch: a second Boot of one launch returns
	// the same machine. Tickets that a backend passes on have Listen filled in by it.
	Boot(ctx context.Context, s Spec) (Machine, error)
	// Destroy ends a machine: nil once that was accepted, or for a machine unknown.
	Destroy(ctx context.Context, m Machine) error
	// List names the machines of a pool that exist. It may lag.
	List(ctx context.Context, pool string) ([]Machine, error)
}

// A Dialer is a Backend that reaches its machines by a way of its own. Without it,
// or where it returns errors.ErrUnsupported, Machine.Addr is dialled.
type Dialer interface {
	// Dial opens one connection to the machine's runner. It may run at any time.
	Dial(ctx context.Context, m Machine) (net.Conn, error)
}

// A Watcher is a Backend that knows how its machines end. Where it returns
// errors.ErrUnsupported it counts as absent.
type Watcher interface {
	// Watch blocks until m has ended, and says how. It may be called when m has ended
	// already, until m was destroyed; for a machine that it does not know, or when
	// ctx ends first, it returns an error.
	Watch(ctx context.Context, m Machine) (Exit, error)
}

// A Machine is one machine as its backend knows it.
type Machine struct {
	// ID is the backend's name for it.
	ID string
	// Launch is the pool's name for it, given at Boot.
	Launch string
	// Addr is where its runner listens: "unix:/path" or "host:port".
	Addr string
	// Created is when it was made.
	Created time.Time
}

// A Spec says which machine to make.
type Spec struct {
	// Pool and Launch name the machine. A launch id is unique for ever: lower-case
	// letters, digits and dashes, at most 48.
	Pool, Launch string
	// Ticket is what its runner needs to know; the backend fills in Listen.
	Ticket runner.Ticket
	// Command is the process to run.
	Command Command
}

// A Command is a process: its arguments, without the program's name, and its
// environment, as KEY=value.
type Command struct{ Args, Env []string }

// An Exit is how a machine ended.
type Exit struct {
	// Code is the exit code, or -1 where a signal ended it or nobody knows.
	Code int
	// Signal names the signal that ended it, as "killed"; empty if none did.
	Signal string
	// OOM says that it was ended for lack of memory. False may mean unknown.
	OOM bool
	// Tail holds its last log lines, oldest first, at most 20.
	Tail []string
}

// String says it in a few words, with the last log line if there is one.
func (e Exit) String() string {
	var b strings.Builder
	switch {
	case e.OOM:
		b.WriteString("ended for lack of memory")
	case e.Signal != "":
		b.WriteString("ended by signal: " + e.Signal)
	case e.Code < 0:
		b.WriteString("ended, nobody knows how")
	default:
		b.WriteString("exited with code " + strconv.Itoa(e.Code))
	}
	if n := len(e.Tail); n > 0 {
		b.WriteString("; its last line: " + e.Tail[n-1])
	}
	return b.String()
}
