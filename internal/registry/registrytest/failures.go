package registrytest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pharos-live/pharos/internal/registry"
)

// setBack leaves in the stream the take and n parts: what a Redis has after a failover that lost the rest.
func (e *env) setBack(w writer, n int) {
	e.Helper()
	e.ok(e.raw.Del(e.ctx, feedStream).Err())
	for _, entry := range w.wants(0, n) {
		e.ok(e.raw.Do(e.ctx, "XADD", feedStream, entry.ID.String(), "d", entry.Data).Err())
	}
}

var failureCases = map[string]func(*env){
	"entries whose answer was lost are written once": func(e *env) {
		link := e.redis.Link()
		w := e.taken(link.Registry(e, registry.Options{}), "b1")
		e.ok(w.Flush(e.ctx))
		for i := range 10 {
			link.LoseAnswers(1)
			e.append(w.Feed, numbered("part %d", 3*i, 3*i+3)...)
			e.ok(w.Older(fmt.Appendf(nil, "segment %d", i)))
			e.ok(w.Flush(e.ctx))
		}
		e.feedIs(registry.Snapshot{Head: w.head(), Older: numbered("segment %d", 0, 10), Entries: w.wants(0, 30)})
	},

	"a take whose answer was lost is recognised": func(e *env) {
		link := e.redis.Link()
		term := e.term("b1")
		f := link.Registry(e, registry.Options{}).Feed("b1", term)
		var err error
		for range 10 { // each try loses one answer: of either step, or of reading back
			link.LoseAnswers(1)
			if _, err = f.Take(e.ctx, []byte("take")); err == nil {
				break
			}
		}
		link.LoseAnswers(0)
		_, err = f.Take(e.ctx, []byte("take"))
		e.ok(err)
		e.feedIs(registry.Snapshot{Head: []byte("take"), Entries: []registry.Entry{{ID: registry.EntryID{Term: term}, Data: []byte("take")}}})
	},

	"another writer of the same term is told from a lost answer": func(e *env) {
		w := e.taken(e.reg, "b1")
		e.ok(w.Flush(e.ctx))
		if _, err := e.reg.Feed("b1", w.term).Take(e.ctx, []byte("mine")); err == nil || errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v from a second Take, want another than ErrFenced", err)
		}
	},

	"while Redis is away entries wait in order, up to the bound": func(e *env) {
		link := e.redis.Link()
		w := e.taken(link.Registry(e, registry.Options{Backlog: 600}), "b1")
		e.ok(w.Flush(e.ctx))
		link.Cut()
		for i := range 600 {
			e.append(w.Feed, numbered("part %d", i, i+1)...)
		}
		if _, err := w.Append(e.ctx, []byte("too many")); !errors.Is(err, registry.ErrBacklog) {
			e.Errorf("got error %v, want ErrBacklog", err)
		}
		if err := w.Older([]byte("too many")); !errors.Is(err, registry.ErrBacklog) {
			e.Errorf("got error %v from Older, want ErrBacklog", err)
		}
		link.Mend()
		e.ok(w.Flush(e.ctx))
		e.append(w.Feed, numbered("part %d", 600, 601)...)
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: w.wants(0, 601)})
	},

	"the backlog is bounded in bytes too": func(e *env) {
		link := e.redis.Link()
		w := e.taken(link.Registry(e, registry.Options{BacklogBytes: 100}), "b1")
		e.ok(w.Flush(e.ctx))
		link.Cut()
		e.append(w.Feed, make([]byte, 60))
		if _, err := w.Append(e.ctx, make([]byte, 41)); !errors.Is(err, registry.ErrBacklog) {
			e.Errorf("got error %v, want ErrBacklog", err)
		}
		e.append(w.Feed, make([]byte, 40))
	},

	"a feed that Redis lost is restored as it stood": func(e *env) {
		w := e.taken(e.reg, "b1")
		e.append(w.Feed, numbered("part %d", 0, 10)...)
		e.ok(w.Older([]byte("segment 0")))
		e.ok(w.Older([]byte("segment 1")))
		w.Trim(registry.EntryID{Term: w.term, Seq: 5}, 1)
		e.ok(w.Flush(e.ctx))
		e.ok(e.raw.FlushAll(e.ctx).Err())
		began := time.Now()
		e.append(w.Feed, numbered("part %d", 10, 11)...)
		e.ok(w.Flush(e.ctx))
		if took := time.Since(began); took > e.slack() {
			e.Errorf("restored after %s, want at once, as Redis is there", took)
		}
		e.feedIs(registry.Snapshot{Head: w.head(), Older: [][]byte{[]byte("segment 1")}, Entries: w.wants(4, 11)[1:]})
	},

	"each stream of a feed is missed, and restored": func(e *env) {
		w := e.taken(e.reg, "b1")
		e.ok(w.Older([]byte("segment 0")))
		e.ok(w.Flush(e.ctx))
		for i, stream := range []string{feedStream, "pharos:{b:b1}:older", "pharos:{b:b1}:head"} {
			e.ok(e.raw.Del(e.ctx, stream).Err())
			e.append(w.Feed, numbered("part %d", i, i+1)...)
			e.ok(w.Flush(e.ctx))
			if i == 2 { // nothing is written to the head: the refresh, each minute, notices
				if !e.bubble {
					return
				}
				e.eventuallyIn(2*time.Minute, "head back", func() bool { return e.raw.Exists(e.ctx, stream).Val() == 1 })
			}
			e.feedIs(registry.Snapshot{Head: w.head(), Older: numbered("segment %d", 0, 1), Entries: w.wants(0, i+1)})
		}
	},

	"entries that a failover lost are written again, without a hole": func(e *env) {
		w := e.taken(e.reg, "b1")
		e.append(w.Feed, numbered("part %d", 0, 5)...)
		e.ok(w.Flush(e.ctx))
		e.setBack(w, 3)
		e.append(w.Feed, numbered("part %d", 5, 6)...) // Redis takes it, as its id is the newest
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: w.wants(0, 6)})
	},

	"a failover is noticed where the answer was lost too": func(e *env) {
		link := e.redis.Link()
		w := e.taken(link.Registry(e, registry.Options{}), "b1")
		e.append(w.Feed, numbered("part %d", 0, 5)...)
		e.ok(w.Flush(e.ctx))
		e.setBack(w, 3)
		link.LoseAnswers(1)
		e.append(w.Feed, numbered("part %d", 5, 6)...)
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: w.wants(0, 6)})
	},

	"a feed that a failover set back behind its cut is restored": func(e *env) {
		w := e.taken(e.reg, "b1")
		e.append(w.Feed, numbered("part %d", 0, 10)...)
		w.Trim(registry.EntryID{Term: w.term, Seq: 8}, 0)
		e.ok(w.Flush(e.ctx))
		e.setBack(w, 3)
		e.append(w.Feed, numbered("part %d", 10, 11)...)
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: w.wants(7, 11)[1:]})
	},

	"records that a failover lost are written again": func(e *env) {
		w := e.taken(e.reg, "b1")
		for _, record := range numbered("segment %d", 0, 3) {
			e.ok(w.Older(record))
		}
		e.ok(w.Flush(e.ctx))
		e.ok(e.raw.XDel(e.ctx, "pharos:{b:b1}:older", w.want(2, "").ID.String(), w.want(3, "").ID.String()).Err())
		e.append(w.Feed, numbered("part %d", 0, 1)...)
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{Head: w.head(), Older: numbered("segment %d", 0, 3), Entries: w.wants(0, 1)})
	},

	"a fenced writer does not restore a feed that Redis lost": func(e *env) {
		old := e.taken(e.redis.Registry(e, registry.Options{}), "b1")
		e.ok(old.Flush(e.ctx))
		e.ok(e.raw.FlushAll(e.ctx).Err())
		<-time.After(5 * time.Millisecond) // so that Redis' time is past the old term
		e.term("b1")                       // somebody is about to take over
		e.append(old.Feed, []byte("late"))
		if err := old.Flush(e.ctx); !errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v, want ErrFenced", err)
		}
		if _, err := e.reg.Snapshot(e.ctx, "b1"); !errors.Is(err, registry.ErrNone) {
			e.Errorf("got error %v, want ErrNone", err)
		}
	},

	"Run and Flush end with their context while Redis is away": func(e *env) {
		link := e.redis.Link()
		w := e.taken(link.Registry(e, registry.Options{}), "b1")
		e.ok(w.Flush(e.ctx))
		link.Cut()
		e.append(w.Feed, []byte("waits"))
		ctx, cancel := context.WithCancelCause(e.ctx)
		why := errors.New("enough")
		cancel(why)
		if err := w.Flush(ctx); !errors.Is(err, why) {
			e.Errorf("got error %v from Flush, want its context's cause", err)
		}
		if _, err := w.Append(ctx, []byte("no")); !errors.Is(err, why) {
			e.Errorf("got error %v from Append, want its context's cause", err)
		}
		if err := w.stop(); !errors.Is(err, context.Canceled) {
			e.Errorf("got error %v from Run, want context.Canceled", err)
		}
	},
}
