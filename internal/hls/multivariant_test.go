package hls_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"
	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

func TestMultivariant(t *testing.T) {
	t.Parallel()
	hevc := low
	hevc.Name, hevc.Codecs = "360p30-h265", "hvc1.1.6.L63.90"
	hdr := source
	hdr.VideoRange = hls.PQ
	master, twin := source, rung
	master.Codecs = "hvc1.1.6.L123.90"
	twin.Name, twin.Codecs, twin.Bandwidth, twin.AverageBandwidth = "720p30-h265", "hvc1.1.6.L93.90", 2_000_000, 1_800_000
	tests := []struct {
		name       string
		renditions []hls.Rendition
		want       []string // URIs, in order
	}{
		{"multivariant_h265", []hls.Rendition{master, rung, low, twin, hevc, sound}, []string{"720p30", "360p30", "source", "720p30-h265", "360p30-h265"}},
		{"multivariant", []hls.Rendition{source, rung, low, sound}, []string{"720p30", "source", "360p30"}},
		{"multivariant_source", []hls.Rendition{source, sound}, []string{"source"}},
		{"multivariant_low", []hls.Rendition{low, hevc, sound}, []string{"360p30", "360p30-h265"}},
		{"multivariant_silent", []hls.Rendition{source}, []string{"source"}},
		{"multivariant_audio", []hls.Rendition{sound}, []string{"audio"}},
		{"multivariant_hdr", []hls.Rendition{hdr, rung, sound}, []string{"720p30", "source"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, w := begun(t, takeOf(tt.renditions...))
			for _, w := range w {
				apply(t, b, w.part())
			}
			p, err := b.Multivariant(now())
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name, p.Text())
			var m playlist.Multivariant
			if err := m.Unmarshal(unzip(t, p)); err != nil {
				t.Fatalf("gohlslib: %v", err)
			}
			var got []string
			for _, v := range m.Variants {
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(v.URI, "/hls/01JD/"), "/index.m3u8"))
				if v.AverageBandwidth == nil || *v.AverageBandwidth > v.Bandwidth || len(v.Codecs) == 0 {
					t.Errorf("mv.average, mv.codecs: %+v", v)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("variants (-want +got):\n%s", diff)
			}
			apply(t, b, hls.End{})
			if again, _ := b.Multivariant(now()); again != p {
				t.Error("it was rendered twice")
			}
		})
	}
}

func TestMultivariant_WaitsForEveryRendition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := hls.NewBroadcast(broadcast), []*writer{newWriter(0), newWriter(1)}
		ctx, cancel := context.WithCancel(t.Context())
		a := ask(func(a *asked) { a.playlist, a.err = b.Multivariant(ctx) })
		left := ask(func(a *asked) { a.playlist, a.err = b.Multivariant(ctx) })
		cancel()
		if !left.answered() || !errors.Is(left.err, context.Canceled) || !errors.Is(a.err, context.Canceled) {
			t.Errorf("got %v, want the cause", left.err)
		}
		a = ask(func(a *asked) { a.playlist, a.err = b.Multivariant(t.Context()) })
		for _, e := range []hls.Event{takeOf(source, sound), w[0].part(), w[0].part()} {
			apply(t, b, e)
			if a.answered() {
				t.Errorf("answered by %T", e)
			}
		}
		apply(t, b, w[1].gap())
		if !a.answered() || a.err != nil {
			t.Errorf("got %v", a.err)
		}
	})
}

func TestMultivariant_EndedTooEarly(t *testing.T) {
	t.Parallel()
	for name, events := range map[string][]hls.Event{
		"no take":       {hls.End{}},
		"no audio part": {takeOf(source, sound), newWriter(0).part(), hls.End{}},
	} {
		b := hls.NewBroadcast(broadcast)
		apply(t, b, events...)
		if _, err := b.Multivariant(now()); !errors.Is(err, hls.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", name, err)
		}
	}
}
