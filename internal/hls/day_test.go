//go:build !race

package hls_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// TestDay plays 24 hours of a broadcast of four renditions with a window of a
// quarter of an hour, as its runner would announce it, and a viewer who takes every
// state. What it costs does not grow: not a delta update's size, nor the model's
// memory, nor the time to render. (The race detector would make minutes of it.)
func TestDay(t *testing.T) { // not parallel: it measures the heap
	const hour = int(time.Hour / length) // in segments
	take := sliding(takeOf(source, rung, low, sound), 15*time.Minute)
	b, w := begun(t, take)
	full, delta := make(map[int]int), make(map[int]int)
	heap := make(map[int]uint64)
	var rendering time.Duration // in this hour
	for n := 1; n <= 24*hour; n++ {
		for range partsEach {
			for _, w := range w {
				apply(t, b, w.part())
			}
			began := time.Now()
			if _, err := b.Media(now(), "source", skip); n > 1 && err != nil {
				t.Fatal(err)
			}
			rendering += time.Since(began)
		}
		for _, w := range w {
			apply(t, b, w.close(), w.stored())
		}
		if n%hour == 0 {
			at := n / hour
			full[at], delta[at], heap[at] = size(t, b, hls.Directives{}), size(t, b, skip), heapNow()
			if mean := rendering / time.Duration(hour*partsEach); mean > 5*time.Millisecond {
				t.Errorf("in hour %d a render took %v", at, mean)
			}
			rendering = 0
		}
	}
	t.Logf("delta update of %d bytes after an hour, %d after 24; full %d and %d; heap %d and %d KiB",
		delta[1], delta[24], full[1], full[24], heap[1]>>10, heap[24]>>10)
	for at := 2; at <= 24; at++ {
		if delta[at] > delta[1]+delta[1]/20 || full[at] > full[1]+full[1]/20 { // numbers get longer
			t.Errorf("after %d hours a delta update has %d bytes and the full playlist %d: after one they had %d and %d", at, delta[at], full[at], delta[1], full[1])
		}
		if heap[at] > heap[1]+1<<20 {
			t.Errorf("after %d hours the heap is %d KiB, after one it was %d", at, heap[at]>>10, heap[1]>>10)
		}
	}
	runtime.KeepAlive(b)
}

func size(t *testing.T, b *hls.Broadcast, d hls.Directives) int {
	t.Helper()
	p, err := b.Media(now(), "source", d)
	if err != nil {
		t.Fatal(err)
	}
	return len(p.Text())
}

// heapNow is the bytes that are reachable.
func heapNow() uint64 {
	runtime.GC()
	runtime.GC() // pools empty in two steps
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
