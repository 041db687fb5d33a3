package hls_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/hls/hlscheck"
)

// A recording is what a client saw of a broadcast whose moments are a millisecond
// apart.
type recording struct{ fetches []hlscheck.Fetch }

func (r *recording) add(moment int, rendition, query, text string) {
	at := anchor.Add(time.Duration(moment) * time.Millisecond)
	r.fetches = append(r.fetches, hlscheck.Fetch{
		URL: "/hls/" + broadcast + "/" + rendition + "/index.m3u8" + query, Sent: at, Done: at, Status: 200, Body: []byte(text),
	})
}

// offline are the rules that need no clock, no HTTP and no encoder: a walk's
// renditions go their own ways.
func offline(rule string) bool {
	if slices.Contains([]string{"latency.edge", "seg.cadence", "part.cadence", "part.min"}, rule) {
		return false
	}
	group, _, _ := strings.Cut(rule, ".")
	return !slices.Contains([]string{"align", "http", "end"}, group) || rule == "end.clean"
}

// check holds the recording against all rules that can be held offline.
func (r *recording) check(t *testing.T, b *hls.Broadcast) {
	t.Helper()
	p, err := b.Multivariant(now())
	if err != nil {
		t.Fatal(err)
	}
	r.fetches = append(r.fetches, hlscheck.Fetch{URL: "/hls/" + broadcast + "/index.m3u8", Done: anchor, Status: 200, Body: p.Text()})
	for _, v := range hlscheck.Check(r.fetches, hlscheck.Options{}) {
		if offline(v.Rule) {
			t.Error(v)
		}
	}
}
