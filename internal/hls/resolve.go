package hls

import (
	"context"
	"fmt"
)

// Part is the bucket key of a part. It waits while the part is the hinted one, or
// the one after it, which a viewer may ask for that is ahead of this server.
//
// Errors: ErrNotFound at once for any other part that is not there, for a gap,
// and when the broadcast ends while waiting; the cause of ctx.
func (b *Broadcast) Part(ctx context.Context, rendition string, number uint64) (string, error) {
	r, err := b.lookup(ctx, rendition)
	if err != nil {
		return "", err
	}
	for {
		key, changed, err := b.part(r, number)
		if key != "" || err != nil {
			return key, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// part is the key of a part, or the channel to wait on.
func (b *Broadcast) part(r *rendition, number uint64) (string, <-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if next := r.at.next; number >= next {
		if b.feed.ended || number-next > 1 {
			return "", nil, fmt.Errorf("part %d of %s: %w", number, r.Name, ErrNotFound)
		}
		return "", r.changed, nil
	}
	if number < r.base || number-r.base >= uint64(len(r.parts)) || r.parts[number-r.base].gap {
		return "", nil, fmt.Errorf("part %d of %s: %w", number, r.Name, ErrNotFound)
	}
	return PartKey(b.constants.broadcast, r.Name, number, r.parts[number-r.base].term), nil, nil
}

// Segment is the bucket key of a closed segment. While its object is not durable
// it waits, until ctx ends; then it answers with the keys of the segment's parts
// instead, in order and without gaps: together they are the segment.
//
// Errors: ErrNotFound at once for a segment that is unknown, open, forgotten or
// all gap; the cause of ctx when that ends before the broadcast's first Take.
func (b *Broadcast) Segment(ctx context.Context, rendition string, msn uint64) (key string, parts []string, err error) {
	r, err := b.lookup(ctx, rendition)
	if err != nil {
		return "", nil, err
	}
	for {
		key, stored, err := b.segment(r, msn)
		if key != "" || err != nil {
			return key, nil, err
		}
		select {
		case <-stored:
		case <-ctx.Done():
			parts, err = b.partKeys(r, msn)
			return "", parts, err
		}
	}
}

// segment is the key of a segment, or the channel to wait on.
func (b *Broadcast) segment(r *rendition, msn uint64) (string, <-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := r.find(msn)
	if s == nil || s.gap {
		return "", nil, fmt.Errorf("segment %d of %s: %w", msn, r.Name, ErrNotFound)
	}
	if s.durable {
		return SegmentKey(b.constants.broadcast, r.Name, msn, s.term), nil, nil
	}
	return "", r.stored, nil
}

// partKeys is the keys of a segment's parts.
func (b *Broadcast) partKeys(r *rendition, msn uint64) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := r.find(msn)
	if s == nil {
		return nil, fmt.Errorf("segment %d of %s: %w", msn, r.Name, ErrNotFound)
	}
	keys := make([]string, 0, s.count)
	number := s.first
	for _, p := range r.partsOf(s) {
		if !p.gap {
			keys = append(keys, PartKey(b.constants.broadcast, r.Name, number, p.term))
		}
		number++
	}
	return keys, nil
}

// Init is the bucket key of an init section that some resolvable segment needs.
// It does not wait; its error is ErrNotFound.
func (b *Broadcast) Init(rendition, hash string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.byName[rendition]; r != nil {
		if _, ok := r.inits[hash]; ok {
			return InitKey(b.constants.broadcast, rendition, hash), nil
		}
	}
	return "", fmt.Errorf("init section %s of %s: %w", hash, rendition, ErrNotFound)
}
