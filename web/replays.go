package web

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/replay"
)

const (
	// listTTL is how old a list of replays may be.
	listTTL = 5 * time.Second
	// listMost is how many replays a list has.
	listMost = 50
	// lookMost bounds the index documents that a list looks at, the newest first: those
	// of a channel that has not been live for longer are not found.
	lookMost = 2000
	// readMost is how many documents are read at once.
	readMost = 16
	// bucketTimeout bounds what one question to the bucket takes.
	bucketTimeout = 15 * time.Second
	// textBytes bounds the playlists that are kept in memory. A media playlist of an
	// hour has 200 KB.
	textBytes = 64 << 20
	// textTTL is how long they are: a replay that is deleted is gone soon.
	textTTL = 10 * time.Minute
	// missTTL is how long it is known that there is nothing.
	missTTL = time.Second
	// maxMisses bounds the keys of which that is known.
	maxMisses = 10_000
)

// A Bucket is where replays are.
type Bucket interface {
	replay.Getter
	replay.Lister
}

// replays answer about what is over, out of the bucket, and remember what never changes.
// Many who ask the same wait for one answer. They are safe for concurrent use.
type replays struct {
	bucket Bucket
	group  singleflight.Group

	mu      sync.Mutex              // protects all below
	ids     []string                // with an index document, newest first
	listed  time.Time               // when ids were listed
	indexes map[string]replay.Index // of ids; what one says never changes
	texts   map[string]storedText
	bytes   int // of texts
	misses  map[string]time.Time
}

type storedText struct {
	*hls.Playlist
	until time.Time
}

func newReplays(b Bucket) *replays {
	return &replays{bucket: b, indexes: map[string]replay.Index{}, texts: map[string]storedText{}, misses: map[string]time.Time{}}
}

// list is the newest replays that can be watched, at most listMost; of all channels where
// channel is "".
func (rs *replays) list(ctx context.Context, channel string) ([]replay.Index, error) {
	ids, err := rs.newest(ctx)
	if err != nil {
		return nil, err
	}
	var all []replay.Index
	for chunk := range slices.Chunk(ids, listMost) {
		indexes, err := rs.read(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for _, i := range indexes {
			if i.State == replay.StateReady && (channel == "" || i.Channel == channel) {
				all = append(all, i)
			}
		}
		if len(all) >= listMost {
			return all[:listMost], nil
		}
	}
	return all, nil
}

// newest are the broadcasts with an index document: a ULID begins with its time.
func (rs *replays) newest(ctx context.Context) ([]string, error) {
	rs.mu.Lock()
	ids, fresh := rs.ids, time.Since(rs.listed) < listTTL && !rs.listed.IsZero()
	rs.mu.Unlock()
	if fresh {
		return ids, nil
	}
	v, err, _ := rs.group.Do("*", func() (any, error) {
		// One asks for all: its leaving must not fail the others.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bucketTimeout)
		defer cancel()
		entries, err := replay.Indexed(ctx, rs.bucket)
		if err != nil {
			return nil, err
		}
		ids := make([]string, 0, len(entries))
		for _, e := range entries {
			if isBroadcast(e.Broadcast) {
				ids = append(ids, e.Broadcast)
			}
		}
		slices.SortFunc(ids, func(a, b string) int { return strings.Compare(b, a) })
		ids = ids[:min(len(ids), lookMost)]
		rs.remember(ids)
		return ids, nil
	})
	ids, _ = v.([]string)
	return ids, err
}

// remember takes up a fresh list, and forgets what is not in it.
func (rs *replays) remember(ids []string) {
	there := make(map[string]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.ids, rs.listed = ids, time.Now()
	for id := range rs.indexes {
		if !there[id] {
			delete(rs.indexes, id)
		}
	}
}

// read is the index documents of ids that are there, in their order.
func (rs *replays) read(ctx context.Context, ids []string) ([]replay.Index, error) {
	found := make([]replay.Index, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readMost)
	for n, id := range ids {
		g.Go(func() (err error) {
			found[n], err = rs.find(ctx, id)
			if errors.Is(err, objstore.ErrNotFound) || errors.Is(err, replay.ErrVersion) {
				return nil // deleted meanwhile, or not for this build
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(i replay.Index) bool { return i.Broadcast == "" }), nil
}

// find is the index document of one broadcast; objstore.ErrNotFound where there is none.
func (rs *replays) find(ctx context.Context, id string) (replay.Index, error) {
	if !isBroadcast(id) {
		return replay.Index{}, objstore.ErrNotFound
	}
	key := replay.IndexKey(id)
	rs.mu.Lock()
	i, ok := rs.indexes[id]
	rs.mu.Unlock()
	if ok {
		return i, nil
	}
	v, err := rs.ask(ctx, key, func(ctx context.Context) (any, error) { return replay.Find(ctx, rs.bucket, id) })
	if err != nil {
		return replay.Index{}, err
	}
	i, _ = v.(replay.Index)
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if slices.Contains(rs.ids, id) { // others go with no list
		rs.indexes[id] = i
	}
	return i, nil
}

// text is a playlist or storyboard of a replay.
func (rs *replays) text(ctx context.Context, key string) (*hls.Playlist, error) {
	rs.mu.Lock()
	t, ok := rs.texts[key]
	rs.mu.Unlock()
	if ok && time.Now().Before(t.until) {
		return t.Playlist, nil
	}
	v, err := rs.ask(ctx, key, func(ctx context.Context) (any, error) {
		body, err := rs.bucket.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		p := hls.StoredPlaylist(body)
		rs.keep(key, p)
		return p, nil
	})
	p, _ := v.(*hls.Playlist)
	return p, err
}

// ask reads key once for all who ask at the same time, and for a moment remembers that
// there is nothing.
func (rs *replays) ask(ctx context.Context, key string, read func(context.Context) (any, error)) (any, error) {
	rs.mu.Lock()
	missed, ok := rs.misses[key]
	rs.mu.Unlock()
	if ok && time.Since(missed) < missTTL {
		return nil, objstore.ErrNotFound
	}
	v, err, _ := rs.group.Do(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bucketTimeout)
		defer cancel()
		return read(ctx)
	})
	if errors.Is(err, objstore.ErrNotFound) {
		rs.miss(key)
	}
	return v, err
}

func (rs *replays) miss(key string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.misses) >= maxMisses {
		clear(rs.misses)
	}
	rs.misses[key] = time.Now()
}

// keep remembers a text. Beyond the bound all go: those that are watched come back.
func (rs *replays) keep(key string, p *hls.Playlist) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	size := 2 * len(p.Text()) // compressed too, roughly
	if old, ok := rs.texts[key]; ok {
		rs.bytes -= 2 * len(old.Text())
	}
	if rs.bytes+size > textBytes {
		clear(rs.texts)
		rs.bytes = 0
	}
	rs.texts[key] = storedText{Playlist: p, until: time.Now().Add(textTTL)}
	rs.bytes += size
}
