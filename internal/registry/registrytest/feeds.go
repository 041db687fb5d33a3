package registrytest

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/pharos-live/pharos/internal/registry"
)

const feedStream = "pharos:{b:b1}:feed"

// writer is a taken feed that runs.
type writer struct {
	*registry.Feed
	term uint64
	tail []registry.Entry
	stop func() error
}

// taken takes the next term of broadcast over r, and runs the feed.
func (e *env) taken(r *registry.Registry, broadcast string) writer {
	e.Helper()
	w := writer{term: e.term(broadcast)}
	w.Feed = r.Feed(broadcast, w.term)
	var err error
	w.tail, err = w.Take(e.ctx, fmt.Appendf(nil, "take %d", w.term))
	e.ok(err)
	w.stop = e.background(w.Run)
	return w
}

// append appends data and returns the seq of the first.
func (e *env) append(f *registry.Feed, data ...[]byte) uint64 {
	e.Helper()
	seq, err := f.Append(e.ctx, data...)
	e.ok(err)
	return seq
}

// want is an entry as it is written here: the id, and the text of its data.
func (w writer) want(seq uint64, text string) registry.Entry {
	return registry.Entry{ID: registry.EntryID{Term: w.term, Seq: seq}, Data: []byte(text)}
}

// wants is the take and the entries "part {from}" to "part {to-1}", of which seq 1 is "part 0".
func (w writer) wants(from, to int) []registry.Entry {
	all := []registry.Entry{w.want(0, fmt.Sprintf("take %d", w.term))}
	for i := from; i < to; i++ {
		all = append(all, w.want(uint64(i)+1, fmt.Sprintf("part %d", i)))
	}
	return all
}

// feedIs compares what stands in b1's feed.
func (e *env) feedIs(want registry.Snapshot) {
	e.Helper()
	got, err := e.reg.Snapshot(e.ctx, "b1")
	e.ok(err)
	if len(got.Older) == 0 {
		got.Older = nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		e.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

func (w writer) head() []byte { return fmt.Appendf(nil, "take %d", w.term) }

var feedCases = map[string]func(*env){
	"a snapshot is head, older segments and entries in order": func(e *env) {
		w := e.taken(e.reg, "b1")
		if first := e.append(w.Feed, numbered("part %d", 0, 3)...); first != 1 {
			e.Errorf("got first seq %d, want 1", first)
		}
		if next := e.append(w.Feed, numbered("part %d", 3, 4)...); next != 4 {
			e.Errorf("got next seq %d, want 4", next)
		}
		e.ok(w.Older([]byte("segment 0")))
		e.ok(w.Older([]byte("segment 1")))
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{
			Head: w.head(), Older: [][]byte{[]byte("segment 0"), []byte("segment 1")}, Entries: w.wants(0, 4),
		})
	},

	"a feed that was never taken is none": func(e *env) {
		if _, err := e.reg.Snapshot(e.ctx, "b1"); !errors.Is(err, registry.ErrNone) {
			e.Errorf("got error %v, want ErrNone", err)
		}
		if _, err := e.reg.Feed("b1", 1).Append(e.ctx, []byte("x")); err == nil {
			e.Error("an Append before Take was accepted")
		}
	},

	"after a take Redis itself refuses the former term": func(e *env) {
		old := e.taken(e.redis.Registry(e, registry.Options{}), "b1")
		e.append(old.Feed, numbered("part %d", 0, 2)...)
		e.ok(old.Flush(e.ctx))
		w := e.taken(e.reg, "b1")
		if diff := cmp.Diff(old.wants(0, 2), w.tail); diff != "" {
			e.Errorf("tail (-want +got):\n%s", diff)
		}
		for _, stream := range []string{"feed", "head", "older"} {
			err := e.raw.XAdd(e.ctx, &redis.XAddArgs{
				Stream: "pharos:{b:b1}:" + stream, ID: registry.EntryID{Term: old.term, Seq: 99}.String(), Values: []string{"d", "late"},
			}).Err()
			var refused redis.Error
			if !errors.As(err, &refused) {
				e.Errorf("got error %v for a late entry in %s, want a refusal", err, stream)
			}
		}
		e.append(old.Feed, []byte("late"))
		e.ok(old.Older([]byte("late")))
		if err := old.Flush(e.ctx); !errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v from Flush, want ErrFenced", err)
		}
		if _, err := old.Append(e.ctx, []byte("later")); !errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v from Append, want ErrFenced", err)
		}
		if err := old.stop(); !errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v from Run, want ErrFenced", err)
		}
		if _, err := e.reg.Feed("b1", old.term).Take(e.ctx, []byte("again")); !errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v from a late Take, want ErrFenced", err)
		}
		e.append(w.Feed, numbered("part %d", 0, 1)...)
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: append(old.wants(0, 2), w.wants(0, 1)...)})
		if n := e.raw.XLen(e.ctx, "pharos:{b:b1}:head").Val(); n != 1 {
			e.Errorf("got %d heads kept, want the newest alone", n)
		}
	},

	"a successor goes on with the list of older segments": func(e *env) {
		old := e.taken(e.reg, "b1")
		e.ok(old.Older([]byte("segment 0")))
		e.ok(old.Older([]byte("segment 1")))
		e.ok(old.Flush(e.ctx))
		w := e.taken(e.reg, "b1")
		e.ok(w.Older([]byte("segment 2")))
		w.Trim(registry.EntryID{}, 1)
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{
			Head: w.head(), Older: [][]byte{[]byte("segment 1"), []byte("segment 2")},
			Entries: append(old.wants(0, 0), w.wants(0, 0)...),
		})
		w.Trim(registry.EntryID{}, 1)
		e.ok(w.Flush(e.ctx))
		got, err := e.reg.Snapshot(e.ctx, "b1")
		e.ok(err)
		if diff := cmp.Diff([][]byte{[]byte("segment 2")}, got.Older); diff != "" {
			e.Errorf("older (-want +got):\n%s", diff)
		}
	},

	"a trim leaves what it was told, and never nothing": func(e *env) {
		w := e.taken(e.reg, "b1")
		e.append(w.Feed, numbered("part %d", 0, 10)...)
		w.Trim(registry.EntryID{Term: w.term, Seq: 8}, 0)
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: w.wants(7, 10)[1:]})
		w.Trim(registry.EntryID{Term: w.term + 1}, 5)
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: w.wants(9, 10)[1:]})
		err := e.raw.XAdd(e.ctx, &redis.XAddArgs{Stream: feedStream, ID: registry.EntryID{Term: w.term, Seq: 3}.String(), Values: []string{"d", "late"}}).Err()
		if err == nil {
			e.Error("the trimmed stream forgot its last id")
		}
		e.append(w.Feed, numbered("part %d", 10, 11)...)
		e.ok(w.Flush(e.ctx))
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: w.wants(9, 11)[1:]})
	},

	"the final entry ends Run, and the feed lives on for a while": func(e *env) {
		reg := e.redis.Registry(e, registry.Options{Keep: 3 * time.Second})
		w := e.taken(reg, "b1")
		e.append(w.Feed, numbered("part %d", 0, 1)...)
		if ttl := e.raw.PTTL(e.ctx, feedStream).Val(); ttl < 20*time.Hour {
			e.Errorf("got TTL %s of a live feed, want about a day", ttl)
		}
		e.ok(w.End(e.ctx, []byte("part 1")))
		if _, err := w.Append(e.ctx, []byte("late")); err == nil {
			e.Error("an Append after End was accepted")
		}
		e.ok(w.Flush(e.ctx))
		e.ok(w.stop())
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: w.wants(0, 2)})
		e.eventually("feed gone", func() bool {
			_, err := e.reg.Snapshot(e.ctx, "b1")
			return errors.Is(err, registry.ErrNone)
		})
	},

	"an app server ends the feed of a dead runner, and fences it": func(e *env) {
		w := e.taken(e.redis.Registry(e, registry.Options{}), "b1")
		e.append(w.Feed, numbered("part %d", 0, 1)...)
		e.ok(w.Flush(e.ctx))
		end := e.term("b1")
		e.ok(e.reg.AppendEnd(e.ctx, "b1", end, []byte("end")))
		e.ok(e.reg.AppendEnd(e.ctx, "b1", end, []byte("end"))) // its answer may have been lost
		want := append(w.wants(0, 1), registry.Entry{ID: registry.EntryID{Term: end}, Data: []byte("end")})
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: want})
		if ttl := e.raw.PTTL(e.ctx, feedStream).Val(); ttl <= 0 || ttl > registry.DefaultKeep {
			e.Errorf("got TTL %s, want up to %s", ttl, registry.DefaultKeep)
		}
		e.append(w.Feed, []byte("late"))
		if err := w.Flush(e.ctx); !errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v, want ErrFenced", err)
		}
		if err := e.reg.AppendEnd(e.ctx, "b1", w.term, []byte("end")); !errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v for an end of a former term, want ErrFenced", err)
		}
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: want})
	},

	"a feed can be ended before its first take": func(e *env) {
		late, end := e.term("b1"), e.term("b1")
		e.ok(e.reg.AppendEnd(e.ctx, "b1", end, []byte("end")))
		e.feedIs(registry.Snapshot{Entries: []registry.Entry{{ID: registry.EntryID{Term: end}, Data: []byte("end")}}})
		if _, err := e.reg.Feed("b1", late).Take(e.ctx, []byte("take")); !errors.Is(err, registry.ErrFenced) {
			e.Errorf("got error %v from the runner's Take, want ErrFenced", err)
		}
	},
}
