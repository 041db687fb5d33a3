package broadcast

import (
	"context"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/reap"
	"github.com/pharos-live/pharos/runner/packager"
)

// newReaper makes what deletes this term's parts once their segments are
// objects and no player can ask for them any more. It is told what the feed is
// told, behind it.
func (l *pipeline) newReaper(store Store, c packager.Config) *reap.Live {
	var names []string
	for _, r := range l.packager.Renditions() {
		names = append(names, r.Name)
	}
	return reap.NewLive(c.Broadcast, names, store, reap.Options{
		TargetDuration: c.TargetDuration,
		Told:           l.feed.to.Flush, // while Redis is away, viewers are shown an old state
		Logger:         l.log,
	})
}

// announce tells the feed and the reaper what has happened in a rendition.
func (l *pipeline) announce(ctx context.Context, events ...hls.Event) error {
	if err := l.feed.announce(ctx, events...); err != nil {
		return err
	}
	l.reaper.Note(events...)
	return nil
}

// older tells them that a segment is done with.
func (l *pipeline) older(ctx context.Context, s hls.Segment) error {
	if err := l.feed.older(ctx, s); err != nil {
		return err
	}
	l.reaper.Note(s)
	return nil
}
