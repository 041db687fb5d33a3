package packager_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/runner/packager"
)

var updateDocs = flag.Bool("update-docs", false, "write the tables of docs/OPERATING.md")

const operating = "../../docs/OPERATING.md"

// A price list, in dollars. docs/OPERATING.md says where and when it was read.
type prices struct {
	put, get float64 // a request: PUT, POST and LIST; GET. DELETE is free in both
	store    float64 // a GB for a month
	egress   float64 // a GB to the internet
}

var (
	amazon = prices{put: 0.005 / 1000, get: 0.0004 / 1000, store: 0.023, egress: 0.09}
	tigris = prices{put: 0.005 / 1000, get: 0.0005 / 1000, store: 0.02}
)

// The example: what a streamer sends, and the ladder of fly.toml.
const (
	sourceRate = 6_000_000
	audioRate  = 128_000
	ladderRate = 2_000_000 + 600_000
	watched    = 2_000_000 // the rung that the example's viewer watches

	// deletes is how many requests of reap.Live there are in an hour: one each ten seconds.
	deletes = 360
)

// perHour counts, by running the packager, the parts and the segments that a rendition has in an hour.
func perHour(t *testing.T, part time.Duration) (parts, segments int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := avRig(t, func(c *packager.Config, _ *packager.Options) { c.Part = part })
		r.live(0, 66)
		r.finish()
		var counts [2][2]int // by rendition
		for i := range counts {
			all, _ := r.parts(i)
			seen := map[uint64]bool{}
			for _, p := range all {
				if p.MSN >= 1 && p.Start+p.Duration < 62*time.Second+100*time.Millisecond { // a minute of whole segments
					counts[i][0]++
					seen[p.MSN] = true
				}
			}
			counts[i][1] = len(seen)
		}
		if counts[0] != counts[1] {
			t.Errorf("parts and segments of %v: video has %v in a minute, audio %v", part, counts[0], counts[1])
		}
		parts, segments = counts[0][0]*60, counts[0][1]*60
	})
	return parts, segments
}

// gigabytes is what an hour at a rate takes.
func gigabytes(rate float64) float64 { return rate * 3600 / 8 / 1e9 }

// tables computes what stands between the markers of docs/OPERATING.md.
func tables(t *testing.T) string {
	t.Helper()
	var streams, viewers strings.Builder
	streams.WriteString("| ladder | `PHAROS_PART` | PUT of parts | PUT of segments | requests to delete | S3 requests | Tigris requests | kept for 30 days: S3 | Tigris |\n|---|---|---|---|---|---|---|---|---|\n")
	viewers.WriteString("| player | `PHAROS_PART` | GET | S3 requests | Tigris requests | S3 traffic | Tigris traffic |\n|---|---|---|---|---|---|---|\n")
	viewer := func(player, part string, gets int) {
		gb := gigabytes(watched + audioRate)
		fmt.Fprintf(&viewers, "| %s | %s | %d | $%.4f | $%.4f | $%.3f | $%.3f |\n", player, part, gets,
			float64(gets)*amazon.get, float64(gets)*tigris.get, gb*amazon.egress, gb*tigris.egress)
	}
	var perSegment int
	for _, part := range []time.Duration{200 * time.Millisecond, 333 * time.Millisecond, time.Second} {
		parts, segments := perHour(t, part)
		perSegment = 2 * segments
		for _, l := range []struct {
			name       string
			renditions int
			rate       float64
		}{{"passthrough", 2, sourceRate + audioRate}, {"`720p30`, `360p30` and the source", 4, sourceRate + ladderRate + audioRate}} {
			puts := l.renditions * (parts + segments)
			gb := gigabytes(l.rate)
			fmt.Fprintf(&streams, "| %s | %v | %d | %d | %d | $%.3f | $%.3f | $%.3f | $%.3f |\n", l.name, part,
				l.renditions*parts, l.renditions*segments, deletes,
				float64(puts+deletes)*amazon.put, float64(puts+deletes)*tigris.put, gb*amazon.store, gb*tigris.store)
		}
		viewer("low latency: parts of one video rendition and of audio", part.String(), 2*parts)
	}
	viewer("others, replays: segments of both", "any", perSegment)
	return "A stream-hour:\n\n" + streams.String() + "\nA viewer-hour, without a CDN:\n\n" + viewers.String()
}

// TestOperating_TablesAreComputed holds the tables of docs/OPERATING.md to what the packager does.
func TestOperating_TablesAreComputed(t *testing.T) {
	const begin, end = "<!-- computed by TestOperating_TablesAreComputed -->\n", "<!-- end of what is computed -->\n"
	text, err := os.ReadFile(operating)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has not the lines %q and %q", operating, begin, end)
	}
	want := "\n" + tables(t) + "\n"
	if *updateDocs {
		if err := os.WriteFile(operating, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("the tables of %s are not what the packager does: go test ./runner/packager -run Operating -update-docs\ngot:\n%s\nwant:\n%s", operating, got, want)
	}
}
