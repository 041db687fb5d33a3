//go:build integration

package local_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pharos-live/pharos/backends/local"
	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/pool/backendtest"
)

// shortDir is a directory whose sockets' paths are short enough, wherever tests run.
func shortDir(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("/tmp", "ph")
	if err != nil {
		t.Fatalf("make directory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	return filepath.Join(parent, "d")
}

func newBackend(t *testing.T, dir string, o local.Options) *local.Backend {
	t.Helper()
	o.Dir = dir
	if o.Output == nil {
		o.Output = io.Discard
	}
	b, err := local.New(o)
	if err != nil {
		t.Fatalf("new backend: %v", err)
	}
	return b
}

// runPool runs a pool until the test ends, which is when nothing may be left.
func runPool(t *testing.T, dir string, lo local.Options, po pool.Options) *pool.Pool {
	t.Helper()
	p, err := pool.New(newBackend(t, dir, lo), po)
	if err != nil {
		t.Fatalf("new pool: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if left := files(t, dir); len(left) > 0 {
			t.Errorf("got %v left in the directory, want nothing", left)
		}
	})
	return p
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatalf("glob: %v", err)
	}
	return left
}

// lives reports whether a process runs, other than as a zombie.
func lives(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

// endsWithin fails unless the process ends in time.
func endsWithin(t *testing.T, pid int, limit time.Duration) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for lives(pid) {
		if time.Since(began) > limit {
			t.Fatalf("process %d still lives after %s", pid, limit)
		}
		<-tick.C
	}
	t.Logf("process ended after %s", time.Since(began))
}

func place(t *testing.T, p *pool.Pool, o ...pool.CallOption) *pool.Placement[processInfo] {
	t.Helper()
	pl, err := pool.Place(t.Context(), p, process, "", o...)
	if err != nil {
		t.Fatalf("place: %v", err)
	}
	return pl
}

func TestBackend_PassesTheSuite(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) pool.Backend {
		dir := shortDir(t)
		t.Cleanup(func() {
			if left := files(t, dir); len(left) > 0 {
				t.Errorf("got %v left in the directory, want nothing", left)
			}
		})
		return newBackend(t, dir, local.Options{})
	}, pool.Command{})
}

func TestPool_PlacesWorkInAnotherProcess(t *testing.T) {
	t.Setenv("PHAROS_SECRET", "nobody's business")
	p := runPool(t, shortDir(t), local.Options{}, pool.Options{
		Concurrency: 2,
		Runner:      pool.Command{Env: []string{"GREETING=hello"}},
	})
	began := time.Now()
	first := place(t, p)
	t.Logf("cold: boot to placed %s", time.Since(began))
	if first.Value.PID == os.Getpid() {
		t.Error("the job runs in this process")
	}
	env := first.Value.Env
	if !slices.Contains(env, "GREETING=hello") || !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		t.Errorf("got environment %q, want GREETING and PATH", env)
	}
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "PHAROS_") }) {
		t.Errorf("got environment %q, want no secret, ticket or descriptor", env)
	}

	began = time.Now()
	second := place(t, p, pool.NoWait())
	t.Logf("warm: placed %s", time.Since(began))
	if second.Value.PID != first.Value.PID {
		t.Error("the second job is in another process")
	}
	if _, err := pool.Place(t.Context(), p, process, "", pool.NoWait()); !errors.Is(err, pool.ErrNoCapacity) {
		t.Errorf("third: got %v, want ErrNoCapacity", err)
	}

	c, url := second.Client()
	resp, err := c.Get(url + "/hello")
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	defer resp.Body.Close() //nolint:errcheck // Only read.
	body, err := io.ReadAll(resp.Body)
	if got, want := string(body), "hello from "+strconv.Itoa(first.Value.PID); err != nil || got != want {
		t.Errorf("got %q, error %v; want %q", got, err, want)
	}
}

func TestPool_WarmPlaceIsQuick(t *testing.T) {
	p := runPool(t, shortDir(t), local.Options{}, pool.Options{})
	place(t, p)
	var times []time.Duration
	for range 50 {
		began := time.Now()
		pl := place(t, p)
		times = append(times, time.Since(began))
		if err := errors.Join(pl.Stop(t.Context()), pl.Wait(t.Context())); err != nil {
			t.Fatalf("end: %v", err)
		}
	}
	slices.Sort(times)
	t.Logf("warm place: p50 %s, p90 %s, max %s", times[25], times[45], times[49])
	if times[25] > 100*time.Millisecond {
		t.Errorf("got a median of %s, want a few milliseconds at most", times[25])
	}
}

func TestKilledRunner_IsNoticedWithItsExit(t *testing.T) {
	p := runPool(t, shortDir(t), local.Options{}, pool.Options{})
	pl := place(t, p)
	began := time.Now()
	if err := syscall.Kill(pl.Value.PID, syscall.SIGKILL); err != nil {
		t.Fatalf("kill: %v", err)
	}
	le, ok := errors.AsType[*pool.LostError](pl.Wait(t.Context()))
	if !ok {
		t.Fatalf("got %v, want a LostError", pl.Wait(t.Context()))
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("noticed after %s, want 2 s at most", took)
	} else {
		t.Logf("noticed after %s: %v", took, le)
	}
	if le.Exit == nil || le.Exit.Signal != "killed" || len(le.Exit.Tail) == 0 {
		t.Errorf("got exit %+v, want the signal and the last lines", le.Exit)
	}
	if next := place(t, p); next.Value.PID == pl.Value.PID {
		t.Error("placed in the dead process")
	}
}

func TestFrozenRunner_IsNoticedAndReplaced(t *testing.T) {
	p := runPool(t, shortDir(t), local.Options{Grace: 500 * time.Millisecond}, pool.Options{})
	pl := place(t, p)
	c, url := pl.Client()
	resp, err := c.Get(url + "/hang")
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	defer resp.Body.Close() //nolint:errcheck // Only read.

	began := time.Now()
	if err := syscall.Kill(pl.Value.PID, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop: %v", err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("got a whole body from a frozen runner")
	}
	client := time.Since(began)
	if le, ok := errors.AsType[*pool.LostError](pl.Wait(t.Context())); !ok {
		t.Errorf("got %v, want a LostError", le)
	}
	waited := time.Since(began)
	t.Logf("noticed by the client after %s, by the pool after %s", client, waited)
	if client > 2500*time.Millisecond || waited > 3*time.Second {
		t.Errorf("want 2 s, and 3 s at most")
	}
	place(t, p)
	endsWithin(t, pl.Value.PID, time.Second)
}

func TestKilledParent_TakesItsMachinesAlong(t *testing.T) {
	dir := shortDir(t)
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentEnv+"="+dir)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatalf("pipe: %v", err)
	}
	if err := parent.Start(); err != nil {
		t.Fatalf("start parent: %v", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("read process id: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("parse process id: %v", err)
	}
	b := newBackend(t, dir, local.Options{})
	if list, err := b.List(t.Context(), pool.DefaultName); err != nil || len(list) != 1 {
		t.Errorf("before: got machines %v, error %v; want the other parent's", list, err)
	}
	if err := errors.Join(parent.Process.Kill(), ignoreExit(parent.Wait())); err != nil {
		t.Fatalf("kill parent: %v", err)
	}
	endsWithin(t, pid, 2*time.Second)
	if list, err := b.List(t.Context(), pool.DefaultName); err != nil || len(list) != 0 {
		t.Errorf("after: got machines %v, error %v; want none", list, err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("got %v left in the directory, want nothing", left)
	}
}

// ignoreExit is err, unless it only says how a process ended.
func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}

func TestDestroy_EndsAnotherParentsMachine(t *testing.T) {
	dir := shortDir(t)
	p := runPool(t, dir, local.Options{}, pool.Options{})
	pl := place(t, p)
	other := newBackend(t, dir, local.Options{})
	list, err := other.List(t.Context(), pool.DefaultName)
	if err != nil || len(list) != 1 {
		t.Fatalf("got machines %v, error %v; want one", list, err)
	}
	if err := other.Destroy(t.Context(), list[0]); err != nil {
		t.Errorf("destroy: %v", err)
	}
	endsWithin(t, pl.Value.PID, 0)
	if err := pl.Wait(t.Context()); err != nil {
		t.Errorf("got %v, want the job to have ended when it was told", err)
	}
}

func TestDeathBeforeServing_IsToldWithExitCodeAndLastLines(t *testing.T) {
	var log lockedBuffer
	p := runPool(t, shortDir(t), local.Options{Output: &log}, pool.Options{Runner: pool.Command{Env: []string{dieEnv + "=1"}}})
	_, err := pool.Place(t.Context(), p, process, "", pool.NoWait())
	be, ok := errors.AsType[*pool.BootError](err)
	if !ok || be.Exit == nil || be.Exit.Code != 3 || !slices.Equal(be.Exit.Tail, []string{"first line", "no encoder here"}) {
		t.Fatalf("got %v, exit %+v; want code 3 and two lines", err, be)
	}
	if got := log.String(); !strings.Contains(got, "] first line\n") || !strings.Contains(got, "] no encoder here\n") {
		t.Errorf("got output %q, want both lines", got)
	}
}

func TestMissingProgram_IsToldAtOnce(t *testing.T) {
	p := runPool(t, shortDir(t), local.Options{Exec: "/nowhere/pharos"}, pool.Options{})
	_, err := pool.Place(t.Context(), p, process, "")
	if be, ok := errors.AsType[*pool.BootError](err); !ok || be.Retry != pool.RetryNever || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want a BootError that says never", err)
	}
}

// lockedBuffer is a strings.Builder for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
