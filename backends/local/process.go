package local

import (
	"context"
	"syscall"
	"time"
)

// alive reports whether the entry's process runs: that one, and not another with its id.
func (e entry) alive() bool {
	started, ok := startTime(e.PID)
	return ok && started == e.Started
}

// awaitEnd waits until the entry's process, which need not be a child, has ended.
func (e entry) awaitEnd(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for e.alive() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// terminate asks the entry's process to end. A stopped one is woken for that.
func (e entry) terminate() {
	if e.alive() {
		_ = syscall.Kill(e.PID, syscall.SIGTERM) // Where it has ended meanwhile, all is well.
		_ = syscall.Kill(e.PID, syscall.SIGCONT)
	}
}

// kill ends the entry's process and all in its group.
func (e entry) kill() {
	if e.alive() {
		killGroup(e.PID)
	}
}

// killGroup ends what is left of a process group. Its leader was made its leader when
// it was started, so the group has the leader's id; while it has members, the system
// gives that id to nobody else.
func killGroup(leader int) { _ = syscall.Kill(-leader, syscall.SIGKILL) }
