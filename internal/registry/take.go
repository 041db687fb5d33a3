package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// errForeign: two writers use one term, which NextTerm rules out. It ends both rather than mix their entries.
var errForeign = errors.New("another writer uses the same term")

// Take appends {term}-0 with data, keeps data as the feed's head, and returns what stood in the stream before:
// what the former terms left, and can no more add to. The former head is in a Snapshot taken before. It makes
// the feed where there is none. ErrFenced: a newer term has taken it. After any other error it may have
// happened all the same, and is to be called again, with the same data.
func (f *Feed) Take(ctx context.Context, data []byte) (tail []Entry, err error) {
	take := Entry{ID: EntryID{Term: f.term}, Data: data}
	if err := f.r.takeStream(ctx, f.keys, f.bell, take); err != nil {
		return nil, fmt.Errorf("take feed of broadcast %s at term %d: %w", f.id, f.term, err)
	}
	tail, older, err := f.r.takeRest(ctx, f.keys, take)
	if err != nil {
		return nil, fmt.Errorf("take feed of broadcast %s at term %d: %w", f.id, f.term, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head, f.taken = data, true
	f.feed.entries = append(append([]Entry(nil), tail...), take)
	f.feed.stands(take.ID)
	f.older.entries = older
	f.older.stands(f.older.last())
	f.signal()
	return tail, nil
}

// AppendEnd ends the feed of a broadcast whose runner is dead: with term, fresh from NextTerm, it appends data
// as {term}-0, which fences the runner should it come back, and lets the feed live for Options.Keep. It works
// where there is no feed yet too: a feed that only ended has no Head in its Snapshot. ErrFenced: a newer term
// has taken the feed. After any other error it is to be called again, with the same data.
func (r *Registry) AppendEnd(ctx context.Context, broadcast string, term uint64, data []byte) error {
	keys := newFeedKeys(broadcast)
	err := r.takeStream(ctx, keys, feedBell(broadcast), Entry{ID: EntryID{Term: term}, Data: data})
	if err == nil {
		_, err = r.expire(ctx, keys, r.o.Keep)
	}
	if err != nil {
		return fmt.Errorf("end feed of broadcast %s at term %d: %w", broadcast, term, err)
	}
	return nil
}

// takeStream appends a term's first entry to the stream and rings. From then on Redis refuses former terms'.
func (r *Registry) takeStream(ctx context.Context, keys feedKeys, bell string, take Entry) error {
	var added *redis.StringCmd
	_, err := r.c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		added = pipe.XAdd(ctx, take.create(keys.feed))
		pipe.PExpire(ctx, keys.feed, feedTTL) // a refused take lengthens a life at most
		pipe.Publish(ctx, bell, take.ID.String())
		return nil
	})
	if err == nil || added.Err() == nil {
		return err
	}
	last, readErr := r.last(ctx, keys.feed)
	if readErr != nil {
		return fmt.Errorf("%w; reading back: %w", err, readErr)
	}
	return judge(last, take, err)
}

// judge says what an entry that was refused, or whose answer was lost, has come to, seeing the stream's newest.
func judge(last, take Entry, err error) error {
	switch {
	case last.ID.Term > take.ID.Term:
		return ErrFenced
	case last.ID.Term < take.ID.Term:
		return err // it was not written
	case last.ID != take.ID || !bytes.Equal(last.Data, take.Data):
		return errForeign
	}
	return nil // it was
}

func (r *Registry) last(ctx context.Context, stream string) (Entry, error) {
	messages, err := r.c.XRevRangeN(ctx, stream, "+", "-", 1).Result()
	if err != nil {
		return Entry{}, err
	}
	return newest(messages)
}

// takeRest enters the take into head and list, in one moment, and reads what the former terms left. A take that
// was fenced since is refused by both, as their newest entry is the fencing term's.
func (r *Registry) takeRest(ctx context.Context, keys feedKeys, take Entry) (tail, older []Entry, err error) {
	var heads, tails, olders *redis.XMessageSliceCmd
	_, err = r.c.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		head := take.create(keys.head)
		head.MaxLen = 1
		pipe.XAdd(ctx, head)
		pipe.XAdd(ctx, Entry{ID: take.ID}.create(keys.older))
		heads = pipe.XRevRangeN(ctx, keys.head, "+", "-", 1)
		tails = pipe.XRange(ctx, keys.feed, "-", "("+take.ID.String())
		olders = pipe.XRange(ctx, keys.older, "-", "+")
		for _, key := range keys.all() {
			pipe.PExpire(ctx, key, feedTTL)
		}
		return nil
	})
	var refused redis.Error
	if err != nil && (!errors.As(err, &refused) || heads.Err() != nil || tails.Err() != nil || olders.Err() != nil) {
		return nil, nil, err
	}
	head, headErr := newest(heads.Val())
	tail, tailErr := entries(tails.Val())
	older, olderErr := entries(olders.Val())
	if err := errors.Join(headErr, tailErr, olderErr); err != nil {
		return nil, nil, err
	}
	if err := judge(head, take, err); err != nil {
		return nil, nil, err
	}
	return tail, older, nil
}
