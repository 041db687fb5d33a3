package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
)

// Feeds is where the entries of broadcasts come from.
type Feeds interface {
	// Snapshot is all that is known of a broadcast; registry.ErrNone where
	// there is none.
	Snapshot(ctx context.Context, broadcast string) (registry.Snapshot, error)
	// After is what came after id, in order.
	After(ctx context.Context, broadcast string, id registry.EntryID) ([]registry.Entry, error)
}

// A Doorbell rings when a feed has grown.
type Doorbell interface {
	Feed(broadcast string) (ring <-chan struct{}, leave func())
}

// pollEvery covers rings that were lost.
const pollEvery = time.Second

// linger is how long a controller stays after its last viewer: a page that is
// reloaded finds it warm.
const linger = 30 * time.Second

// A controller follows one broadcast's feed for all of its viewers.
type controller struct {
	model   *hls.Broadcast
	ready   chan struct{} // closed once the snapshot was applied, or could not be
	err     error         // why it could not, before ready is closed
	cancel  context.CancelFunc
	viewers int       // guarded by controllers.mu
	idle    time.Time // since when there are none, guarded by controllers.mu
}

// controllers are the broadcasts that this app server's viewers watch.
type controllers struct {
	feeds Feeds
	bell  Doorbell
	log   *slog.Logger
	wg    sync.WaitGroup

	mu     sync.Mutex // protects byID and closed
	byID   map[string]*controller
	ctx    context.Context // of Run: controllers end with it
	closed bool
}

func newControllers(f Feeds, b Doorbell, log *slog.Logger) *controllers {
	return &controllers{feeds: f, bell: b, log: log, byID: map[string]*controller{}}
}

var errStopping = errors.New("the server is stopping")

// run lets controllers live until ctx ends, and puts out those that nobody
// watches any more.
func (cs *controllers) run(ctx context.Context) {
	cs.mu.Lock()
	cs.ctx = ctx
	cs.mu.Unlock()
	tick := time.NewTicker(linger / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			cs.sweep(time.Now())
		case <-ctx.Done():
			cs.mu.Lock()
			cs.closed = true
			cs.mu.Unlock()
			cs.wg.Wait()
			return
		}
	}
}

func (cs *controllers) sweep(now time.Time) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for id, c := range cs.byID {
		if c.viewers == 0 && now.Sub(c.idle) >= linger {
			c.cancel()
			delete(cs.byID, id)
		}
	}
}

// watch finds or starts the broadcast's controller and waits for its snapshot.
// leave must be called when the request has been answered.
func (cs *controllers) watch(ctx context.Context, id string) (model *hls.Broadcast, leave func(), err error) {
	if _, err := ulid.ParseStrict(id); err != nil {
		return nil, nil, hls.ErrNotFound // a made-up id costs the registry nothing
	}
	c, err := cs.join(id) //nolint:contextcheck // a controller serves many requests and outlives each
	if err != nil {
		return nil, nil, err
	}
	leave = func() { cs.leave(c) }
	select {
	case <-c.ready:
	case <-ctx.Done():
		leave()
		return nil, nil, context.Cause(ctx)
	}
	if c.err != nil {
		leave()
		return nil, nil, c.err
	}
	return c.model, leave, nil
}

func (cs *controllers) join(id string) (*controller, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed || cs.ctx == nil {
		return nil, errStopping
	}
	c, ok := cs.byID[id]
	if !ok {
		ctx, cancel := context.WithCancel(cs.ctx)
		c = &controller{model: hls.NewBroadcast(id), ready: make(chan struct{}), cancel: cancel}
		cs.byID[id] = c
		cs.wg.Go(func() { cs.follow(ctx, id, c) })
	}
	c.viewers++
	return c, nil
}

func (cs *controllers) leave(c *controller) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c.viewers--
	c.idle = time.Now()
}

// follow reads one feed until ctx or the broadcast ends. A controller whose
// snapshot failed is dropped at once, so that the next viewer asks anew.
func (cs *controllers) follow(ctx context.Context, id string, c *controller) {
	defer c.cancel()
	last, err := cs.load(ctx, id, c.model)
	c.err = err
	close(c.ready)
	if err != nil {
		cs.drop(id, c)
		return
	}
	ring, quiet := cs.bell.Feed(id) // read looks at once: nothing falls between
	defer quiet()
	if err := cs.read(ctx, id, c.model, last, ring); err != nil && ctx.Err() == nil {
		cs.log.Error("a feed cannot be followed", "broadcast", id, "error", err)
		cs.drop(id, c) // the next request starts from a fresh snapshot
	}
}

func (cs *controllers) drop(id string, c *controller) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.byID[id] == c {
		delete(cs.byID, id)
	}
}

func (cs *controllers) load(ctx context.Context, id string, model *hls.Broadcast) (registry.EntryID, error) {
	var last registry.EntryID
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	snap, err := cs.feeds.Snapshot(ctx, id)
	if err != nil {
		return last, err
	}
	data := append([][]byte{snap.Head}, snap.Older...)
	for _, e := range snap.Entries {
		data = append(data, e.Data)
		last = e.ID
	}
	events, err := decode(data)
	if err != nil {
		return last, err
	}
	return last, model.Apply(events...)
}

// snapshotTimeout bounds what a broadcast's first viewer waits for Redis; one
// command of the snapshot waits less.
const snapshotTimeout = 5 * time.Second

// read applies what comes until the broadcast has ended. Redis being away is
// not an end: viewers keep what there is, and reading is tried again.
func (cs *controllers) read(ctx context.Context, id string, model *hls.Broadcast, last registry.EntryID, ring <-chan struct{}) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	away := false
	for ; !model.Ended() && ctx.Err() == nil; wait(ctx, ring, tick.C) {
		entries, err := cs.feeds.After(ctx, id, last)
		if errors.Is(err, registry.ErrTrimmed) {
			return err // away for longer than the stream reaches back
		}
		if err != nil {
			if !away && ctx.Err() == nil {
				cs.log.Warn("the feed cannot be read: trying again", "broadcast", id, "error", err)
			}
			away = true
			continue
		}
		if away {
			cs.log.Info("the feed can be read again", "broadcast", id)
			away = false
		}
		if last, err = apply(model, entries, last); err != nil {
			return err
		}
	}
	return nil
}

// wait waits for a ring, the next look, or the end of ctx.
func wait(ctx context.Context, ring <-chan struct{}, look <-chan time.Time) {
	select {
	case <-ring:
	case <-look:
	case <-ctx.Done():
	}
}

func apply(model *hls.Broadcast, entries []registry.Entry, last registry.EntryID) (registry.EntryID, error) {
	if len(entries) == 0 {
		return last, nil
	}
	data := make([][]byte, len(entries))
	for i, e := range entries {
		data[i] = e.Data
	}
	events, err := decode(data)
	if err != nil {
		return last, err
	}
	if err := model.Apply(events...); err != nil {
		return last, fmt.Errorf("apply entries after %v: %w", last, err)
	}
	return entries[len(entries)-1].ID, nil
}

func decode(data [][]byte) ([]hls.Event, error) {
	events := make([]hls.Event, 0, len(data))
	for _, d := range data {
		if d == nil {
			continue
		}
		e, err := wire.DecodeEvent(d)
		if err != nil {
			return nil, err
		}
		if e != nil {
			events = append(events, e)
		}
	}
	return events, nil
}
