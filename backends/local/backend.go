package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/pharos-live/pharos/pool"
)

// DefaultGrace is what a machine gets between SIGTERM and SIGKILL.
const DefaultGrace = 5 * time.Second

// pollEvery is how often the end of a process that is no child is looked for.
const pollEvery = 100 * time.Millisecond

// Options are a backend's tunables; the zero value works.
type Options struct {
	// Dir is the private directory; os.TempDir()/pharos-<user id>. Sockets are in it,
	// whose paths may have 103 bytes, so keep it short.
	Dir string
	// Exec is the program that machines run; this process's own executable.
	Exec string
	// Output gets what machines write, each line with its machine's launch id: as the
	// attribute "machine" where the line is a JSON object, else in brackets before it.
	// Lines of several machines do not mix. os.Stderr; io.Discard for nothing.
	Output io.Writer
	// Grace is what Destroy leaves a machine between SIGTERM and SIGKILL: 5s.
	Grace time.Duration
	// Logger gets one line for each process that starts, ends or is killed; nil means none.
	Logger *slog.Logger
}

// Backend makes machines of processes. It is safe for concurrent use.
type Backend struct {
	dir    dir
	exec   string
	grace  time.Duration
	output *output
	log    *slog.Logger

	mu    sync.Mutex        // protects procs; held while a process is started
	procs map[string]*child // by launch, from Boot to Destroy
}

var (
	_ pool.Backend = (*Backend)(nil)
	_ pool.Watcher = (*Backend)(nil)
)

// New returns a backend. It makes the directory, and fails where that is not, or
// cannot be made, this user's alone.
func New(o Options) (*Backend, error) {
	if o.Exec == "" {
		var err error
		if o.Exec, err = executable(); err != nil {
			return nil, fmt.Errorf("find own executable: %w", err)
		}
	}
	if o.Output == nil {
		o.Output = os.Stderr
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(cmp.Or(o.Dir, filepath.Join(os.TempDir(), "pharos-"+strconv.Itoa(os.Getuid()))))
	if err != nil {
		return nil, fmt.Errorf("find directory of machines %s: %w", o.Dir, err)
	}
	b := &Backend{
		dir:    dir(path),
		exec:   o.Exec,
		grace:  cmp.Or(o.Grace, DefaultGrace),
		output: &output{w: o.Output},
		log:    o.Logger,
		procs:  map[string]*child{},
	}
	return b, b.dir.ensure()
}

// executable is this process's own: on Linux the very file that it runs, even if
// another has taken its name.
func executable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// Boot implements pool.Backend. It returns once the process runs.
func (b *Backend) Boot(ctx context.Context, s pool.Spec) (pool.Machine, error) {
	if ctx.Err() != nil {
		return pool.Machine{}, context.Cause(ctx)
	}
	if err := checkLaunch(s.Launch); err != nil {
		return pool.Machine{}, &pool.BootError{Phase: "boot", Retry: pool.RetryNever, Err: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.procs[s.Launch]; c != nil {
		return c.entry.machine(), nil
	}
	if err := b.dir.ensure(); err != nil {
		return pool.Machine{}, &pool.BootError{Phase: "boot", Retry: pool.RetryNever, Err: err}
	}
	if err := b.sweepLocked(); err != nil {
		b.log.Warn("old machines' files not removed", "dir", string(b.dir), "error", err)
	}
	if e, ok := b.dir.read(s.Launch); ok {
		return e.machine(), nil // Another parent's: sweep has left what lives.
	}
	c, err := b.start(s)
	if err != nil {
		return pool.Machine{}, err
	}
	b.procs[s.Launch] = c
	return c.entry.machine(), nil
}

// Destroy implements pool.Backend: SIGTERM and, after Options.Grace, SIGKILL to the
// process group. It returns when the process is gone.
func (b *Backend) Destroy(ctx context.Context, m pool.Machine) error {
	b.mu.Lock()
	c := b.procs[m.Launch]
	b.mu.Unlock()
	if c == nil {
		return b.destroyOther(ctx, m)
	}
	c.terminate()
	if err := b.await(ctx, c.gone, func() { c.kill() }); err != nil {
		return fmt.Errorf("destroy machine %s: %w", m.Launch, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.procs, m.Launch)
	return nil
}

// destroyOther destroys a machine that another parent booted, or that is unknown.
func (b *Backend) destroyOther(ctx context.Context, m pool.Machine) error {
	if checkLaunch(m.Launch) != nil {
		return nil // None of ours has such a name.
	}
	e, ok := b.dir.read(m.Launch)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gone := make(chan struct{})
	go func() {
		if e.awaitEnd(ctx) == nil {
			close(gone)
		}
	}()
	e.terminate()
	if err := b.await(ctx, gone, e.kill); err != nil {
		return fmt.Errorf("destroy machine %s: %w", m.Launch, err)
	}
	return b.dir.remove(m.Launch)
}

// await waits until gone is closed, and calls kill should that take longer than the grace.
func (b *Backend) await(ctx context.Context, gone <-chan struct{}, kill func()) error {
	t := time.NewTimer(b.grace)
	defer t.Stop()
	for {
		select {
		case <-gone:
			return nil
		case <-t.C:
			kill()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// List implements pool.Backend: the machines of that pool whose processes live.
func (b *Backend) List(ctx context.Context, name string) ([]pool.Machine, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.sweepLocked(); err != nil {
		b.log.Warn("old machines' files not removed", "dir", string(b.dir), "error", err)
	}
	entries, err := b.dir.entries()
	if err != nil {
		return nil, fmt.Errorf("list machines: %w", err)
	}
	var machines []pool.Machine
	for _, e := range entries {
		if e.Pool == name && e.alive() {
			machines = append(machines, e.machine())
		}
	}
	return machines, nil
}

// sweepLocked removes the files of machines whose processes have ended, but for our
// own children: those tidy up themselves.
func (b *Backend) sweepLocked() error {
	return b.dir.sweep(func(launch string) bool { return b.procs[launch] != nil })
}

// Watch implements pool.Watcher. Of a machine that another parent booted it learns the
// end, but not how.
func (b *Backend) Watch(ctx context.Context, m pool.Machine) (pool.Exit, error) {
	b.mu.Lock()
	c := b.procs[m.Launch]
	b.mu.Unlock()
	if c != nil {
		select {
		case <-c.gone:
			return c.exit, nil
		case <-ctx.Done():
			return pool.Exit{}, context.Cause(ctx)
		}
	}
	if checkLaunch(m.Launch) == nil {
		if e, ok := b.dir.read(m.Launch); ok {
			return pool.Exit{Code: -1}, e.awaitEnd(ctx)
		}
	}
	return pool.Exit{}, errors.New("no such machine: " + m.Launch)
}
