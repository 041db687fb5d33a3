package keeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/replay"
	"github.com/pharos-live/pharos/internal/settle"
	"github.com/pharos-live/pharos/internal/wire"
)

// lost is why a broadcast ended that a keeper ends, as its last entry says it.
const lost = "the runner and the app server of this broadcast were lost"

// attend does what is next for a broadcast, if anything is.
func (w *watch) attend(ctx context.Context, b *broadcast) error {
	if b.marker == nil {
		m, err := replay.ReadMarker(ctx, w.store, b.id)
		if errors.Is(err, objstore.ErrNotFound) {
			return nil // gone since it was listed
		}
		if err != nil {
			return err
		}
		b.marker = &m
	}
	switch {
	case b.marker.Deleting:
		return w.remove(ctx, b)
	case b.index != nil:
		return w.clear(ctx, b)
	}
	dead, err := w.dead(ctx, b)
	if !dead || err != nil {
		return err
	}
	index, err := replay.Find(ctx, w.store, b.id)
	switch {
	case err == nil:
		b.index = &index
		return w.clear(ctx, b)
	case errors.Is(err, objstore.ErrNotFound):
		return w.finalise(ctx, b)
	default:
		return err
	}
}

// dead says whether nobody has had the broadcast for Grace.
func (w *watch) dead(ctx context.Context, b *broadcast) (bool, error) {
	held, err := w.held(ctx, b)
	switch {
	case err != nil:
		return false, fmt.Errorf("%w: %w", errAway, err)
	case held:
		b.since = time.Time{}
		return false, nil
	case b.since.IsZero():
		b.since = time.Now()
	}
	return time.Since(b.since) >= w.o.Grace, nil
}

func (w *watch) held(ctx context.Context, b *broadcast) (bool, error) {
	l, err := w.registry.Live(ctx, b.marker.Channel)
	if err == nil && l.Broadcast == b.id {
		return true, nil
	}
	if err != nil && !errors.Is(err, registry.ErrNone) {
		return false, err
	}
	p, err := w.registry.Publish(ctx, b.marker.Channel)
	if errors.Is(err, registry.ErrNone) {
		return false, nil
	}
	return err == nil && p.Broadcast == b.id, err
}

// finalise ends a broadcast that nobody has, completes its journal, and makes its replay.
func (w *watch) finalise(ctx context.Context, b *broadcast) error {
	j, err := journal.Read(ctx, w.store, b.id)
	if err != nil && !errors.Is(err, journal.ErrNone) {
		return err
	}
	if j == nil || !j.Ended {
		done, err := w.end(ctx, b, j)
		if !done || err != nil {
			return err
		}
	}
	index, err := replay.Finalise(ctx, w.store, b.id)
	if err != nil {
		return err
	}
	b.index = &index
	w.o.Logger.InfoContext(ctx, "finalised a broadcast", "broadcast", b.id, "channel", index.Channel,
		"state", index.State, "seconds", index.Duration, "reason", index.Reason)
	return nil
}

// end ends the feed and the journal, of which j is what there is; nil: nothing. It says
// false where that is not to be done, or not yet.
func (w *watch) end(ctx context.Context, b *broadcast, j *journal.Journal) (bool, error) {
	_, err := w.registry.Snapshot(ctx, b.id)
	unknown := errors.Is(err, registry.ErrNone)
	if err != nil && !unknown {
		return false, fmt.Errorf("%w: %w", errAway, err)
	}
	if unknown && time.Since(w.newest(b, j)) < w.o.Silence {
		return false, nil
	}
	ending := settle.Ending{Broadcast: b.id, Reason: lost, NoFeed: true}
	wrote, err := ending.Try(ctx, w.registry)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errAway, err)
	}
	if wrote {
		w.o.Logger.WarnContext(ctx, "ended a broadcast that nobody had", "broadcast", b.id, "channel", b.marker.Channel,
			"term", ending.Term(), "feed was gone", unknown)
	}
	snap, err := w.registry.Snapshot(ctx, b.id)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errAway, err)
	}
	if ended, err := settle.Ended(snap); !ended || err != nil {
		b.since = time.Time{} // somebody has taken it just now
		return false, err
	}
	return w.complete(ctx, b, j, snap, ending.Term())
}

// newest is when the broadcast gave its last sign in the bucket.
func (w *watch) newest(b *broadcast, j *journal.Journal) time.Time {
	if j != nil && j.Newest.After(b.marked) {
		return j.Newest
	}
	return b.marked
}

// complete writes the rest of a journal, under a new term; term is one that was taken
// already, or 0. It says false for a broadcast of which nothing was ever announced: that
// is deleted.
func (w *watch) complete(ctx context.Context, b *broadcast, j *journal.Journal, snap registry.Snapshot, term uint64) (bool, error) {
	t, err := newTail(j, snap)
	if err != nil {
		return false, err
	}
	if t == nil {
		w.o.Logger.InfoContext(ctx, "a broadcast has left nothing: deleting what there is", "broadcast", b.id, "channel", b.marker.Channel)
		return false, w.condemn(ctx, b.id)
	}
	segments, err := t.segments(ctx, w.store, b.id)
	if err != nil {
		return false, err
	}
	if term == 0 {
		if term, err = w.registry.NextTerm(ctx, b.id); err != nil {
			return false, fmt.Errorf("%w: %w", errAway, err)
		}
	}
	o := journal.Object{Broadcast: b.id, Channel: b.marker.Channel, Started: b.marker.Started, Term: term}
	if j != nil {
		o.Term = max(term, j.Term+1) // whatever Redis thinks the time is
	}
	o.Events = append([]hls.Event{t.take}, segments...)
	o.Events = append(o.Events, hls.End{Reason: reasonOf(snap)})
	body, err := o.Encode()
	if err != nil {
		return false, err
	}
	if err := w.store.Put(ctx, o.Key(), body, objstore.PutOptions{}); err != nil {
		return false, err
	}
	w.o.Logger.InfoContext(ctx, "completed a journal", "broadcast", b.id, "term", o.Term, "segments", len(segments))
	return true, nil
}

// reasonOf is why a feed that has ended did.
func reasonOf(snap registry.Snapshot) string {
	if e, err := wire.DecodeEvent(snap.Entries[len(snap.Entries)-1].Data); err == nil {
		if end, ok := e.(hls.End); ok && end.Reason != "" {
			return end.Reason
		}
	}
	return lost
}

// clear deletes the parts of a broadcast that has its replay, when nobody asks for them
// any more, and with that is done with it.
func (w *watch) clear(ctx context.Context, b *broadcast) error {
	if time.Since(b.index.Written) < w.o.PartsAfter {
		return nil
	}
	if w.o.Reaper != nil {
		if err := w.o.Reaper.Parts(ctx, b.id); err != nil {
			return fmt.Errorf("delete the parts of broadcast %s: %w", b.id, err)
		}
	}
	if err := w.store.Delete(ctx, replay.MarkerKey(b.id)); err != nil {
		return err
	}
	w.o.Logger.InfoContext(ctx, "cleared up behind a broadcast", "broadcast", b.id, "channel", b.index.Channel)
	return nil
}
