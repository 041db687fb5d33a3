package reap

import (
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// Bounds of what is remembered, in segments: some 64 bytes each.
const (
	maxNoted = 4096  // of a rendition, without an object or too young; the longest target duration needs 720
	maxDue   = 16384 // of all, that wait to be deleted: four hours of four renditions
)

// books say which parts can be deleted, and from when on.
type books struct {
	broadcast  string
	target     time.Duration
	renditions []rendition
	due        []run // oldest first
}

// A rendition is what is known of one, besides what is due.
type rendition struct {
	name string
	runs []run // by segment, oldest first
	edge time.Duration
}

// A run is the parts of a segment, which follow one another.
type run struct {
	rendition   int
	msn, term   uint64
	first, last uint64 // numbers of its parts
	end         time.Duration
	durable     bool
	lost        bool
	at          time.Time // from when on they can be deleted, once they are due
}

func (r run) count() uint64 { return r.last - r.first + 1 }

func newBooks(broadcast string, renditions []string, target time.Duration) books {
	b := books{broadcast: broadcast, target: target}
	for _, name := range renditions {
		b.renditions = append(b.renditions, rendition{name: name})
	}
	return b
}

// note enters events, and returns how many parts were given up by that.
func (b *books) note(now time.Time, events ...hls.Event) (left uint64) {
	for _, e := range events {
		switch e := e.(type) {
		case hls.Part:
			b.add(e)
		case hls.Gap:
			b.add(hls.Part(e))
		case hls.Object:
			b.mark(e.Rendition, e.MSN, false)
		case hls.Segment:
			b.mark(e.Rendition, e.MSN, e.Gap)
		}
	}
	for i := range b.renditions {
		left += b.slide(i, now)
	}
	for len(b.due) > maxDue {
		left += b.due[0].count()
		b.due = b.due[1:]
	}
	return left
}

func (b *books) add(p hls.Part) {
	if p.Rendition < 0 || p.Rendition >= len(b.renditions) {
		return
	}
	r := &b.renditions[p.Rendition]
	r.edge = max(r.edge, p.Start+p.Duration)
	if n := len(r.runs); n > 0 && r.runs[n-1].msn == p.MSN {
		r.runs[n-1].last, r.runs[n-1].end = p.Number, r.edge
		return
	}
	r.runs = append(r.runs, run{rendition: p.Rendition, msn: p.MSN, term: p.Term, first: p.Number, last: p.Number, end: r.edge})
}

// mark notes what has become of a segment.
func (b *books) mark(rendition int, msn uint64, lost bool) {
	if rendition < 0 || rendition >= len(b.renditions) {
		return
	}
	runs := b.renditions[rendition].runs
	for i := range runs {
		if runs[i].msn == msn {
			runs[i].durable, runs[i].lost = !lost, lost
		}
	}
}

// slide moves what the model has forgotten to what is due, and returns how many parts were given up.
func (b *books) slide(i int, now time.Time) (left uint64) {
	r := &b.renditions[i]
	for len(r.runs) > 0 {
		head := r.runs[0]
		switch {
		case head.lost || len(r.runs) > maxNoted:
			left += head.count()
		case head.durable && r.edge-head.end >= hls.PartAvailability(b.target):
			head.at = now.Add(Slack(b.target))
			b.due = append(b.due, head)
		default:
			return left
		}
		r.runs = r.runs[1:]
	}
	return left
}

// ready tells whether anything can be deleted now.
func (b *books) ready(now time.Time) bool { return len(b.due) > 0 && !now.Before(b.due[0].at) }

// take takes out what can be deleted in one request, and returns its keys.
func (b *books) take(now time.Time) (keys []string) {
	for len(b.due) > 0 {
		r := b.due[0]
		if now.Before(r.at) || len(keys) > 0 && uint64(len(keys))+r.count() > batchKeys {
			break
		}
		for n := r.first; n <= r.last; n++ {
			keys = append(keys, hls.PartKey(b.broadcast, b.renditions[r.rendition].name, n, r.term))
		}
		b.due = b.due[1:]
	}
	return keys
}

// postpone lets nothing be deleted before at.
func (b *books) postpone(at time.Time) {
	for i := range b.due {
		if b.due[i].at.Before(at) {
			b.due[i].at = at
		}
	}
}
