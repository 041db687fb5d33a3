package registry

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxBatch bounds the entries of one pipeline, so that a long backlog is not one long write.
const maxBatch = 256

// writer is what Feed.Run knows besides the feed. It belongs to Run's goroutine.
type writer struct {
	*Feed
	unsure    bool      // an answer is missing, or was a refusal: read where Redis stands before going on
	refreshed time.Time // when the TTL was last set
}

// batch is what one pipeline carries, in this order, and how long the streams are to be then (-1 = not known).
type batch struct {
	feed, older       []Entry
	cutFeed, cutOlder EntryID // zero = nothing to cut
	lenFeed, lenOlder int
}

func (b batch) empty() bool {
	return len(b.feed) == 0 && len(b.older) == 0 && b.cutFeed == EntryID{} && b.cutOlder == EntryID{}
}

// deliver brings everything queued to Redis. An error other than ErrFenced and errForeign means trying again
// later; what was written by then is known, or will be found out.
func (w *writer) deliver(ctx context.Context) error {
	for refusals := 0; ; {
		if w.unsure {
			if err := w.settle(ctx); err != nil {
				return err
			}
			w.unsure = false
		}
		b := w.next()
		if b.empty() {
			break
		}
		w.unsure = true
		err := w.write(ctx, b)
		var refused redis.Error
		switch {
		case err == nil:
			w.unsure = false
			w.confirm(b)
		case errors.Is(err, errHole) && refusals < 2:
			refusals++
			if err := w.restore(ctx); err != nil {
				return err
			}
			w.unsure = false
		case errors.As(err, &refused) && refusals < 2:
			refusals++ // Redis is there and says no: settle at once
		default:
			return err
		}
	}
	return w.refresh(ctx)
}

// next collects a batch. Cuts come only once everything that was queued before them goes with them or has gone.
func (w *writer) next() batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.taken {
		return batch{}
	}
	b := batch{feed: w.feed.unwritten(maxBatch)}
	if len(b.feed) == w.feed.pending() {
		b.older = w.older.unwritten(maxBatch)
	}
	cutting := len(b.feed) == w.feed.pending() && len(b.older) == w.older.pending()
	if cutting && w.feed.cut != w.feed.cutDone {
		b.cutFeed = w.feed.cut
	}
	if cutting && w.older.cut != w.older.cutDone {
		b.cutOlder = w.older.cut
	}
	b.lenFeed, b.lenOlder = w.feed.length(len(b.feed), cutting), w.older.length(len(b.older), cutting)
	return b
}

// write sends a batch. Entries go first, with the ring right behind them; what they replace is cut last, so
// that a pipeline that ends anywhere leaves no hole. The lengths tell of entries that Redis acknowledged once
// and has lost since, as a failover may, while the newest ids look right: errHole.
func (w *writer) write(ctx context.Context, b batch) error {
	var lenFeed, lenOlder *redis.IntCmd
	_, err := w.r.c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, e := range b.feed {
			pipe.XAdd(ctx, e.add(w.keys.feed))
		}
		if len(b.feed) > 0 {
			pipe.Publish(ctx, w.bell, b.feed[len(b.feed)-1].ID.String())
		}
		for _, e := range b.older {
			pipe.XAdd(ctx, e.add(w.keys.older))
		}
		if b.cutFeed != (EntryID{}) {
			pipe.XTrimMinID(ctx, w.keys.feed, b.cutFeed.String())
		}
		if b.cutOlder != (EntryID{}) {
			pipe.XTrimMinID(ctx, w.keys.older, b.cutOlder.String())
		}
		lenFeed, lenOlder = pipe.XLen(ctx, w.keys.feed), pipe.XLen(ctx, w.keys.older)
		return nil
	})
	if err == nil && (differs(lenFeed, b.lenFeed) || differs(lenOlder, b.lenOlder)) {
		return errHole
	}
	return err
}

// errHole makes deliver restore the feed.
var errHole = errors.New("entries are missing from the feed in Redis")

func differs(got *redis.IntCmd, want int) bool {
	return want >= 0 && got.Val() != int64(want)
}

// confirm notes that all of b is in Redis.
func (w *writer) confirm(b batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holed = false
	if n := len(b.feed); n > 0 {
		w.feed.stands(b.feed[n-1].ID)
	}
	if n := len(b.older); n > 0 {
		w.older.stands(b.older[n-1].ID)
	}
	if b.cutFeed != (EntryID{}) {
		w.feed.cutDone = b.cutFeed
	}
	if b.cutOlder != (EntryID{}) {
		w.older.cutDone = b.cutOlder
	}
	w.changeLocked()
}

// settle reads where the streams stand, and sets the mirrors there. A feed that cannot be gone on with, as
// a stream or anything within one is missing, is restored whole.
func (w *writer) settle(ctx context.Context) error {
	var feeds, olders, heads *redis.XMessageSliceCmd
	var lenFeed, lenOlder *redis.IntCmd
	_, err := w.r.c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		feeds = pipe.XRevRangeN(ctx, w.keys.feed, "+", "-", 1)
		olders = pipe.XRevRangeN(ctx, w.keys.older, "+", "-", 1)
		heads = pipe.XRevRangeN(ctx, w.keys.head, "+", "-", 1)
		lenFeed, lenOlder = pipe.XLen(ctx, w.keys.feed), pipe.XLen(ctx, w.keys.older)
		return nil
	})
	if err != nil {
		return err
	}
	feed, feedErr := newest(feeds.Val())
	older, olderErr := newest(olders.Val())
	head, headErr := newest(heads.Val())
	if err := errors.Join(feedErr, olderErr, headErr); err != nil {
		return err
	}
	if fenced(w.term, feed, older, head) {
		return ErrFenced
	}
	if head.ID != (EntryID{Term: w.term}) || feed.ID == (EntryID{}) || older.ID == (EntryID{}) {
		return w.restore(ctx)
	}
	whole, err := w.resume(feed, older, lenFeed, lenOlder)
	if whole || err != nil {
		return err
	}
	return w.restore(ctx)
}

func fenced(term uint64, newest ...Entry) bool {
	for _, e := range newest {
		if e.ID.Term > term {
			return true
		}
	}
	return false
}

// resume sets the mirrors to go on behind the given newest entries. If the lengths say that others are missing,
// the feed is not whole, and a Flush waits until it is.
func (w *writer) resume(feed, older Entry, lenFeed, lenOlder *redis.IntCmd) (whole bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.foreign(&w.feed, feed) || w.foreign(&w.older, older) {
		return false, errForeign
	}
	w.feed.stands(feed.ID)
	w.older.stands(older.ID)
	w.holed = differs(lenFeed, w.feed.length(0, false)) || differs(lenOlder, w.older.length(0, false))
	w.changeLocked()
	return !w.holed, nil
}

// foreign tells whether e bears this term but is not this writer's.
func (w *writer) foreign(m *mirror, e Entry) bool {
	if e.ID.Term != w.term {
		return false
	}
	i, found := m.find(e.ID)
	return !found || !bytes.Equal(m.entries[i].Data, e.Data)
}

// restore writes the whole feed again as the mirrors have it, unless a newer term shows up.
func (w *writer) restore(ctx context.Context) error {
	w.mu.Lock()
	feed, older := w.feed.all(), w.older.all()
	head := Entry{ID: EntryID{Term: w.term}, Data: w.head}
	w.mu.Unlock()
	err := w.r.c.Watch(ctx, func(tx *redis.Tx) error {
		if err := w.stillOurs(ctx, tx); err != nil {
			return err
		}
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Del(ctx, w.keys.all()...)
			recreate(ctx, pipe, w.keys.feed, feed)
			recreate(ctx, pipe, w.keys.older, older)
			recreate(ctx, pipe, w.keys.head, []Entry{head})
			pipe.Publish(ctx, w.bell, feed[len(feed)-1].ID.String())
			return nil
		})
		return err
	}, append(w.keys.all(), termKey(w.id))...)
	if err != nil {
		return err
	}
	w.r.o.Logger.WarnContext(ctx, "feed was gone from redis, restored", "broadcast", w.id, "term", w.term, "entries", len(feed), "older", len(older))
	w.refreshed = time.Now()
	w.confirm(batch{feed: feed, older: older})
	return nil
}

func recreate(ctx context.Context, pipe redis.Pipeliner, stream string, all []Entry) {
	for _, e := range all {
		pipe.XAdd(ctx, e.create(stream))
	}
	pipe.PExpire(ctx, stream, feedTTL)
}

// stillOurs says ErrFenced if a newer term took the feed, or was taken to do so. It runs in a transaction that
// watches all it reads.
func (w *writer) stillOurs(ctx context.Context, tx *redis.Tx) error {
	for _, key := range w.keys.all() {
		messages, err := tx.XRevRangeN(ctx, key, "+", "-", 1).Result()
		if err != nil {
			return err
		}
		last, err := newest(messages)
		if err != nil {
			return err
		}
		if fenced(w.term, last) {
			return ErrFenced
		}
	}
	term, err := tx.Get(ctx, termKey(w.id)).Uint64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if term > w.term {
		return ErrFenced
	}
	return nil
}

// refresh sets the keys' TTL when it is time: the short one once the feed has ended, else the long one, where
// it also notices that the feed is gone.
func (w *writer) refresh(ctx context.Context) error {
	w.mu.Lock()
	// An end that was queued since the last batch is still to be written: its time comes after it.
	ended, ttl := w.ended && w.feed.pending() == 0 && w.older.pending() == 0, feedTTL
	due := w.taken && !w.expiring && (ended || time.Since(w.refreshed) >= feedRefresh)
	if ended {
		ttl = w.r.o.Keep
	}
	w.mu.Unlock()
	if !due {
		return nil
	}
	there, err := w.r.expire(ctx, w.keys, ttl)
	if err != nil {
		return err
	}
	if !there {
		w.unsure = true
		return errGone
	}
	w.refreshed = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expiring = ended
	w.changeLocked()
	return nil
}

// expire sets the TTL of a feed's keys, and tells whether all of them are there.
func (r *Registry) expire(ctx context.Context, keys feedKeys, ttl time.Duration) (bool, error) {
	set, err := r.c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, key := range keys.all() {
			pipe.PExpire(ctx, key, ttl)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	there := true
	for _, cmd := range set {
		there = there && cmd.(*redis.BoolCmd).Val()
	}
	return there, nil
}

// errGone makes Run come back soon and restore the feed.
var errGone = errors.New("the feed is gone from Redis")
