package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Times of a feed.
const (
	feedTTL     = 24 * time.Hour // of a live feed's keys
	feedRefresh = time.Minute    // between refreshments of it, which also notice that a quiet feed is gone
	feedWait    = time.Second    // the longest wait before trying again while Redis is away
)

// Errors of a Feed's order of calls.
var (
	errNotTaken = errors.New("the feed was not taken")
	errEnded    = errors.New("the feed has ended")
)

// A Feed is the writer's end of one term of a broadcast's feed. Take comes first, then Run delivers what the
// other methods queue. It is safe for concurrent use; entries keep the order of the calls.
type Feed struct {
	r    *Registry
	keys feedKeys
	bell string
	id   string // the broadcast
	term uint64
	wake chan struct{} // capacity 1: there is something to deliver

	mu        sync.Mutex // guards all below
	head      []byte
	feed      mirror
	older     mirror
	seq       uint64        // of the next entry
	olderSeq  uint64        // of the list's next
	taken     bool          // Take is through
	ended     bool          // the final entry is queued
	expiring  bool          // …and Redis keeps the feed for Options.Keep only
	holed     bool          // entries that were written are missing, and about to be restored
	err       error         // why nothing can be written any more
	delivered chan struct{} // closed and replaced when something was written, or err is set
}

// Feed returns the writer's end of term. It starts nothing.
func (r *Registry) Feed(broadcast string, term uint64) *Feed {
	return &Feed{
		r: r, keys: newFeedKeys(broadcast), bell: feedBell(broadcast), id: broadcast, term: term,
		wake: make(chan struct{}, 1), seq: 1, olderSeq: 1, delivered: make(chan struct{}),
	}
}

// Append queues entries, in order, and returns the seq of the first; the others follow by one. It never
// blocks: Run writes them at once, or, while Redis is away, when it is back. Either all are taken or none.
// ErrFenced: a newer term was seen in the stream. ErrBacklog: the bound of Options.Backlog or BacklogBytes is
// reached. An ended ctx queues nothing. The data is not copied, and must not be changed afterwards.
func (f *Feed) Append(ctx context.Context, data ...[]byte) (first uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.appendLocked(ctx, data...)
}

// End is Append for the final entry: nothing can be queued after it. Once it is in Redis the feed is kept for
// Options.Keep more, for late viewers, and Run returns nil.
func (f *Feed) End(ctx context.Context, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.appendLocked(ctx, data)
	f.ended = f.ended || err == nil
	return err
}

func (f *Feed) appendLocked(ctx context.Context, data ...[]byte) (first uint64, err error) {
	size := 0
	for _, d := range data {
		size += len(d)
	}
	err = context.Cause(ctx)
	if err == nil {
		err = f.roomLocked(len(data), size)
	}
	if err != nil {
		return 0, fmt.Errorf("append to feed of broadcast %s at term %d: %w", f.id, f.term, err)
	}
	first = f.seq
	for _, d := range data {
		f.feed.append(Entry{ID: EntryID{f.term, f.seq}, Data: d})
		f.seq++
	}
	f.signal()
	return first, nil
}

// Older queues a record for the end of the list of older segments, behind all entries queued before it: first
// append the entry that says that the segment is durable. Errors are Append's.
func (f *Feed) Older(data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.roomLocked(1, len(data)); err != nil {
		return fmt.Errorf("append to older segments of broadcast %s at term %d: %w", f.id, f.term, err)
	}
	f.older.append(Entry{ID: EntryID{f.term, f.olderSeq}, Data: data})
	f.olderSeq++
	f.signal()
	return nil
}

// roomLocked says why n more entries of size bytes cannot be queued.
func (f *Feed) roomLocked(n, size int) error {
	switch {
	case f.err != nil:
		return f.err
	case !f.taken:
		return errNotTaken
	case f.ended:
		return errEnded
	case f.feed.pending()+f.older.pending()+n > f.r.o.Backlog,
		f.feed.waiting+f.older.waiting+size > f.r.o.BacklogBytes:
		return ErrBacklog
	}
	return nil
}

// Trim queues a cut: entries of the stream before the given one, and the dropOlder oldest records of the list,
// go, after all that was queued before is in Redis. The newest entry of each always stays. Push to the list
// what the stream loses before trimming it: readers then see it in both for a moment, never in neither.
func (f *Feed) Trim(before EntryID, dropOlder int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.feed.trim(before)
	f.trimOlderLocked(dropOlder)
	f.signal()
}

// trimOlderLocked drops the n oldest records, and with them the marks of takes among and before them. Records
// that an earlier Trim dropped but that still wait to be written do not count again.
func (f *Feed) trimOlderLocked(n int) {
	i, _ := f.older.find(f.older.cut)
	for ; i < len(f.older.entries) && n > 0; i++ {
		if f.older.entries[i].ID.Seq > 0 {
			n--
		}
	}
	if i > 0 {
		f.older.trim(f.older.nth(i))
	}
}

// Flush waits until everything queued before the call is in Redis. It needs Run. It returns ErrFenced once
// the term is fenced, and an ended ctx's cause.
func (f *Feed) Flush(ctx context.Context) error {
	f.mu.Lock()
	feed, older := f.feed.last(), f.older.last()
	f.mu.Unlock()
	for {
		f.mu.Lock()
		done, err, delivered := f.writtenLocked(feed, older), f.err, f.delivered
		f.mu.Unlock()
		switch {
		case err != nil:
			return fmt.Errorf("flush feed of broadcast %s at term %d: %w", f.id, f.term, err)
		case done:
			return nil
		}
		select {
		case <-delivered:
		case <-ctx.Done():
			return fmt.Errorf("flush feed of broadcast %s at term %d: %w", f.id, f.term, context.Cause(ctx))
		}
	}
}

// writtenLocked tells whether all up to these two entries is in Redis, and cut and set to expire as queued.
func (f *Feed) writtenLocked(feed, older EntryID) bool {
	next := func(m *mirror, last EntryID) bool {
		return m.pending() == 0 || m.entries[m.written].ID.Compare(last) > 0
	}
	return !f.holed && next(&f.feed, feed) && next(&f.older, older) &&
		f.feed.cut == f.feed.cutDone && f.older.cut == f.older.cutDone && f.ended == f.expiring
}

func (f *Feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run delivers what is queued until ctx ends (its cause), the final entry is in Redis (nil), or the term is
// fenced (ErrFenced). While Redis is away it tries again, at least once a second. It is to be called once.
func (f *Feed) Run(ctx context.Context) error {
	w := writer{Feed: f, refreshed: time.Now()} // Take has set the TTL
	out := outage{log: f.r.o.Logger.With("broadcast", f.id, "term", f.term), work: "feed", most: feedWait}
	refresh := time.NewTicker(feedRefresh)
	defer refresh.Stop()
	for {
		err := w.deliver(ctx)
		switch {
		case err == nil && f.over():
			return nil
		case err == nil:
			out.over(ctx)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrFenced), errors.Is(err, errForeign):
			return f.fail(fmt.Errorf("write feed of broadcast %s at term %d: %w", f.id, f.term, err))
		default:
			if !pause(ctx, out.failed(ctx, err)) {
				return context.Cause(ctx)
			}
			continue
		}
		select {
		case <-f.wake:
		case <-refresh.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// over tells whether the final entry is in Redis and the feed set to expire.
func (f *Feed) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.expiring
}

// fail ends the feed for good.
func (f *Feed) fail(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.changeLocked()
	return err
}

func (f *Feed) changeLocked() {
	close(f.delivered)
	f.delivered = make(chan struct{})
}
