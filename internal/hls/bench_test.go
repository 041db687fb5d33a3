package hls_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// long is a broadcast with a full window of 15 minutes.
func long(b *testing.B) (*hls.Broadcast, []*writer) {
	b.Helper()
	m, w := begun(b, sliding(takeOf(source, sound), 15*time.Minute))
	for range 600 {
		apply(b, m, append(w[0].segments(1), w[1].segments(1)...)...)
	}
	return m, w
}

// next applies one more part of w, with what its segment's end brings.
func next(b *testing.B, m *hls.Broadcast, w *writer, i int) {
	b.Helper()
	if i%partsEach == partsEach-1 {
		apply(b, m, w.part(), w.close(), w.stored())
		return
	}
	apply(b, m, w.part())
}

func BenchmarkApply(b *testing.B) {
	m, w := long(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		next(b, m, w[0], i)
	}
}

// BenchmarkRender is a part and the playlist that shows it, with a window of 15
// minutes.
func BenchmarkRender(b *testing.B) {
	for name, d := range map[string]hls.Directives{"full": {}, "delta": skip} {
		for _, zipped := range []bool{false, true} {
			label := name
			if zipped {
				label += "-gzip"
			}
			b.Run(label, func(b *testing.B) {
				m, w := long(b)
				size := 0
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					next(b, m, w[0], i)
					p, err := m.Media(context.Background(), "source", d)
					if err != nil {
						b.Fatal(err)
					}
					if size = len(p.Text()); zipped {
						size = len(p.Gzip())
					}
				}
				b.ReportMetric(float64(size), "bytes")
			})
		}
	}
}

// BenchmarkFanOut is a part that 10,000 viewers wait for, from Apply until the
// last of them has the playlist and waits for the next part.
func BenchmarkFanOut(b *testing.B) {
	const crowd = 10_000
	m, w := long(b)
	at, _ := m.Edge("source")
	ctx, cancel := context.WithCancel(context.Background())
	var clients, round sync.WaitGroup
	round.Add(crowd)
	for range crowd {
		clients.Go(func() {
			for d := partOf(at.MSN+1, 0); ; {
				p, err := m.Media(ctx, "source", d)
				if err != nil {
					return
				}
				if len(p.Text()) == 0 {
					b.Error("empty playlist")
				}
				if d.Part++; d.Part == partsEach {
					d.MSN, d.Part = d.MSN+1, 0
				}
				round.Done()
			}
		})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		next(b, m, w[0], i)
		round.Wait()
		round.Add(crowd)
	}
	cancel()
	clients.Wait()
}
