package keeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
)

const (
	// maxTail bounds the segments of a rendition that are looked for in the bucket: those
	// that a writer of journals may be behind, many times over.
	maxTail = 256
	// joint is how far a segment may begin from the end of the one before: a frame.
	joint = 100 * time.Millisecond
)

// segments finds the segments of the tail. What the feed tells is taken as it is; what it
// does not tell is looked for in the bucket.
func (t *tail) segments(ctx context.Context, s Store, broadcast string) ([]hls.Event, error) {
	var all []hls.Event
	for i, r := range t.take.Renditions {
		f := finder{tail: t, store: s, broadcast: broadcast, rendition: i, name: r.Name, last: t.ends[i]}
		for n, msn := 0, r.NextMSN; n < maxTail; n, msn = n+1, msn+1 {
			found, ok, err := f.segment(ctx, msn)
			if err != nil {
				return nil, fmt.Errorf("look for segment %d of %s: %w", msn, r.Name, err)
			}
			if !ok {
				break
			}
			found.Rendition, found.MSN = i, msn
			f.last = end{known: true, last: found}
			all = append(all, found)
		}
	}
	return all, nil
}

// A finder looks for the tail's segments in one rendition, in order.
type finder struct {
	*tail
	store     Store
	broadcast string
	rendition int
	name      string
	last      end // of what is known

	init  string // in force in the tail; "" = not known yet
	scale uint32 // of that init section, ticks in a second
}

// segment says false where there is no further segment, or none that can be told for certain.
func (f *finder) segment(ctx context.Context, msn uint64) (hls.Segment, bool, error) {
	fact := f.facts[f.rendition][msn]
	if fact != nil && fact.settled {
		return fact.Segment, true, nil
	}
	body, term, err := f.object(ctx, msn)
	if body == nil || err != nil {
		return hls.Segment{}, false, err
	}
	if fact != nil && fact.closed { // stored, but nobody was left to say so
		found := fact.Segment
		found.Size, found.Term, found.Gap = int64(len(body)), term, false
		return found, true, nil
	}
	if known, err := f.findInit(ctx); !known || err != nil {
		return hls.Segment{}, false, err
	}
	found, ok := measure(body, f.scale)
	found.Size, found.Term, found.Init = int64(len(body)), term, f.init
	return found, ok && f.follows(found), nil
}

// object reads the object of a segment; nil where there is none.
func (f *finder) object(ctx context.Context, msn uint64) ([]byte, uint64, error) {
	for _, term := range f.terms {
		body, err := f.store.Get(ctx, hls.SegmentKey(f.broadcast, f.name, msn, term))
		if errors.Is(err, objstore.ErrNotFound) {
			continue
		}
		return body, term, err
	}
	return nil, 0, nil
}

// findInit finds the init section in force, and its timescale. Nothing in a segment names
// it: where the bucket has one that the journal does not know, the format has changed in
// the tail, nobody can say where, and the tail is given up.
func (f *finder) findInit(ctx context.Context) (bool, error) {
	if f.init != "" {
		return true, nil
	}
	named := slices.Clone(f.inits[f.rendition])
	if f.last.known && !slices.Contains(named, f.last.last.Init) { // the feed told of it
		named = append(named, f.last.last.Init)
	}
	var unnamed []string
	prefix := f.broadcast + "/" + f.name + "/init-"
	err := f.store.List(ctx, prefix, func(o objstore.Object) bool {
		if hash, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, prefix), ".mp4"); ok && !slices.Contains(named, hash) {
			unnamed = append(unnamed, hash)
		}
		return true
	})
	if err != nil {
		return false, err
	}
	hash := f.last.last.Init
	switch {
	case !f.last.known && len(unnamed) == 1:
		hash = unnamed[0]
	case !f.last.known || len(unnamed) > 0 || hash == "":
		return false, nil
	}
	body, err := f.store.Get(ctx, hls.InitKey(f.broadcast, f.name, hash))
	if errors.Is(err, objstore.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var init fmp4.Init
	if err := init.Unmarshal(bytes.NewReader(body)); err != nil || len(init.Tracks) != 1 || init.Tracks[0].TimeScale == 0 {
		return false, nil //nolint:nilerr // what cannot be read tells nothing
	}
	f.init, f.scale = hash, init.Tracks[0].TimeScale
	return true, nil
}

// follows says whether a segment goes on where the last one ended.
func (f *finder) follows(s hls.Segment) bool {
	if !f.last.known {
		return true
	}
	hole := s.Start - f.last.last.Start - f.last.last.Duration
	return -joint <= hole && hole <= joint
}

// measure reads when a segment begins and how long it lasts out of its moofs: tfdt is
// media time.
func measure(body []byte, scale uint32) (hls.Segment, bool) {
	var parts fmp4.Parts
	if err := parts.Unmarshal(body); err != nil {
		return hls.Segment{}, false
	}
	var start, end uint64
	found := false
	for _, p := range parts {
		for _, track := range p.Tracks {
			at := track.BaseTime
			if !found {
				start, found = at, true
			}
			for _, sample := range track.Samples {
				at += uint64(sample.Duration)
			}
			end = max(end, at)
		}
	}
	s := hls.Segment{Start: ticks(start, scale), Duration: ticks(end, scale) - ticks(start, scale)}
	return s, found && s.Duration > 0
}

// ticks is a time in ticks of 1/scale s, in two steps: nanoseconds of a long broadcast
// would not fit otherwise.
func ticks(t uint64, scale uint32) time.Duration {
	whole, rest := t/uint64(scale), t%uint64(scale)
	return time.Duration(whole)*time.Second + time.Duration(rest)*time.Second/time.Duration(scale)
}
