package local

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/runner"
)

// presenceFD is the child's end of the pipe, as the first of exec.Cmd.ExtraFiles.
const presenceFD = "3"

// inherited are the variables that a child has from this process's environment.
var inherited = []string{"PATH", "HOME", "TMPDIR", "LANG", "TZ"}

// A child is a process that this backend has started.
type child struct {
	entry    entry
	cmd      *exec.Cmd
	presence *os.File // while it is open, the child's parent lives
	oomKills int      // when it started
	killed   atomic.Bool
	log      *slog.Logger
	gone     chan struct{} // closed when it has ended and its files are removed
	exit     pool.Exit     // set before gone is closed
}

// start starts the process of s and writes its entry.
func (b *Backend) start(s pool.Spec) (*child, error) {
	failed := func(phase string, err error) (*child, error) {
		return nil, &pool.BootError{Phase: phase, Retry: retryOf(err), Err: errors.Join(err, b.dir.remove(s.Launch))}
	}
	socket, err := b.dir.socket(s.Launch)
	if err != nil {
		return nil, &pool.BootError{Phase: "boot", Retry: pool.RetryNever, Err: err}
	}
	ticket := s.Ticket
	ticket.Listen = "unix:" + socket
	env, err := environment(s.Command.Env, ticket)
	if err != nil {
		return failed("boot", err)
	}
	f, err := newFollower(b.dir.path(s.Launch, logSuffix), s.Launch, b.output)
	if err != nil {
		return failed("boot", err)
	}
	c := &child{oomKills: oomKills(), log: b.log.With("machine", s.Launch), gone: make(chan struct{})}
	if err := c.exec(b.exec, s.Command.Args, env, f); err != nil {
		f.close()
		return failed("exec", err)
	}
	c.entry = entry{Pool: s.Pool, Launch: s.Launch, Socket: socket, PID: c.cmd.Process.Pid, Created: time.Now()}
	c.entry.Started, _ = startTime(c.entry.PID) // None if it has ended by now, which is seen soon.
	if err := b.dir.write(c.entry); err != nil {
		killGroup(c.entry.PID)
		c.reap(b.dir, f)
		return failed("boot", err)
	}
	c.log.Info("process started", "pid", c.entry.PID)
	go c.reap(b.dir, f)
	return c, nil
}

// retryOf says that what is missing or forbidden stays so.
func retryOf(err error) pool.Retry {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOEXEC) {
		return pool.RetryNever
	}
	return pool.RetrySame
}

// exec starts the process, with its log on standard output and error.
func (c *child) exec(path string, args, env []string, f *follower) error {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make presence pipe: %w", err)
	}
	defer theirs.Close()                //nolint:errcheck // The child has it.
	c.cmd = exec.Command(path, args...) //nolint:gosec,noctx // The pool's own command, which outlives calls.
	c.cmd.Args[0] = os.Args[0]          // /proc/self/exe would tell nobody anything.
	c.cmd.Env = env
	c.cmd.Stdout, c.cmd.Stderr = f.file, f.file
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		_ = ours.Close() // Nobody has the other end.
		return fmt.Errorf("start %s: %w", path, err)
	}
	c.presence = ours
	return nil
}

// environment is a child's whole environment.
func environment(env []string, t runner.Ticket) ([]string, error) {
	var all []string
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			all = append(all, name+"="+value)
		}
	}
	ticket, err := t.Env()
	if err != nil {
		return nil, err
	}
	// The last of a name counts.
	return append(append(all, env...), ticket, runner.PresenceEnv+"="+presenceFD), nil
}

// reap waits for the process's end, notes how it ended, and tidies up after it.
func (c *child) reap(d dir, f *follower) {
	var follow sync.WaitGroup
	ended := make(chan struct{})
	follow.Go(func() { f.follow(ended) })
	_ = c.cmd.Wait() // ProcessState says it all.
	// What it had started itself, such as an encoder, does not outlive it. Its id was
	// freed a moment ago; should the group be empty there is nobody to be hit.
	killGroup(c.entry.PID)
	close(ended)
	follow.Wait()
	_ = c.presence.Close() // Nobody has the other end.
	c.exit = c.howEnded(f.tail)
	c.log.Info("process ended", "pid", c.entry.PID, "exit", c.exit.String())
	if err := d.remove(c.entry.Launch); err != nil {
		c.log.Warn("files not removed", "error", err)
	}
	close(c.gone)
}

// howEnded is the process's exit. A SIGKILL that we did not send, while the kernel has
// killed something of ours for lack of memory, was most likely for that.
func (c *child) howEnded(tail []string) pool.Exit {
	exit := pool.Exit{Code: c.cmd.ProcessState.ExitCode(), Tail: tail}
	if s, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		exit.Signal = s.Signal().String()
		exit.OOM = s.Signal() == syscall.SIGKILL && !c.killed.Load() && oomKills() > c.oomKills
	}
	return exit
}

// terminate asks it to end. A stopped process is woken for that.
func (c *child) terminate() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // Fails alone where it has ended.
	_ = c.cmd.Process.Signal(syscall.SIGCONT)
}

// kill ends it and all in its group, if it has not ended.
func (c *child) kill() {
	select {
	case <-c.gone:
		return
	default:
	}
	c.killed.Store(true)
	c.log.Warn("process killed", "pid", c.entry.PID, "reason", "did not end when asked to")
	killGroup(c.entry.PID)
}
