package registry_test

import (
	"context"
	"testing"

	"github.com/pharos-live/pharos/internal/registry"
)

// BenchmarkAppend_ReaderWoken is the way of one entry from Feed.Append to a reader that the doorbell woke and
// that has read it, over TCP on the embedded Redis.
func BenchmarkAppend_ReaderWoken(b *testing.B) {
	e, writes := embedded(b)
	benchmarkAppend(b, writes, open(b, e.URL()))
}

func benchmarkAppend(b *testing.B, writes, reads *registry.Registry) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	run := func(f func(context.Context) error) {
		go func() {
			_ = f(ctx)
			done <- struct{}{}
		}()
	}
	defer func() {
		cancel()
		<-done
		<-done
	}()
	run(reads.Doorbell().Run)
	ring, leave := reads.Doorbell().Feed("b1")
	defer leave()
	<-ring // subscribed
	term, err := writes.NextTerm(ctx, "b1")
	if err != nil {
		b.Fatal(err)
	}
	f := writes.Feed("b1", term)
	if _, err := f.Take(ctx, []byte("take")); err != nil {
		b.Fatal(err)
	}
	run(f.Run)
	last, data := registry.EntryID{Term: term}, make([]byte, 120)
	b.ReportAllocs()
	for b.Loop() {
		seq, err := f.Append(ctx, data)
		if err != nil {
			b.Fatal(err)
		}
		for last.Seq < seq {
			<-ring
			read, err := reads.After(ctx, "b1", last)
			if err != nil {
				b.Fatal(err)
			}
			if len(read) > 0 {
				last = read[len(read)-1].ID
			}
		}
		if seq%64 == 0 {
			f.Trim(last, 0)
		}
	}
}
