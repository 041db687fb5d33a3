package broadcast

import (
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// TestTrimmer_CutsOnlyWhatIsListedInEveryRendition plays two renditions of 2 s
// segments with one part each, of which one is a segment behind.
func TestTrimmer_CutsOnlyWhatIsListedInEveryRendition(t *testing.T) {
	t.Parallel()
	const renditions, length = 2, 2 * time.Second
	tr := newTrimmer(renditions, 4*length, 10*length)
	seq, cut, listed := uint64(1), uint64(0), 0
	firsts := map[uint64]uint64{}
	record := func(r int, msn uint64) {
		before, drop := tr.record(hls.Segment{Rendition: r, MSN: msn, Start: time.Duration(msn) * length, Duration: length})
		listed += 1 - drop
		if before > 0 {
			cut = before
		}
	}
	for msn := range uint64(40) {
		for r := range renditions {
			if r == 0 {
				firsts[msn] = seq
			}
			tr.note(hls.Part{Rendition: r, MSN: msn}, seq)
			seq++
		}
		record(0, msn)
		if msn > 0 {
			record(1, msn-1) // the slow one
		}
		if msn < 5 && cut > 0 {
			t.Fatalf("cut at %d when the stream held no more than it should", msn)
		}
	}
	// The edge is at 80 s; segments that end by 70 s, and before, lie more than 8 s back.
	if want := firsts[36]; cut > want || cut < firsts[34] {
		t.Errorf("the stream begins at seq %d, want about segment 35 (%d)", cut, firsts[35])
	}
	if listed > 2*11+2 || listed < 2*9 {
		t.Errorf("%d records stand in the list, want about ten segments of two renditions", listed)
	}
}
