package bubble_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
)

// A viewer follows the feed of one broadcast as the web server does: the doorbell, the snapshot,
// then what comes after it.
type viewer struct {
	*cluster
	broadcast string

	mu      sync.Mutex // protects all below
	known   *hls.Broadcast
	entries []registry.Entry
	err     error // why it cannot follow
}

// live waits until the channel has a broadcast other than those given, which can be watched.
func (c *cluster) live(channel string, wait time.Duration, other ...string) registry.Live {
	c.Helper()
	var l registry.Live
	c.eventually(wait, "channel "+channel+" is live", func() bool {
		var err error
		l, err = c.edge.Live(context.Background(), channel)
		for _, o := range other {
			if l.Broadcast == o {
				return false
			}
		}
		return err == nil && l.State == registry.StateLive
	})
	return l
}

// watch joins the broadcast that the channel has now.
func (c *cluster) watch(channel string, wait time.Duration, other ...string) *viewer {
	c.Helper()
	v := &viewer{cluster: c, broadcast: c.live(channel, wait, other...).Broadcast}
	v.known = hls.NewBroadcast(v.broadcast)
	c.background(v.follow)
	return v
}

func (v *viewer) follow(ctx context.Context) error {
	ring, quiet := v.edge.Doorbell().Feed(v.broadcast)
	defer quiet()
	if err := v.load(ctx); err != nil {
		return v.fail(err)
	}
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	for {
		select {
		case <-ring:
		case <-poll.C:
		case <-ctx.Done():
			return nil
		}
		entries, err := v.edge.After(ctx, v.broadcast, v.last())
		switch {
		case errors.Is(err, registry.ErrTrimmed): // begin anew: the list of older segments has what is gone
			err = v.load(ctx)
		case err != nil:
			continue // Redis is away
		default:
			err = v.take(entries)
		}
		if err != nil {
			return v.fail(err)
		}
	}
}

// load begins a model with the snapshot.
func (v *viewer) load(ctx context.Context) error {
	snap, err := v.edge.Snapshot(ctx, v.broadcast)
	if err != nil {
		return err
	}
	var events []hls.Event
	for _, data := range append([][]byte{snap.Head}, snap.Older...) {
		e, err := wire.DecodeEvent(data)
		if err != nil {
			return err
		}
		events = append(events, e)
	}
	v.mu.Lock()
	v.known, v.entries = hls.NewBroadcast(v.broadcast), nil
	v.mu.Unlock()
	if err := v.model().Apply(events...); err != nil {
		return err
	}
	return v.take(snap.Entries)
}

// model is what is known of the broadcast.
func (v *viewer) model() *hls.Broadcast {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.known
}

// take applies entries, and goes on behind the end as no real viewer does, so that tests see if
// anything follows it.
func (v *viewer) take(entries []registry.Entry) error {
	for _, entry := range entries {
		e, err := wire.DecodeEvent(entry.Data)
		if err != nil {
			return err
		}
		v.mu.Lock()
		v.entries = append(v.entries, entry)
		v.mu.Unlock()
		if err := v.model().Apply(e); err != nil {
			return err
		}
	}
	return nil
}

func (v *viewer) fail(err error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
	return err
}

func (v *viewer) last() registry.EntryID {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.entries[len(v.entries)-1].ID
}

// events are all entries so far, decoded.
func (v *viewer) events() []hls.Event {
	v.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		v.Fatalf("the viewer cannot follow: %v", v.err)
	}
	events := make([]hls.Event, len(v.entries))
	for i, entry := range v.entries {
		e, err := wire.DecodeEvent(entry.Data)
		if err != nil {
			v.Fatalf("decode entry: %v", err)
		}
		events[i] = e
	}
	return events
}

// ends are the reasons of all End entries.
func (v *viewer) ends() []string {
	v.Helper()
	var reasons []string
	for _, e := range v.events() {
		if e, ok := e.(hls.End); ok {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// names are the renditions.
func (v *viewer) names() []string {
	var names []string
	for _, r := range v.model().Renditions() {
		names = append(names, r.Name)
	}
	return names
}

// playlist is a rendition's, as it stands; nil where there is none yet.
func (v *viewer) playlist(rendition string) *hls.Playlist {
	v.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	p, err := v.model().Media(ctx, rendition, hls.Directives{})
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if err != nil {
		v.Fatalf("playlist of %s: %v", rendition, err)
	}
	return p
}

// parts is how many parts every rendition has had at least.
func (v *viewer) parts() int {
	v.Helper()
	next := map[int]int{}
	for _, e := range v.events() {
		if e, ok := e.(hls.Part); ok {
			next[e.Rendition] = int(e.Number) + 1
		}
	}
	if len(next) == 0 || len(next) < len(v.model().Renditions()) {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(next)))
}

// plays waits until every rendition has a playlist with a part.
func (v *viewer) plays(wait time.Duration) {
	v.Helper()
	v.eventually(wait, "every rendition has a playlist", func() bool {
		for _, name := range v.names() {
			if p := v.playlist(name); p == nil || !strings.Contains(string(p.Text()), "#EXT-X-PART:") {
				return false
			}
		}
		return v.parts() > 0
	})
}

// goesOn waits until every rendition has got another so many parts.
func (v *viewer) goesOn(parts int) {
	v.Helper()
	was := v.parts()
	v.eventually(time.Duration(parts+4)*part, "the broadcast goes on", func() bool { return v.parts() >= was+parts })
}

// isOver waits until every playlist has its end, for a reason that contains want, and holds that
// what they list is in the bucket.
func (v *viewer) isOver(wait time.Duration, want string) {
	v.Helper()
	v.eventually(wait, "ENDLIST in every playlist", func() bool { return v.model().Ended() })
	if got := v.ends(); len(got) != 1 || !strings.Contains(got[0], want) {
		v.Errorf("got the ends %q, want one that says %q", got, want)
	}
	for _, name := range v.names() {
		p := v.playlist(name)
		if p == nil || !p.Ended || !strings.HasSuffix(strings.TrimSpace(string(p.Text())), "#EXT-X-ENDLIST") {
			v.Errorf("the playlist of %s does not end with ENDLIST", name)
			continue
		}
		if err := v.stored(name, string(p.Text())); err != nil {
			v.Errorf("playlist of %s: %v\n%s", name, err, p.Text())
		}
	}
}

var uri = regexp.MustCompile(`\b([ps])(\d+)\.m4s`)

// stored looks for every part and segment of a playlist in the bucket.
func (v *viewer) stored(name, playlist string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	found := 0
	for _, m := range uri.FindAllStringSubmatch(playlist, -1) {
		number, _ := strconv.ParseUint(m[2], 10, 64) // it matched
		var keys []string
		var err error
		if m[1] == "p" {
			keys = []string{""}
			keys[0], err = v.model().Part(ctx, name, number)
		} else {
			keys, err = v.segment(name, number)
		}
		if err != nil {
			return fmt.Errorf("resolve %s: %w", m[0], err)
		}
		for _, key := range keys {
			if _, err := v.store.Get(ctx, key); err != nil {
				return fmt.Errorf("fetch %s: %w", m[0], err)
			}
			found++
		}
	}
	if found == 0 {
		return errors.New("lists nothing")
	}
	return nil
}

// segment is the key of a segment's object, or, where it is not known to be durable within a second,
// those of its parts.
func (v *viewer) segment(name string, msn uint64) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	key, parts, err := v.model().Segment(ctx, name, msn)
	if key != "" {
		return []string{key}, err
	}
	return parts, err
}

// inOrder holds that entries came without a hole, under one term or ever newer ones.
func (v *viewer) inOrder() {
	v.Helper()
	v.events() // fails if the model found a hole
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, e := range v.entries[1:] {
		was := v.entries[i].ID
		next := registry.EntryID{Term: was.Term, Seq: was.Seq + 1}
		if e.ID != next && (e.ID.Term <= was.Term || e.ID.Seq != 0) {
			v.Errorf("entry %v follows %v", e.ID, was)
		}
	}
}
