package keeper

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/replay"
)

const (
	// expireEvery is how often replays are looked through.
	expireEvery = time.Minute
	// expireMost is how many of them are given up at once.
	expireMost = 20
	// removeMost is how many objects of one broadcast are deleted in a round: five
	// requests of S3.
	removeMost = 5000
)

// expire gives up replays that are older than Retention, the oldest first.
func (w *watch) expire(ctx context.Context) error {
	if w.o.Retention <= 0 || time.Since(w.expired) < expireEvery {
		return nil
	}
	indexed, err := replay.Indexed(ctx, w.store)
	if err != nil {
		return err
	}
	indexed = slices.DeleteFunc(indexed, func(e replay.Entry) bool { return time.Since(e.Written) < w.o.Retention })
	slices.SortFunc(indexed, func(a, b replay.Entry) int { return a.Written.Compare(b.Written) })
	more := len(indexed) > expireMost
	for _, e := range indexed[:min(len(indexed), expireMost)] {
		w.o.Logger.InfoContext(ctx, "a replay's time is over: deleting it", "broadcast", e.Broadcast, "written", e.Written, "retention", w.o.Retention.String())
		if err := w.condemn(ctx, e.Broadcast); err != nil {
			return err
		}
	}
	if !more {
		w.expired = time.Now()
	}
	return nil
}

// condemn marks all of a broadcast for deletion, and takes it out of the lists at once:
// nobody shall begin to watch what is going.
func (w *watch) condemn(ctx context.Context, id string) error {
	if err := replay.Mark(ctx, w.store, replay.Marker{Broadcast: id, Deleting: true}); err != nil {
		return err
	}
	return w.store.Delete(ctx, replay.IndexKey(id))
}

// remove deletes a broadcast, some thousand objects at a time: the media, then the
// journal, and the marker last.
func (w *watch) remove(ctx context.Context, b *broadcast) error {
	if err := w.store.Delete(ctx, replay.IndexKey(b.id)); err != nil { // where condemn was cut short
		return err
	}
	var media, journals []string
	prefix := journal.Prefix(b.id)
	err := w.store.List(ctx, b.id+"/", func(o objstore.Object) bool {
		if strings.HasPrefix(o.Key, prefix) {
			journals = append(journals, o.Key)
		} else {
			media = append(media, o.Key)
		}
		return len(media) < removeMost
	})
	if err != nil {
		return err
	}
	if len(media) > 0 {
		if err := w.store.Delete(ctx, media...); err != nil {
			return fmt.Errorf("delete broadcast %s: %w", b.id, err)
		}
	}
	if len(media) >= removeMost {
		return nil // the rest, and the journal, in the next round
	}
	if len(journals) > 0 {
		if err := w.store.Delete(ctx, journals...); err != nil {
			return fmt.Errorf("delete journal of broadcast %s: %w", b.id, err)
		}
	}
	if err := w.store.Delete(ctx, replay.MarkerKey(b.id)); err != nil {
		return err
	}
	w.o.Logger.InfoContext(ctx, "deleted a broadcast", "broadcast", b.id, "objects", len(media)+len(journals))
	return nil
}
