package hls

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrOrder is what Apply's error is when an event does not continue the numbers
// of its rendition. Whoever feeds the model has missed something, and begins
// again from a snapshot.
var ErrOrder = errors.New("events out of order")

// feed is how far the events have come: what of a batch is new, what is known
// already, and what cannot follow. It decides before anything is done.
type feed struct {
	take    *Take    // the first; nil before it
	order   []int    // the latest take's renditions, as indexes into the first's
	cursors []cursor // by rendition, in the first take's order
	ended   bool
}

// step is an event that is to be done.
type step struct {
	event     Event
	rendition int // in the first take's order
}

// clone is a feed that can go on without changing f.
func (f feed) clone() feed {
	f.cursors = slices.Clone(f.cursors)
	return f
}

// admit moves the feed past e. It says false for what is known already.
func (f *feed) admit(e Event) (step, bool, error) {
	switch e := e.(type) {
	case Take:
		fresh, err := f.admitTake(e)
		if err != nil {
			return step{}, false, fmt.Errorf("apply take: %w", err)
		}
		return step{event: e}, fresh, nil
	case End:
		return step{event: e}, f.admitEnd(), nil
	case Poster, Sheet: // in any order, and never a reason to fail
		return step{event: e}, f.take != nil && drawable(e), nil
	case Part:
		return f.advance(e, e.Rendition, "part", e.Number, func(c *cursor) (bool, error) { return c.part(e, f) })
	case Gap:
		return f.advance(e, e.Rendition, "gap", e.Number, func(c *cursor) (bool, error) { return c.part(Part(e), f) })
	case Close:
		return f.advance(e, e.Rendition, "close of segment", e.MSN, func(c *cursor) (bool, error) { return c.close(e) })
	case Object:
		return f.advance(e, e.Rendition, "object of segment", e.MSN, func(c *cursor) (bool, error) { return c.object(e) })
	case Segment:
		return f.advance(e, e.Rendition, "segment", e.MSN, func(c *cursor) (bool, error) { return c.segment(e, f) })
	}
	return step{}, false, fmt.Errorf("apply event: unknown type %T", e)
}

// advance finds the cursor of a rendition and moves it.
func (f *feed) advance(e Event, rendition int, what string, number uint64, move func(*cursor) (bool, error)) (step, bool, error) {
	if f.take == nil {
		return step{}, false, fmt.Errorf("apply %s %d: %w: no take came before it", what, number, ErrOrder)
	}
	if rendition < 0 || rendition >= len(f.order) {
		return step{}, false, fmt.Errorf("apply %s %d: rendition %d of %d", what, number, rendition, len(f.order))
	}
	i := f.order[rendition]
	fresh, err := move(&f.cursors[i])
	if err != nil {
		return step{}, false, fmt.Errorf("apply %s %d of %s: %w", what, number, f.take.Renditions[i].Name, err)
	}
	return step{event: e, rendition: i}, fresh, nil
}

// admitEnd closes what is open: nobody else will.
func (f *feed) admitEnd() bool {
	if f.ended {
		return false
	}
	f.ended = true
	for i := range f.cursors {
		f.cursors[i].finish()
	}
	return true
}

func (f *feed) admitTake(t Take) (bool, error) {
	if f.take != nil {
		return false, f.continueWith(t)
	}
	if err := validate(t); err != nil {
		return false, err
	}
	t.Renditions = slices.Clone(t.Renditions)
	f.take = &t
	f.order = make([]int, len(t.Renditions))
	f.cursors = make([]cursor, len(t.Renditions))
	for i, r := range t.Renditions {
		f.order[i] = i
		f.cursors[i] = cursor{next: r.NextPart, msn: r.NextMSN, closed: r.NextMSN}
	}
	return true, nil
}

func validate(t Take) error {
	if t.TargetDuration < time.Second || t.TargetDuration%time.Second != 0 {
		return fmt.Errorf("target duration %v is not a whole number of seconds", t.TargetDuration)
	}
	if t.PartTarget < time.Microsecond || t.PartTarget > t.TargetDuration {
		return fmt.Errorf("part target %v is not within target duration %v", t.PartTarget, t.TargetDuration)
	}
	if len(t.Renditions) == 0 {
		return errors.New("no renditions")
	}
	names := make(map[string]bool, len(t.Renditions))
	for _, r := range t.Renditions {
		if r.Name == "" || names[r.Name] {
			return fmt.Errorf("rendition name %q is empty or there twice", r.Name)
		}
		names[r.Name] = true
	}
	return nil
}

// continueWith takes up a new term. Its numbers may lag, for a successor that
// only ends the broadcast knows no better; they may not run ahead.
func (f *feed) continueWith(t Take) error {
	was := f.take
	switch {
	case t.TargetDuration != was.TargetDuration:
		return fmt.Errorf("target duration %v was %v", t.TargetDuration, was.TargetDuration)
	case t.PartTarget != was.PartTarget:
		return fmt.Errorf("part target %v was %v", t.PartTarget, was.PartTarget)
	case t.Window != was.Window:
		return fmt.Errorf("window %v was %v", t.Window, was.Window)
	case !t.Anchor.Equal(was.Anchor):
		return fmt.Errorf("anchor %v was %v", t.Anchor, was.Anchor)
	case len(t.Renditions) != len(was.Renditions):
		return fmt.Errorf("%d renditions were %d", len(t.Renditions), len(was.Renditions))
	}
	order := make([]int, len(t.Renditions))
	seen := make(map[int]bool, len(t.Renditions))
	for i, r := range t.Renditions {
		j := slices.IndexFunc(was.Renditions, func(w Rendition) bool { return w.Name == r.Name })
		if j < 0 || seen[j] {
			return fmt.Errorf("rendition %q is new or there twice", r.Name)
		}
		seen[j] = true
		fixed := r
		fixed.NextPart, fixed.NextMSN = was.Renditions[j].NextPart, was.Renditions[j].NextMSN
		// A successor measures anew; the first word stands.
		fixed.Bandwidth, fixed.AverageBandwidth = was.Renditions[j].Bandwidth, was.Renditions[j].AverageBandwidth
		if fixed != was.Renditions[j] {
			return fmt.Errorf("rendition %+v was %+v", fixed, was.Renditions[j])
		}
		if err := f.cursors[j].take(r); err != nil {
			return fmt.Errorf("rendition %s: %w", r.Name, err)
		}
		order[i] = j
	}
	f.order = order
	return nil
}
