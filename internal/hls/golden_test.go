package hls_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestMedia_Golden shows whole playlists, one a situation.
func TestMedia_Golden(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		take   hls.Take
		d      hls.Directives
		events func(v, a *writer) []hls.Event
	}{
		{
			name: "first_segment", take: takeOf(source, sound),
			events: func(v, a *writer) []hls.Event { return append(v.segments(1), a.segments(1)...) },
		},
		{
			name: "open_segment", take: takeOf(source, sound),
			events: func(v, a *writer) []hls.Event {
				return append(append(v.segments(9), a.segments(8)...), v.part(), v.part(), a.part())
			},
		},
		{
			name: "delta", take: takeOf(source, sound), d: skip,
			events: func(v, a *writer) []hls.Event { return append(append(v.segments(20), a.segments(20)...), v.part()) },
		},
		{
			name: "window", take: sliding(takeOf(source, sound), 20*time.Second),
			events: func(v, a *writer) []hls.Event { return append(v.segments(40), a.segments(40)...) },
		},
		{
			name: "gaps", take: takeOf(source, sound),
			events: func(v, a *writer) []hls.Event {
				events := append(v.segments(1), a.segments(1)...)
				for range partsEach {
					events = append(events, v.gap())
				}
				return append(events, v.close(), v.part(), v.gap(), v.part())
			},
		},
		{
			name: "discontinuity", take: takeOf(source, sound),
			events: func(v, a *writer) []hls.Event {
				events := append(v.segments(2), a.segments(2)...)
				v.disc, v.init = true, "bb"
				return append(append(events, v.segments(1)...), v.part())
			},
		},
		{
			name: "end", take: takeOf(source, sound),
			events: func(v, a *writer) []hls.Event {
				return append(append(v.segments(2), a.segments(2)...), v.part(), v.part(), hls.End{Reason: "done"})
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, w := begun(t, tt.take)
			apply(t, b, tt.events(w[0], w[1])...)
			golden(t, tt.name, []byte(media(t, b, "source", tt.d).text))
		})
	}
}

func sliding(t hls.Take, window time.Duration) hls.Take {
	t.Window = window
	return t
}
