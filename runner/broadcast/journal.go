package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/replay"
)

const (
	// journalEvery is the time between two objects of the journal, and so what a
	// keeper has to find out in other ways when the runner dies.
	journalEvery = 10 * time.Second
	// journalBacklog is how many events wait while the bucket is away. All it takes in
	// then is lost segments, which a replay shows as gaps anyway: four hours of five
	// renditions. Beyond it events are left out, counted.
	journalBacklog = 32_768
	// Back-off between the attempts of a write: doubled each time, and jittered by half.
	journalFirstWait = 250 * time.Millisecond
	journalLastWait  = 5 * time.Second
	// journalTime bounds what is written after a broadcast that did not end well, or whose
	// slot a newer publish may be waiting for.
	journalTime = time.Second
)

// A recorder writes the journal of a broadcast into the bucket, and at the end the
// replay. It never holds up the broadcast: events wait in memory, bounded, while the
// bucket is slow or away, and are written in order.
type recorder struct {
	store  Store
	log    *slog.Logger
	next   journal.Object // whose events are to come
	begin  chan struct{}  // capacity 1: the take is there, and is to be written at once
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex // protects all below
	pending []hls.Event
	left    int // events that found no room

	// Owned by whoever writes: run, and once it has ended, finish.
	marked bool
	key    string // of body
	body   []byte // of the object being written; nil = none
}

func newRecorder(store Store, about journal.Object, log *slog.Logger) *recorder {
	return &recorder{store: store, next: about, log: log, begin: make(chan struct{}, 1), cancel: func() {}}
}

// start writes what is noted until stop.
func (r *recorder) start(ctx context.Context) {
	ctx, r.cancel = context.WithCancel(ctx)
	r.ended.Go(func() { r.run(ctx) })
}

// stop ends the writing, at once, and waits for it. It may be called again.
func (r *recorder) stop() {
	r.cancel()
	r.ended.Wait()
}

// note takes in what the journal keeps of events that were announced: the take, whole
// segments, pictures. Parts, and what else a segment sums up, it passes over. It never
// blocks.
func (r *recorder) note(events ...hls.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		switch e.(type) {
		case hls.Part, hls.Gap, hls.Close, hls.Object, hls.End:
			continue
		case hls.Take:
			select {
			case r.begin <- struct{}{}:
			default:
			}
		}
		r.noteLocked(e)
	}
}

func (r *recorder) noteLocked(e hls.Event) {
	if len(r.pending) >= journalBacklog {
		if r.left++; r.left == 1 {
			r.log.Error("the journal has waited too long for the bucket: the replay will have gaps", "events", len(r.pending))
		}
		return
	}
	r.pending = append(r.pending, e)
}

// run marks the broadcast, writes the take as soon as it comes, and then what has
// come each time that journalEvery has passed.
func (r *recorder) run(ctx context.Context) {
	if r.mark(ctx) != nil {
		return
	}
	select {
	case <-r.begin:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(journalEvery)
	defer tick.Stop()
	for r.write(ctx) == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// mark lets a keeper know of the broadcast, whatever becomes of this runner.
func (r *recorder) mark(ctx context.Context) error {
	if r.marked {
		return nil
	}
	m := replay.Marker{Broadcast: r.next.Broadcast, Channel: r.next.Channel, Started: r.next.Started}
	err := r.persist(ctx, "mark the broadcast", func(ctx context.Context) error { return replay.Mark(ctx, r.store, m) })
	r.marked = err == nil
	return err
}

// write writes what is noted, until nothing is left. An object whose write was cut
// short is written again with the same bytes, as it may be there.
func (r *recorder) write(ctx context.Context) error {
	for {
		if r.body == nil {
			if err := r.compose(); err != nil || r.body == nil {
				return err
			}
		}
		err := r.persist(ctx, "write the journal", func(ctx context.Context) error {
			return r.store.Put(ctx, r.key, r.body, objstore.PutOptions{})
		})
		if err != nil {
			return err
		}
		r.body = nil
	}
}

// compose makes the next object of what is noted, if anything is.
func (r *recorder) compose() error {
	r.mu.Lock()
	events := r.pending
	r.pending = nil
	r.mu.Unlock()
	if len(events) == 0 {
		return nil
	}
	o := r.next
	o.Events = events
	body, err := o.Encode()
	if err != nil {
		return err
	}
	r.key, r.body = o.Key(), body
	r.next.Number++
	return nil
}

// persist does what until it succeeds or ctx ends.
func (r *recorder) persist(ctx context.Context, what string, do func(context.Context) error) error {
	for wait, tries := journalFirstWait, 0; ; wait, tries = min(2*wait, journalLastWait), tries+1 {
		err := do(ctx)
		switch {
		case err == nil && tries > 0:
			r.log.InfoContext(ctx, "the bucket takes the journal again", "work", what, "tries", tries)
			return nil
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, errors.Join(context.Cause(ctx), err))
		case tries == 0:
			r.log.WarnContext(ctx, "the bucket does not take the journal: trying again", "work", what, "error", err)
		}
		timer := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", what, errors.Join(context.Cause(ctx), err))
		}
	}
}

// flush writes what is noted; run must have ended.
func (r *recorder) flush(ctx context.Context) error {
	if err := r.mark(ctx); err != nil {
		return err
	}
	return r.write(ctx)
}

// finish writes the rest of the journal with its end, and then the replay. run must
// have ended. What does not get done while ctx lasts is left to a keeper.
func (r *recorder) finish(ctx context.Context, reason string) (replay.Index, error) {
	r.mu.Lock()
	r.pending = append(r.pending, hls.End{Reason: reason}) // which always finds room
	r.mu.Unlock()
	if err := r.flush(ctx); err != nil {
		return replay.Index{}, err
	}
	var index replay.Index
	err := r.persist(ctx, "write the replay", func(ctx context.Context) (err error) {
		index, err = replay.Finalise(ctx, r.store, r.next.Broadcast)
		return err
	})
	return index, err
}
