package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// readPage is how many entries After asks for at a time.
const readPage = 500

// A Snapshot is one moment of a feed. A segment may be in Older and in Entries at once, never in neither.
type Snapshot struct {
	Head    []byte   // the data of the newest take; nil only while the first take is under way, when Entries has it, or where a feed ended before any
	Older   [][]byte // records of older segments, oldest first
	Entries []Entry  // of the stream, never empty
}

// Snapshot reads a feed in one transaction. ErrNone: there is no feed, or no more.
func (r *Registry) Snapshot(ctx context.Context, broadcast string) (Snapshot, error) {
	keys := newFeedKeys(broadcast)
	var heads, olders, feeds *redis.XMessageSliceCmd
	_, err := r.c.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		heads = pipe.XRevRangeN(ctx, keys.head, "+", "-", 1)
		olders = pipe.XRange(ctx, keys.older, "-", "+")
		feeds = pipe.XRange(ctx, keys.feed, "-", "+")
		return nil
	})
	if err == nil && len(feeds.Val()) == 0 {
		err = ErrNone
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("read feed of broadcast %s: %w", broadcast, err)
	}
	head, headErr := newest(heads.Val())
	older, olderErr := entries(olders.Val())
	all, feedErr := entries(feeds.Val())
	if err := errors.Join(headErr, olderErr, feedErr); err != nil {
		return Snapshot{}, fmt.Errorf("read feed of broadcast %s: %w", broadcast, err)
	}
	return Snapshot{Head: head.Data, Older: records(older), Entries: all}, nil
}

// records leaves out the marks of takes.
func records(older []Entry) [][]byte {
	all := make([][]byte, 0, len(older))
	for _, e := range older {
		if e.ID.Seq > 0 {
			all = append(all, e.Data)
		}
	}
	return all
}

// After returns the entries behind id, in order; none is no error. ErrTrimmed: the reader came so late that
// entries behind id are gone, and takes a Snapshot to go on. The zero id reads from the stream's beginning.
func (r *Registry) After(ctx context.Context, broadcast string, id EntryID) ([]Entry, error) {
	key := newFeedKeys(broadcast).feed
	var all []Entry
	for last := id; ; {
		messages, err := r.c.XRangeN(ctx, key, "("+last.String(), "+", readPage).Result()
		if err != nil {
			return nil, fmt.Errorf("read feed of broadcast %s after %s: %w", broadcast, last, err)
		}
		page, err := entries(messages)
		if err != nil {
			return nil, fmt.Errorf("read feed of broadcast %s after %s: %w", broadcast, last, err)
		}
		for _, e := range page {
			if last != (EntryID{}) && !last.precedes(e.ID) {
				return nil, fmt.Errorf("read feed of broadcast %s after %s: %w", broadcast, last, ErrTrimmed)
			}
			last = e.ID
		}
		all = append(all, page...)
		if len(page) < readPage {
			return all, nil
		}
	}
}
