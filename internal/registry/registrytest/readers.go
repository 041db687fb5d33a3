package registrytest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/registry"
)

// readers' tests: ten entries "part {i}" make a segment.
const perSegment = 10

// write appends n segments, each to the list before its parts leave the stream, which keeps those of the last
// few, and always the newest part.
func (e *env) write(w writer, n, keep int) error {
	for s := range n {
		for _, data := range numbered("part %d", s*perSegment, (s+1)*perSegment) {
			if _, err := w.Append(e.ctx, data); err != nil {
				return err
			}
		}
		if err := w.Older(fmt.Appendf(nil, "segment %d", s)); err != nil {
			return err
		}
		if first := s + 1 - keep; first > 0 {
			w.Trim(registry.EntryID{Term: w.term, Seq: uint64(first*perSegment) + 1}, 0)
		}
		if err := w.Flush(e.ctx); err != nil {
			return err
		}
	}
	return nil
}

func number(data []byte) int {
	_, n, _ := strings.Cut(string(data), " ")
	i, err := strconv.Atoi(n)
	if err != nil {
		return -1
	}
	return i
}

// holes says what is wrong with a snapshot of what write writes: the list begins at segment 0 and has no holes,
// the stream has none, and the two meet or overlap.
func holes(s registry.Snapshot) error {
	for i, record := range s.Older {
		if number(record) != i {
			return fmt.Errorf("record %d of the list is %q", i, record)
		}
	}
	next := -1
	for _, entry := range s.Entries {
		if entry.ID.Seq == 0 {
			continue // the take
		}
		i := number(entry.Data)
		if next == -1 && i > len(s.Older)*perSegment {
			return fmt.Errorf("the stream begins at part %d, and the list ends at segment %d", i, len(s.Older))
		}
		if next != -1 && i != next {
			return fmt.Errorf("part %d follows %d in the stream", i, next-1)
		}
		next = i + 1
	}
	return nil
}

// watch takes snapshots until the list is n segments long, and says what is wrong with the first that is.
func (e *env) watch(n int) error {
	for {
		s, err := e.reg.Snapshot(e.ctx, "b1")
		if err == nil {
			err = holes(s)
		}
		if err != nil || len(s.Older) >= n {
			return err
		}
	}
}

var readerCases = map[string]func(*env){
	"a snapshot is one moment, however it is written meanwhile": func(e *env) {
		const segments, readers = 100, 4
		w := e.taken(e.redis.Registry(e, registry.Options{}), "b1")
		done := make(chan error, 1+readers)
		go func() { done <- e.write(w, segments, 0) }()
		for range readers {
			go func() { done <- e.watch(segments) }()
		}
		for range 1 + readers {
			if err := <-done; err != nil {
				e.Error(err)
			}
		}
	},

	"a segment is in the list and in the stream at once, never in neither": func(e *env) {
		w := e.taken(e.reg, "b1")
		e.ok(e.write(w, 4, 2))
		s, err := e.reg.Snapshot(e.ctx, "b1")
		e.ok(err)
		if got, want := string(s.Entries[0].Data), "part 20"; got != want {
			e.Errorf("got %q as the stream's first entry, want %q", got, want)
		}
		if diff := cmp.Diff(numbered("segment %d", 0, 4), s.Older); diff != "" {
			e.Errorf("older (-want +got):\n%s", diff)
		}
	},

	"a reader gets every entry once and in order, over any number of pages": func(e *env) {
		const n = 1203
		w := e.taken(e.reg, "b1")
		e.append(w.Feed, numbered("part %d", 0, n)...)
		e.ok(w.Flush(e.ctx))
		got, err := e.reg.After(e.ctx, "b1", registry.EntryID{})
		e.ok(err)
		if diff := cmp.Diff(w.wants(0, n), got); diff != "" {
			e.Errorf("entries (-want +got):\n%s", diff)
		}
		got, err = e.reg.After(e.ctx, "b1", registry.EntryID{Term: w.term, Seq: n - 2})
		e.ok(err)
		if diff := cmp.Diff(w.wants(n-2, n)[1:], got); diff != "" {
			e.Errorf("entries (-want +got):\n%s", diff)
		}
		got, err = e.reg.After(e.ctx, "b1", registry.EntryID{Term: w.term, Seq: n})
		if err != nil || len(got) != 0 {
			e.Errorf("got %v, %v behind the newest entry, want none", got, err)
		}
	},

	"a reader goes on across a take": func(e *env) {
		old := e.taken(e.reg, "b1")
		e.append(old.Feed, numbered("part %d", 0, 2)...)
		e.ok(old.Flush(e.ctx))
		w := e.taken(e.reg, "b1")
		e.append(w.Feed, numbered("part %d", 0, 1)...)
		e.ok(w.Flush(e.ctx))
		got, err := e.reg.After(e.ctx, "b1", registry.EntryID{Term: old.term, Seq: 2})
		e.ok(err)
		if diff := cmp.Diff(w.wants(0, 1), got); diff != "" {
			e.Errorf("entries (-want +got):\n%s", diff)
		}
	},

	"a reader that comes too late is told so": func(e *env) {
		w := e.taken(e.reg, "b1")
		e.append(w.Feed, numbered("part %d", 0, 10)...)
		w.Trim(registry.EntryID{Term: w.term, Seq: 5}, 0)
		e.ok(w.Flush(e.ctx))
		if _, err := e.reg.After(e.ctx, "b1", registry.EntryID{Term: w.term, Seq: 3}); !errors.Is(err, registry.ErrTrimmed) {
			e.Errorf("got error %v behind trimmed entries, want ErrTrimmed", err)
		}
		got, err := e.reg.After(e.ctx, "b1", registry.EntryID{Term: w.term, Seq: 4})
		if err != nil || len(got) != 6 {
			e.Errorf("got %d entries, %v right behind the cut, want 6", len(got), err)
		}
	},

	"a quiet feed outlives its TTL while it runs": func(e *env) {
		if !e.bubble {
			e.Skip("takes days of real time")
		}
		w := e.taken(e.reg, "b1")
		e.ok(w.Flush(e.ctx))
		e.ok(e.raw.FlushAll(e.ctx).Err())
		<-time.After(61 * time.Second) // the next refresh finds it gone
		e.feedIs(registry.Snapshot{Head: w.head(), Entries: w.wants(0, 0)})
		<-time.After(30 * time.Minute)
		if ttl := e.raw.PTTL(e.ctx, feedStream).Val(); ttl < 23*time.Hour+58*time.Minute {
			e.Errorf("got TTL %s after half an hour, want it refreshed each minute", ttl)
		}
	},
}
