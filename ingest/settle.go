package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
	"github.com/pharos-live/pharos/pool"
)

const (
	// settling bounds what ending a broadcast in its runner's place may take, Redis being away.
	settling = 5 * time.Second
	// settleRetry is the pause between two attempts.
	settleRetry = 250 * time.Millisecond
)

// settle ends the playlists of a broadcast whose runner did not: under the next term, so that the
// runner, should it still be there, can write nothing behind the end. It tries for at most settling.
func (f *forwarder) settle(reason string, why error) {
	ctx, cancel := context.WithTimeout(context.Background(), settling)
	defer cancel()
	var term uint64 // taken once: an attempt whose answer was lost is then known again
	for {
		err := f.settleOnce(ctx, reason, why, &term)
		if err == nil {
			return
		}
		select {
		case <-time.After(settleRetry):
		case <-ctx.Done():
			f.log.Error("the broadcast's playlists are left without an end", "within", settling, "error", err)
			return
		}
	}
}

func (f *forwarder) settleOnce(ctx context.Context, reason string, why error, term *uint64) error {
	var remote *pool.RemoteError
	settled, err := f.settled(ctx, errors.As(why, &remote))
	if settled || err != nil {
		return err
	}
	if *term == 0 {
		if *term, err = f.registry.NextTerm(ctx, f.spec.GetBroadcastId()); err != nil {
			return err
		}
	}
	data, err := wire.EncodeEvent(hls.End{Reason: reason})
	if err != nil {
		return err
	}
	err = f.registry.AppendEnd(ctx, f.spec.GetBroadcastId(), *term, data)
	if errors.Is(err, registry.ErrFenced) {
		return nil // somebody newer has the broadcast, and its end
	}
	if err == nil {
		f.log.Warn("ended the broadcast in its runner's place", "term", *term)
	}
	return err
}

// settled says whether there is nothing to end: a newer term has the feed, or it has its end. Where
// there is no feed, a runner that lives will make none; one that was lost might.
func (f *forwarder) settled(ctx context.Context, lives bool) (bool, error) {
	snap, err := f.registry.Snapshot(ctx, f.spec.GetBroadcastId())
	switch {
	case errors.Is(err, registry.ErrNone):
		return lives, nil
	case err != nil:
		return false, err
	}
	last := snap.Entries[len(snap.Entries)-1]
	if last.ID.Term > f.spec.GetTerm() {
		return true, nil
	}
	e, err := wire.DecodeEvent(last.Data)
	_, end := e.(hls.End)
	return end, err
}
