package packager

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
)

// A Store is where media goes.
type Store interface {
	// Put stores body under key and returns once it is durable. It blocks until then or until ctx
	// ends, does not keep body, and may be called from many goroutines.
	Put(ctx context.Context, key string, body []byte, o objstore.PutOptions) error
}

// Uploads of a rendition that may be under way at once.
const (
	partUploads    = 6
	segmentUploads = 2
)

// Back-off between the attempts of an upload: doubled each time, and jittered by half.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = time.Second
)

// cacheForEver goes with everything: no object ever changes.
const cacheForEver = "public, max-age=31536000, immutable"

// errLate ends the upload of what is no longer wanted.
var errLate = errors.New("not durable in time")

// run uploads and announces until all is done after end, or ctx ends or announcing fails.
func (o *outbox) run(ctx context.Context, a announcer) error {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer o.sending.Wait() // what lost its race
	defer workers.Wait()
	defer cancel()
	for range partUploads {
		workers.Go(func() { o.uploadParts(ctx) })
	}
	for range segmentUploads {
		workers.Go(func() { o.uploadSegments(ctx) })
	}
	workers.Go(func() { o.uploadSections(ctx) })
	return a.run(ctx)
}

// await calls take, with the lock held, until it says true. It says false when ctx ends first.
func (o *outbox) await(ctx context.Context, take func() bool) bool {
	for {
		o.mu.Lock()
		if ctx.Err() == nil && take() {
			o.mu.Unlock()
			return true
		}
		changed := o.changed
		o.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (o *outbox) uploadParts(ctx context.Context) {
	for {
		var e *entry
		if !o.await(ctx, func() bool {
			if len(o.parts) > 0 {
				e, o.parts = o.parts[0], o.parts[1:]
			}
			return e != nil
		}) {
			return
		}
		o.uploadPart(ctx, e)
	}
}

func (o *outbox) uploadPart(ctx context.Context, e *entry) {
	ctx, cancel := context.WithDeadlineCause(ctx, e.deadline, errLate)
	defer cancel()
	err := o.put(ctx, o.partHedge, e.key, e.body, 0)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= len(e.body)
	e.body, e.durable = nil, err == nil
	o.changedLocked()
}

func (o *outbox) uploadSegments(ctx context.Context) {
	for {
		var j *segmentJob
		if !o.await(ctx, func() bool {
			if i := slices.IndexFunc(o.segments, func(j *segmentJob) bool { return j.state == jobWaits }); i >= 0 {
				j = o.segments[i]
				j.state = jobRuns
			}
			return j != nil
		}) {
			return
		}
		o.uploadSegment(ctx, j)
	}
}

func (o *outbox) uploadSegment(parent context.Context, j *segmentJob) {
	ctx, cancel := context.WithDeadlineCause(parent, j.deadline, errLate)
	defer cancel()
	body := slices.Concat(j.bodies...)
	err := o.put(ctx, o.segmentHedge, hls.SegmentKey(o.config.Broadcast, o.name, j.record.MSN, o.config.Term), body, o.config.segmentDeadline()/2)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		j.state, j.bodies, j.size = jobDurable, nil, int64(len(body))
		o.stats.Segments.Add(1)
	case parent.Err() == nil:
		o.loseLocked(j)
	}
	o.changedLocked()
}

// uploadSections uploads init sections, each until it is durable: nothing can be played without.
func (o *outbox) uploadSections(ctx context.Context) {
	for {
		var s *section
		if !o.await(ctx, func() bool {
			if len(o.sections) > 0 {
				s = o.sections[0]
			}
			return s != nil
		}) {
			return
		}
		if o.put(ctx, o.partHedge, s.key, s.body, o.config.TargetDuration) != nil {
			return
		}
		o.mu.Lock()
		s.durable = true
		o.sections = slices.Delete(o.sections, 0, 1)
		o.changedLocked()
		o.mu.Unlock()
	}
}

// put stores an object, trying again until ctx ends. An attempt, which is a request and perhaps a second one
// beside it, lasts at most limit; 0 = as long as ctx does, for a part has no time for a second attempt after
// one that hangs, and a store that is slow all the time would have none succeed.
func (o *outbox) put(ctx context.Context, h *hedge, key string, body []byte, limit time.Duration) error {
	options := objstore.PutOptions{ContentType: "video/mp4", CacheControl: cacheForEver, Once: true}
	if o.name == AudioName {
		options.ContentType = "audio/mp4"
	}
	send := func(ctx context.Context) error { return o.store.Put(ctx, key, body, options) }
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := o.attempt(ctx, h, send, limit)
		if err == nil {
			o.stats.Bytes.Add(uint64(len(body)))
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		o.stats.Retries.Add(1)
		o.log.Debug("upload failed and is tried again", "key", key, "error", err)
		pause(ctx, wait/2+rand.N(wait))
	}
}

func (o *outbox) attempt(ctx context.Context, h *hedge, send func(context.Context) error, limit time.Duration) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return o.race(ctx, h, send)
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
