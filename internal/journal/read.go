package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
)

// ErrNone says that a broadcast has no journal.
var ErrNone = errors.New("no journal")

// readers is how many objects are read at once: an hour of broadcast is 360 objects.
const readers = 16

// A Store is the bucket as a reader of journals needs it.
type Store interface {
	// Get returns the object under key; objstore.ErrNotFound where there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// List calls fn for each object whose key begins with prefix, until fn returns false.
	List(ctx context.Context, prefix string, fn func(objstore.Object) bool) error
}

// A Journal is all that was written down of a broadcast, brought in order.
type Journal struct {
	Broadcast string
	Channel   string
	Started   time.Time
	Take      hls.Take        // the first
	Segments  [][]hls.Segment // by index of rendition in Take, by number
	Others    []hls.Event     // pictures: all that is neither take, segment nor end
	Term      uint64          // the newest that wrote something down
	Next      uint64          // number of that term's next object
	Newest    time.Time       // when the newest object was written
	Ended     bool            // the newest term has written the end
	Reason    string          // why it ended
}

// Events are what a replay is made of: the take, then everything else.
func (j *Journal) Events() []hls.Event {
	events := []hls.Event{j.Take}
	for _, segments := range j.Segments {
		for _, s := range segments {
			events = append(events, s)
		}
	}
	return append(events, j.Others...)
}

// Read reads the whole journal of a broadcast: one List, and a Get for each object, 16
// at a time. ErrNone: there is none. ErrVersion: a newer build has written it.
func Read(ctx context.Context, s Store, broadcast string) (*Journal, error) {
	names, newest, err := list(ctx, s, broadcast)
	if err != nil {
		return nil, fmt.Errorf("read journal of broadcast %s: %w", broadcast, err)
	}
	objects := make([]Object, len(names))
	g, work := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, n := range names {
		g.Go(func() (err error) {
			objects[i], err = n.read(work, s)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("read journal of broadcast %s: %w", broadcast, err)
	}
	j, err := merge(objects)
	if err != nil {
		return nil, fmt.Errorf("read journal of broadcast %s: %w", broadcast, err)
	}
	j.Newest = newest
	return j, nil
}

// A name is an object that is in the bucket.
type name struct {
	key          string
	term, number uint64
}

func (n name) read(ctx context.Context, s Store) (Object, error) {
	data, err := s.Get(ctx, n.key)
	if err != nil {
		return Object{}, err
	}
	o, err := Decode(data)
	if err != nil {
		return Object{}, fmt.Errorf("%s: %w", n.key, err)
	}
	o.Term, o.Number = n.term, n.number // the key's word counts
	return o, nil
}

// list finds the objects, in order of terms and numbers.
func list(ctx context.Context, s Store, broadcast string) (names []name, newest time.Time, err error) {
	prefix := Prefix(broadcast)
	err = s.List(ctx, prefix, func(o objstore.Object) bool {
		if term, number, ok := parseKey(strings.TrimPrefix(o.Key, prefix)); ok {
			names = append(names, name{o.Key, term, number})
			if o.ModTime.After(newest) {
				newest = o.ModTime
			}
		}
		return true
	})
	if err == nil && len(names) == 0 {
		err = ErrNone
	}
	slices.SortFunc(names, func(a, b name) int {
		return cmp.Or(cmp.Compare(a.term, b.term), cmp.Compare(a.number, b.number))
	})
	return names, newest, err
}

// errNoTake says that segments come before any take: the writer writes that first.
var errNoTake = errors.New("its first object, which has the take, is missing")

// merge brings the events of objects, which are in order, into one account.
func merge(objects []Object) (*Journal, error) {
	first := objects[0]
	m := merger{Journal: &Journal{Broadcast: first.Broadcast, Channel: first.Channel, Started: first.Started}}
	for _, o := range objects {
		if o.Term != m.Term {
			m.Ended, m.Reason = false, "" // a later term has taken the broadcast up again
		}
		m.Term, m.Next = o.Term, o.Number+1
		for _, e := range o.Events {
			if err := m.add(e); err != nil {
				return nil, fmt.Errorf("object %d-%d: %w", o.Term, o.Number, err)
			}
		}
	}
	if !m.taken {
		return nil, errNoTake
	}
	return m.Journal, nil
}

// A merger is a journal that is being read.
type merger struct {
	*Journal
	taken bool
	order []int // the latest take's renditions, as indexes into the first's
}

func (m *merger) add(e hls.Event) error {
	switch e := e.(type) {
	case hls.Take:
		return m.take(e)
	case hls.Segment:
		return m.segment(e)
	case hls.End:
		m.Ended, m.Reason = true, e.Reason
	default:
		m.Others = append(m.Others, e)
	}
	return nil
}

// take goes on with a term: what former ones wrote beyond its numbers does not count.
func (m *merger) take(t hls.Take) error {
	if !m.taken {
		m.taken, m.Take = true, t
		m.Segments = make([][]hls.Segment, len(t.Renditions))
	}
	m.order = make([]int, len(t.Renditions))
	for i, r := range t.Renditions {
		j := slices.IndexFunc(m.Take.Renditions, func(w hls.Rendition) bool { return w.Name == r.Name })
		if j < 0 {
			return fmt.Errorf("rendition %q is new", r.Name)
		}
		m.order[i] = j
		m.Segments[j] = before(m.Segments[j], r.NextMSN)
	}
	return nil
}

// segment takes in a segment; one that is known already is replaced.
func (m *merger) segment(s hls.Segment) error {
	if !m.taken {
		return errNoTake
	}
	if s.Rendition < 0 || s.Rendition >= len(m.order) {
		return fmt.Errorf("segment %d: rendition %d of %d", s.MSN, s.Rendition, len(m.order))
	}
	s.Rendition = m.order[s.Rendition]
	m.Segments[s.Rendition] = append(before(m.Segments[s.Rendition], s.MSN), s)
	return nil
}

// before is the segments with lower numbers than msn.
func before(segments []hls.Segment, msn uint64) []hls.Segment {
	i, _ := slices.BinarySearchFunc(segments, msn, func(s hls.Segment, msn uint64) int { return cmp.Compare(s.MSN, msn) })
	return segments[:i]
}
