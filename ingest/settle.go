package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/pharos-live/pharos/internal/settle"
	"github.com/pharos-live/pharos/pool"
)

const (
	// settling bounds what ending a broadcast in its runner's place may take, Redis being away.
	settling = 5 * time.Second
	// settleRetry is the pause between two attempts.
	settleRetry = 250 * time.Millisecond
)

// settle ends the playlists of a broadcast whose runner did not, for why. It tries for at most
// settling. Where there is no feed, a runner that lives will make none; one that was lost might.
func (f *forwarder) settle(reason string, why error) {
	ctx, cancel := context.WithTimeout(context.Background(), settling)
	defer cancel()
	var remote *pool.RemoteError
	end := settle.Ending{
		Broadcast: f.spec.GetBroadcastId(), Reason: reason, After: f.spec.GetTerm(), NoFeed: !errors.As(why, &remote),
	}
	for {
		wrote, err := end.Try(ctx, f.registry)
		if wrote {
			f.log.Warn("ended the broadcast in its runner's place", "term", end.Term())
		}
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
