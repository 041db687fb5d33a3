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

func (f *forwarder) settleOnce(ctx context.Context, reason string, why error, term *uint64) (err error) {
	var remote *pool.RemoteError
	if errors.As(why, &remote) { // the runner lives, and may have ended them though it failed
		if ended, err := f.ended(ctx); ended || err != nil {
			return err
		}
	}
	if *term == 0 {
		if *term, err = f.locator.registry.NextTerm(ctx, f.publish.Broadcast); err != nil {
			return err
		}
	}
	data, err := wire.EncodeEvent(hls.End{Reason: reason})
	if err != nil {
		return err
	}
	err = f.locator.registry.AppendEnd(ctx, f.publish.Broadcast, *term, data)
	if errors.Is(err, registry.ErrFenced) {
		return nil // somebody newer has the broadcast, and its end
	}
	if err == nil {
		f.log.Warn("ended the broadcast in its runner's place", "term", *term)
	}
	return err
}

// ended says whether the broadcast's feed has its end, or never began.
func (f *forwarder) ended(ctx context.Context) (bool, error) {
	snap, err := f.locator.registry.Snapshot(ctx, f.publish.Broadcast)
	if errors.Is(err, registry.ErrNone) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	last, err := wire.DecodeEvent(snap.Entries[len(snap.Entries)-1].Data)
	_, is := last.(hls.End)
	return is, err
}
