package broadcast

import (
	"context"
	"log/slog"
	"time"
)

// Bounds of what is superseded.
const (
	// supersededFor is how long an object stays after its successor was announced:
	// whoever was sent to it has it by then.
	supersededFor = time.Minute
	// supersededAtEnd is the same at the end of the broadcast, which does not wait.
	supersededAtEnd = 10 * time.Second
	// maxDiscards is some five minutes' worth. Beyond, the oldest are forgotten, and
	// stay until the broadcast's objects are deleted as a whole.
	maxDiscards = 64
	// deleteTime bounds one deletion.
	deleteTime = 5 * time.Second
)

// discards are the objects that newer ones have taken the place of, oldest first.
// They belong to one goroutine.
type discards struct {
	store     Store
	log       *slog.Logger
	waiting   []discard
	forgotten int
}

type discard struct {
	key   string
	since time.Time
}

// add takes a key whose object nobody new is sent to from now on.
func (d *discards) add(key string) {
	if key == "" {
		return
	}
	if len(d.waiting) == maxDiscards {
		d.waiting = d.waiting[1:]
		d.forgotten++
	}
	d.waiting = append(d.waiting, discard{key: key, since: time.Now()})
}

// due is when the next one is to be deleted; false where there is none.
func (d *discards) due() (time.Time, bool) {
	if len(d.waiting) == 0 {
		return time.Time{}, false
	}
	return d.waiting[0].since.Add(supersededFor), true
}

// sweep deletes what has waited for age. What cannot be deleted waits once more.
func (d *discards) sweep(ctx context.Context, age time.Duration) {
	now := time.Now()
	var keys []string
	for len(d.waiting) > 0 && now.Sub(d.waiting[0].since) >= age {
		keys = append(keys, d.waiting[0].key)
		d.waiting = d.waiting[1:]
	}
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deleteTime)
	defer cancel()
	if err := d.store.Delete(ctx, keys...); err != nil {
		d.log.DebugContext(ctx, "superseded pictures cannot be deleted: trying again", "count", len(keys), "error", err)
		for _, key := range keys {
			d.add(key)
		}
	}
}
