package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/objstore"
)

// ErrUnfinished says that the journal of a broadcast has no end yet.
var ErrUnfinished = errors.New("the journal has no end")

// A Store is the bucket as finalising needs it.
type Store interface {
	Getter
	Lister
	Putter
}

// Finalise makes the replay of a broadcast that has ended: it reads the journal,
// writes the playlists and, last, the index document. It may be done again at any
// time, by anybody, with the same outcome. After an error some of it may be written.
// ErrUnfinished, journal.ErrNone: there is no end, or no journal.
func Finalise(ctx context.Context, s Store, broadcast string) (Index, error) {
	j, err := journal.Read(ctx, s, broadcast)
	if err == nil && !j.Ended {
		err = ErrUnfinished
	}
	if err != nil {
		return Index{}, fmt.Errorf("finalise: %w", err)
	}
	index := Index{
		Version: version, Broadcast: broadcast, Channel: j.Channel, Started: j.Started,
		Renditions: []string{}, Reason: j.Reason, State: StateEmpty,
	}
	r, err := hls.NewReplay(j.Events())
	switch {
	case err == nil:
		err = store(ctx, s, j, r, &index)
	case errors.Is(err, hls.ErrNothing):
		err = nil
	}
	if err != nil {
		return Index{}, fmt.Errorf("finalise broadcast %s: %w", broadcast, err)
	}
	index.Written = time.Now().UTC()
	if err := write(ctx, s, IndexKey(broadcast), index); err != nil {
		return Index{}, fmt.Errorf("finalise broadcast %s: %w", broadcast, err)
	}
	return index, nil
}

// store writes the playlists, all at once, and into index what is there then.
func store(ctx context.Context, s Store, j *journal.Journal, r *hls.Replay, index *Index) error {
	g, ctx := errgroup.WithContext(ctx)
	put := func(key string, body []byte, o objstore.PutOptions) {
		g.Go(func() error { return s.Put(ctx, key, body, o) })
	}
	for i, rendition := range r.Renditions {
		put(MediaKey(j.Broadcast, rendition.Name), r.Media(i), objstore.PutOptions{})
		index.Renditions = append(index.Renditions, rendition.Name)
	}
	storyboard, poster := pictures(j.Broadcast, j.Events())
	if storyboard != nil {
		index.Storyboard = StoryboardKey(j.Broadcast)
		put(index.Storyboard, storyboard, objstore.PutOptions{ContentType: hls.StoryboardType})
	}
	index.Poster = poster
	index.Playlist = PlaylistKey(j.Broadcast)
	put(index.Playlist, r.Multivariant(), objstore.PutOptions{})
	index.Started = r.Date.UTC()
	index.Duration = r.Duration.Round(time.Millisecond).Seconds()
	index.State = StateReady
	return g.Wait()
}
