package keeper

import (
	"cmp"
	"slices"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
)

// A tail is what a journal does not tell of a broadcast: its last seconds.
type tail struct {
	take  hls.Take   // with the numbers at which the tail begins
	ends  []end      // of the journal, by rendition
	facts []segments // of the feed, by rendition
	terms []uint64   // under which objects of the tail may stand, newest first
	inits [][]string // that the journal names, by rendition
}

// An end is where the journal ends in a rendition.
type end struct {
	known bool // there is a segment
	last  hls.Segment
}

// segments are what a feed tells of them, by number.
type segments map[uint64]*fact

// A fact is what a feed tells of one segment.
type fact struct {
	hls.Segment
	closed  bool // its duration is final
	settled bool // it is durable, or lost
}

// newTail is nil where neither journal nor feed has a take: nothing was ever shown.
func newTail(j *journal.Journal, snap registry.Snapshot) (*tail, error) {
	f, err := readFeed(snap)
	if err != nil {
		return nil, err
	}
	t := &tail{}
	switch {
	case j != nil:
		t.take = j.Take
	case f.take != nil:
		t.take = *f.take
	default:
		return nil, nil //nolint:nilnil // there is no tail, and nothing is wrong
	}
	t.take.Renditions = slices.Clone(t.take.Renditions)
	for i := range t.take.Renditions {
		r := &t.take.Renditions[i]
		var e end
		var inits []string
		if j != nil {
			for _, s := range j.Segments[i] {
				e = end{known: true, last: s}
				if !slices.Contains(inits, s.Init) {
					inits = append(inits, s.Init)
				}
			}
		}
		if e.known {
			r.NextMSN = e.last.MSN + 1
		}
		t.ends = append(t.ends, e)
		t.inits = append(t.inits, inits)
		t.facts = append(t.facts, f.byName[r.Name])
	}
	if j != nil {
		t.terms = append(t.terms, j.Term)
	}
	for _, term := range f.terms {
		if !slices.Contains(t.terms, term) {
			t.terms = append(t.terms, term)
		}
	}
	slices.SortFunc(t.terms, func(a, b uint64) int { return cmp.Compare(b, a) })
	return t, nil
}

// A feedReader gathers what a feed tells of segments.
type feedReader struct {
	take   *hls.Take // the newest
	byName map[string]segments
	terms  []uint64 // that wrote entries
}

func readFeed(snap registry.Snapshot) (*feedReader, error) {
	f := &feedReader{byName: map[string]segments{}}
	data := append([][]byte{snap.Head}, snap.Older...)
	for _, e := range snap.Entries {
		data = append(data, e.Data)
		if !slices.Contains(f.terms, e.ID.Term) {
			f.terms = append(f.terms, e.ID.Term)
		}
	}
	for _, d := range data {
		if d == nil {
			continue
		}
		e, err := wire.DecodeEvent(d)
		if err != nil {
			return nil, err
		}
		f.add(e)
	}
	return f, nil
}

func (f *feedReader) add(e hls.Event) {
	switch e := e.(type) {
	case hls.Take:
		f.take = &e
	case hls.Segment:
		if s := f.find(e.Rendition, e.MSN); s != nil {
			*s = fact{Segment: e, closed: true, settled: true}
		}
	case hls.Part:
		f.part(e, false)
	case hls.Gap:
		f.part(hls.Part(e), true)
	case hls.Close:
		if s := f.find(e.Rendition, e.MSN); s != nil && !s.settled && s.Duration > 0 {
			s.Duration, s.closed = e.Duration, true
		}
	case hls.Object:
		if s := f.find(e.Rendition, e.MSN); s != nil && s.closed {
			s.Size, s.Term, s.Gap, s.settled = e.Size, e.Term, false, true
		}
	}
}

// part takes in a part or gap of a segment, of which the stream may have lost the first.
func (f *feedReader) part(p hls.Part, gap bool) {
	s := f.find(p.Rendition, p.MSN)
	if s == nil || s.settled {
		return
	}
	if s.Duration == 0 {
		s.Segment = hls.Segment{
			Rendition: p.Rendition, MSN: p.MSN, Start: p.Start, Init: p.Init, Discontinuity: p.Discontinuity,
			Gap: true, Term: p.Term,
		}
	}
	s.Duration = p.Start + p.Duration - s.Start
	s.Gap = s.Gap && gap
}

// find is the fact of a segment; nil where its rendition is unknown.
func (f *feedReader) find(rendition int, msn uint64) *fact {
	if f.take == nil || rendition < 0 || rendition >= len(f.take.Renditions) {
		return nil
	}
	name := f.take.Renditions[rendition].Name
	if f.byName[name] == nil {
		f.byName[name] = segments{}
	}
	if f.byName[name][msn] == nil {
		f.byName[name][msn] = &fact{}
	}
	return f.byName[name][msn]
}
