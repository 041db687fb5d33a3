package hls

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrNotFound is what does not exist and is not expected.
var ErrNotFound = errors.New("not found")

// Broadcast is the model of one broadcast. It is safe for concurrent use. Its
// zero value is not usable; see NewBroadcast.
type Broadcast struct {
	begun chan struct{} // closed by the first Take, or an End without one
	ready chan struct{} // closed once every rendition has a part, or by End

	mu           sync.Mutex // protects all below
	feed         feed
	state        uint64 // counts the batches that changed what is listed
	constants    constants
	renditions   []*rendition
	byName       map[string]*rendition
	multivariant *Playlist
	isReady      bool
	pictures     pictures
}

// NewBroadcast is a broadcast that nothing is known of but its id, which is a
// path element of its URLs and keys.
func NewBroadcast(id string) *Broadcast {
	return &Broadcast{
		begun:     make(chan struct{}),
		ready:     make(chan struct{}),
		constants: constants{broadcast: id},
	}
}

// Apply takes in events, in one step: whoever waits sees all of them or none. The
// first must be a Take; the list of older segments comes before the stream; parts
// and segments go on from number to number. What is known already is ignored, so
// that a list and a stream may overlap and a batch may come twice.
//
// An error changes nothing. It is ErrOrder where events are missing. Apply does
// not block.
func (b *Broadcast) Apply(events ...Event) error {
	b.mu.Lock()
	wake, err := b.applyLocked(events)
	b.mu.Unlock()
	for _, ch := range wake { // after the lock, which the woken want
		close(ch)
	}
	return err
}

// applyLocked decides, then does. It returns the channels of those to be woken.
func (b *Broadcast) applyLocked(events []Event) ([]chan struct{}, error) {
	next := b.feed.clone()
	steps := make([]step, 0, len(events))
	for _, e := range events {
		s, fresh, err := next.admit(e)
		if err != nil {
			return nil, err
		}
		if fresh {
			steps = append(steps, s)
		}
	}
	hadBegun := b.feed.take != nil || b.feed.ended
	b.feed = next
	for _, s := range steps {
		b.do(s)
	}
	var wake []chan struct{}
	if !hadBegun && len(steps) > 0 {
		wake = append(wake, b.begun)
	}
	return b.settleLocked(wake), nil
}

// do carries out a step, which cannot fail.
func (b *Broadcast) do(s step) {
	switch e := s.event.(type) {
	case Take:
		b.begin(e)
	case Part:
		b.renditions[s.rendition].addPart(e, false, &b.constants)
	case Gap:
		b.renditions[s.rendition].addPart(Part(e), true, &b.constants)
	case Close:
		b.renditions[s.rendition].closeSegment(e, &b.constants)
	case Object:
		b.renditions[s.rendition].store(e.MSN, e.Term)
	case Segment:
		b.renditions[s.rendition].addSegment(e, &b.constants)
	case Poster, Sheet:
		b.pictures.take(e, b.constants.window)
	case End:
		for _, r := range b.renditions {
			r.finish(&b.constants)
		}
	}
}

func (b *Broadcast) begin(t Take) {
	b.constants = newConstants(b.constants.broadcast, t)
	b.byName = make(map[string]*rendition, len(t.Renditions))
	for _, r := range t.Renditions {
		state := newRendition(r)
		b.renditions = append(b.renditions, state)
		b.byName[r.Name] = state
	}
}

// settleLocked brings the state in order after a batch, and adds to wake.
func (b *Broadcast) settleLocked(wake []chan struct{}) []chan struct{} {
	listed := false
	for i, r := range b.renditions {
		r.at = b.feed.cursors[i]
		if r.moved {
			listed = true
			wake = r.wakeAll(wake)
		}
		if r.landed {
			wake = append(wake, r.stored)
			r.stored = make(chan struct{})
		}
		if r.moved || r.landed {
			r.slide(&b.constants)
			r.moved, r.landed = false, false
		}
	}
	if listed {
		b.state++
	}
	if !b.isReady && (b.feed.ended || b.completeLocked()) {
		b.isReady = true
		if b.completeLocked() {
			b.multivariant = newPlaylist(renderMultivariant(b.constants.broadcast, b.feed.take.Renditions), false)
		}
		wake = append(wake, b.ready)
		for _, r := range b.renditions { // those who wait for their first playlist
			wake = r.wakeAll(wake)
		}
	}
	return wake
}

// wakeAll adds to wake the channel that waits for r's playlist.
func (r *rendition) wakeAll(wake []chan struct{}) []chan struct{} {
	wake = append(wake, r.changed)
	r.changed = make(chan struct{})
	return wake
}

// completeLocked says whether every rendition has something to show.
func (b *Broadcast) completeLocked() bool {
	for _, r := range b.renditions {
		if _, ok := r.position(); !ok {
			return false
		}
	}
	return len(b.renditions) > 0
}

// lookup waits for the first Take and finds a rendition.
func (b *Broadcast) lookup(ctx context.Context, name string) (*rendition, error) {
	select {
	case <-b.begun:
	default:
		select {
		case <-b.begun:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.byName[name]
	if r == nil {
		return nil, fmt.Errorf("rendition %s: %w", name, ErrNotFound)
	}
	return r, nil
}

// Ended says whether the broadcast has ended.
func (b *Broadcast) Ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.feed.ended
}

// Edge is the last part that a rendition's playlist lists. It says false for an
// unknown rendition and for one that has no part yet.
func (b *Broadcast) Edge(rendition string) (Position, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.byName[rendition]; r != nil {
		return r.position()
	}
	return Position{}, false
}

// TargetDuration is TARGETDURATION; zero before the first Take.
func (b *Broadcast) TargetDuration() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.constants.target
}

// Renditions is what the first Take said of them; none before it.
func (b *Broadcast) Renditions() []Rendition {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.feed.take == nil {
		return nil
	}
	return slices.Clone(b.feed.take.Renditions)
}
