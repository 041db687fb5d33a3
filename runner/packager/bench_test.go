package packager_test

import (
	"context"
	"testing"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/runner/packager"
)

// void takes everything at once.
type void struct{}

func (void) Put(context.Context, string, []byte, objstore.PutOptions) error { return nil }

// BenchmarkSource is a source frame of 12.5 kB on its way into a part, of 60 a second; uploads to
// nowhere included.
func BenchmarkSource(b *testing.B) {
	p, err := packager.New(testConfig(), packager.Tracks{Source: sourceVideo(), ListSource: true}, void{}, silentOptions())
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run(context.Background()) }()
	p.Start()
	data := payload(1, 12_500)
	b.ReportAllocs()
	b.SetBytes(12_500)
	n := int64(0)
	for b.Loop() {
		if err := p.Source(packager.Sample{DTS: n * 1500, PTS: n * 1500, Key: n%120 == 0, Data: data, Seq: uint64(n + 1)}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	p.End()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
