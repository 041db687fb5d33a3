package packager

import (
	"context"
	"fmt"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// An announcer tells of one rendition's parts and segments, in order, as they become durable.
type announcer struct {
	*outbox
	started  <-chan struct{}
	announce func(ctx context.Context, events ...hls.Event) error
	older    func(ctx context.Context, s hls.Segment) error
}

// run returns nil once all is announced after the outbox has ended.
func (a announcer) run(ctx context.Context) error {
	select {
	case <-a.started:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		n := a.next(time.Now())
		if err := a.tell(ctx, n); err != nil {
			return err
		}
		if n.done {
			return nil
		}
		if len(n.events) == 0 && len(n.records) == 0 {
			if err := n.wait(ctx); err != nil {
				return err
			}
		}
	}
}

// news is what can be announced now, or else what to wait for.
type news struct {
	events  []hls.Event
	records []hls.Segment // for the list of older segments

	changed  <-chan struct{}
	deadline time.Time // of the first entry that is not settled; zero: none
	done     bool
}

// next takes what is settled out of the outbox. Parts and closes come first, so that an object
// follows the close of its segment.
func (a announcer) next(now time.Time) news {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := news{changed: a.changed}
	for len(a.entries) > 0 {
		e := a.entries[0]
		event, ok := e.settled(now)
		if !ok {
			n.deadline = e.deadline
			break
		}
		a.entries = a.entries[1:]
		a.countLocked(e, event)
		n.events = append(n.events, event)
	}
	a.segmentsLocked(&n)
	n.done = a.ended && len(a.entries) == 0 && len(a.segments) == 0
	return n
}

// countLocked notes what an entry has become.
func (a announcer) countLocked(e *entry, event hls.Event) {
	switch event := event.(type) {
	case hls.Part:
		a.stats.Parts.Add(1)
		if a.late {
			a.late = false
			a.log.Info("parts are durable in time again", "part", event.Number)
		}
	case hls.Gap:
		a.stats.Gaps.Add(1)
		if e.gap == nil {
			return
		}
		a.stats.LateGaps.Add(1)
		if !a.late {
			a.late = true
			a.log.Warn("part is not durable in time and becomes a gap", "part", event.Number, "msn", event.MSN)
		}
	case hls.Close:
		for _, j := range a.segments {
			j.listed = j.listed || j.record.MSN == event.MSN
		}
	}
}

// segmentsLocked takes out the segments that have come to their end, in order: the list of older
// segments has no holes.
func (a announcer) segmentsLocked(n *news) {
	for len(a.segments) > 0 {
		j := a.segments[0]
		if !j.listed || j.state == jobWaits || j.state == jobRuns {
			return
		}
		a.segments = a.segments[1:]
		record := j.record
		record.Size, record.Gap = j.size, j.state == jobLost || j.init.lost
		if !record.Gap {
			n.events = append(n.events, hls.Object{Rendition: record.Rendition, MSN: record.MSN, Size: j.size, Term: record.Term})
		}
		n.records = append(n.records, record)
	}
}

func (a announcer) tell(ctx context.Context, n news) error {
	if len(n.events) > 0 {
		if err := a.announce(ctx, n.events...); err != nil {
			return fmt.Errorf("announce %s: %w", a.name, err)
		}
	}
	for _, s := range n.records {
		if err := a.older(ctx, s); err != nil {
			return fmt.Errorf("record segment %d of %s: %w", s.MSN, a.name, err)
		}
	}
	return nil
}

// wait returns when something has changed or the deadline has passed.
func (n news) wait(ctx context.Context) error {
	var late <-chan time.Time
	if !n.deadline.IsZero() {
		timer := time.NewTimer(time.Until(n.deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-n.changed:
	case <-late:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
