package broadcast

import (
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// A trimmer knows which entries of the stream no reader needs any more: those
// of segments that stand in the list of older segments in every rendition and
// lie further back than keep.
type trimmer struct {
	renditions int
	keep       time.Duration // of media in the stream
	window     time.Duration // of media in the list

	segments []mark          // in the stream, by msn
	listed   []time.Duration // the ends of the list's records, in order
	edge     time.Duration
}

// A mark is where a segment begins in the stream.
type mark struct {
	msn, first uint64
	end        time.Duration
	records    int
}

func newTrimmer(renditions int, keep, window time.Duration) *trimmer {
	return &trimmer{renditions: renditions, keep: keep, window: window}
}

// note is told of every entry appended.
func (t *trimmer) note(e hls.Event, seq uint64) {
	var p hls.Part
	switch e := e.(type) {
	case hls.Part:
		p = e
	case hls.Gap:
		p = hls.Part(e)
	default:
		return
	}
	if n := len(t.segments); n == 0 || t.segments[n-1].msn < p.MSN {
		t.segments = append(t.segments, mark{msn: p.MSN, first: seq})
	}
}

// list is told of every record listed that is of no segment, by its end.
func (t *trimmer) list(end time.Duration) { t.listed = append(t.listed, end) }

// record is told of every record listed that is of a segment. It returns the seq before which the
// stream can be cut (0: nowhere), and how many of the oldest records can go.
func (t *trimmer) record(s hls.Segment) (before uint64, drop int) {
	end := s.Start + s.Duration
	t.edge = max(t.edge, end)
	t.listed = append(t.listed, end)
	for i := range t.segments {
		if t.segments[i].msn == s.MSN {
			t.segments[i].end = max(t.segments[i].end, end)
			t.segments[i].records++
		}
	}
	for len(t.segments) > 1 && t.segments[0].records >= t.renditions && t.edge-t.segments[0].end > t.keep {
		t.segments = t.segments[1:]
		before = t.segments[0].first
	}
	for drop < len(t.listed) && t.edge-t.listed[drop] > t.window {
		drop++
	}
	t.listed = t.listed[drop:]
	return before, drop
}
