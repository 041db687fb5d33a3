package reap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
)

// A Store is the bucket, as Parts needs it; objstore.Store says what its methods promise.
type Store interface {
	List(ctx context.Context, prefix string, fn func(objstore.Object) bool) error
	Get(ctx context.Context, key string) ([]byte, error)
	Deleter
}

// A Result is what Parts has done.
type Result struct {
	Deleted int // parts
	Left    int // parts whose segment has no object
}

// Parts deletes the parts of a broadcast whose segment has an object. It is for when no player can ask for
// them any more: Delay after the end. It may be called again, and by several at once.
//
// It lists the broadcast, and where it finds parts it reads the newest segments, back to those before the
// oldest part: each fragment of a segment bears the number of the part that it was. It blocks until it is
// done or ctx ends; what its Result counts is done even where there is an error.
func Parts(ctx context.Context, store Store, broadcast string) (Result, error) {
	all, err := inventory(ctx, store, broadcast)
	if err != nil {
		return Result{}, fmt.Errorf("reap parts of %s: %w", broadcast, err)
	}
	b := batcher{store: store}
	for _, media := range all {
		err = errors.Join(err, media.reap(ctx, store, &b))
	}
	err = errors.Join(err, b.flush(ctx))
	r := Result{Deleted: b.deleted}
	if err != nil {
		return r, fmt.Errorf("reap parts of %s: %w", broadcast, err)
	}
	for _, media := range all {
		r.Left += len(media.parts)
	}
	return r, nil
}

// A batcher collects keys for requests of a thousand.
type batcher struct {
	store   Deleter
	keys    []string
	deleted int
}

func (b *batcher) add(ctx context.Context, key string) error {
	b.keys = append(b.keys, key)
	if len(b.keys) < batchKeys {
		return nil
	}
	return b.flush(ctx)
}

func (b *batcher) flush(ctx context.Context) error {
	if len(b.keys) == 0 {
		return nil
	}
	if err := b.store.Delete(ctx, b.keys...); err != nil {
		return err
	}
	b.deleted += len(b.keys)
	b.keys = b.keys[:0]
	return nil
}

// media is the parts and segments of a rendition that the bucket has.
type media struct {
	parts    []hls.MediaKey
	segments []hls.MediaKey
}

// inventory lists a broadcast, by rendition.
func inventory(ctx context.Context, store Store, broadcast string) (map[string]*media, error) {
	all := make(map[string]*media)
	err := store.List(ctx, broadcast+"/", func(o objstore.Object) bool {
		k, ok := hls.ParseMediaKey(o.Key)
		if !ok || k.Broadcast != broadcast {
			return true
		}
		m := all[k.Rendition]
		if m == nil {
			m = &media{}
			all[k.Rendition] = m
		}
		if k.Part {
			m.parts = append(m.parts, k)
		} else {
			m.segments = append(m.segments, k)
		}
		return true
	})
	return all, err
}

// reap deletes the parts that segments hold, from the newest segment backwards. What is left of m.parts
// afterwards is in none.
func (m *media) reap(ctx context.Context, store Store, b *batcher) error {
	slices.SortFunc(m.parts, inOrder)
	slices.SortFunc(m.segments, inOrder)
	for _, s := range slices.Backward(m.segments) {
		if len(m.parts) == 0 {
			return nil
		}
		held, err := held(ctx, store, s)
		if err != nil {
			return err
		}
		if len(held) == 0 {
			continue
		}
		if err := m.remove(ctx, b, held); err != nil {
			return err
		}
		if len(m.parts) > 0 && held[0] < m.parts[0].Number {
			return nil // segments before this one hold older parts still
		}
	}
	return nil
}

func inOrder(a, b hls.MediaKey) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Term, b.Term))
}

// held is the numbers of the parts that a segment's object is made of, in order; none where it is gone, or
// cannot be made sense of.
func held(ctx context.Context, store Store, segment hls.MediaKey) ([]uint64, error) {
	body, err := store.Get(ctx, segment.String())
	if errors.Is(err, objstore.ErrNotFound) || errors.Is(err, objstore.ErrTooLarge) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	numbers := fragments(body)
	slices.Sort(numbers)
	return numbers, nil
}

// remove deletes the parts of these numbers, of whatever term: a part that a former writer had stored, and
// not announced, is its successor's under another key.
func (m *media) remove(ctx context.Context, b *batcher, numbers []uint64) error {
	from, _ := slices.BinarySearchFunc(m.parts, numbers[0], byNumber)
	to := from
	var kept []hls.MediaKey
	for ; to < len(m.parts) && m.parts[to].Number <= numbers[len(numbers)-1]; to++ {
		p := m.parts[to]
		if _, ok := slices.BinarySearch(numbers, p.Number); !ok {
			kept = append(kept, p)
			continue
		}
		if err := b.add(ctx, p.String()); err != nil {
			return err
		}
	}
	m.parts = slices.Replace(m.parts, from, to, kept...)
	return nil
}

func byNumber(k hls.MediaKey, number uint64) int { return cmp.Compare(k.Number, number) }
