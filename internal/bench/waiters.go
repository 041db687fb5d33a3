package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// measureWaiters has requests wait for each part in web.Server's handler itself, without sockets or
// clients: what a part costs an app server as such.
func (b *bench) measureWaiters(ctx context.Context) error {
	return b.withRig(ctx, func(ctx context.Context, r *rig) error {
		return withReel(ctx, r.registry, reelBefore, func(ctx context.Context, reel *reel) error {
			if err := warm(ctx, r.web.url("/hls/"+reel.id+"/source/index.m3u8")); err != nil {
				return err
			}
			b.progress("waiters: %d in this process, %d parts", b.waiters, b.waiterRounds)
			before, baseline := steadyGoroutines(), heap()
			var took []time.Duration
			for range b.waiterRounds {
				d, err := b.wakeAll(ctx, r.web.handler, reel)
				if err != nil {
					return err
				}
				took = append(took, d)
			}
			if err := b.leaveAll(ctx, r.web.handler, reel.path()); err != nil {
				return err
			}
			after, left := steadyGoroutines(), heap()
			b.report.add(row{
				what:    fmt.Sprintf("%d waiters in one process: part announced → the last byte handed over", b.waiters),
				samples: fmt.Sprintf("%d parts", len(took)),
				ours:    spread(took),
			})
			b.report.add(row{
				what:    "goroutines and heap before they came, and after as many left amid a wait",
				samples: fmt.Sprintf("%d waiters", b.waiters),
				ours:    fmt.Sprintf("%d and %d KiB, then %d and %d KiB", before, baseline>>10, after, left>>10),
			})
			if after > before+rigs {
				return fmt.Errorf("%d goroutines are left, there were %d", after, before)
			}
			return nil
		})
	})
}

// wakeAll has all wait for the next part, announces it, and says when the last had it.
func (b *bench) wakeAll(ctx context.Context, h http.Handler, reel *reel) (time.Duration, error) {
	all := b.hold(ctx, h, reel.path())
	if err := sleepUntil(ctx, time.Now().Add(settled)); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := reel.announce(ctx); err != nil {
		return 0, err
	}
	all.wait.Wait()
	took := time.Since(began)
	if n := all.answered.Load(); n != int64(b.waiters) {
		return 0, fmt.Errorf("%d of %d waiters got the playlist", n, b.waiters)
	}
	return took, nil
}

// leaveAll has all wait, and all go before there is anything to say.
func (b *bench) leaveAll(ctx context.Context, h http.Handler, path string) error {
	leaving, leave := context.WithCancel(ctx)
	defer leave()
	all := b.hold(leaving, h, path)
	if err := sleepUntil(ctx, time.Now().Add(settled)); err != nil {
		return err
	}
	leave()
	all.wait.Wait()
	if n := all.answered.Load(); n != 0 {
		return errors.Join(errEarly, fmt.Errorf("%d waiters got a playlist", n))
	}
	return nil
}

// settled is how long ten thousand goroutines get until they surely wait.
const settled = 500 * time.Millisecond

// waiters are requests that a handler holds.
type waiters struct {
	wait     sync.WaitGroup
	answered atomic.Int64 // with 200 and a body
}

func (b *bench) hold(ctx context.Context, h http.Handler, path string) *waiters {
	all := &waiters{}
	for range b.waiters {
		all.wait.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
			if err != nil {
				return
			}
			req.Header.Set("Accept-Encoding", "gzip")
			w := &sink{header: http.Header{}}
			h.ServeHTTP(w, req)
			if w.status == http.StatusOK && w.size > 0 {
				all.answered.Add(1)
			}
		})
	}
	return all
}

// A sink is a client that takes everything at once.
type sink struct {
	header http.Header
	status int
	size   int
}

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(status int) { s.status = status }

func (s *sink) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	s.size += len(b)
	return len(b), nil
}

// heap is the bytes in use once nothing is left to be collected.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
