package reap

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

const (
	// DefaultEvery is the pace of deleting.
	DefaultEvery = 10 * time.Second

	// lag is what an app server may be behind the feed, and still send no player to what is gone.
	lag = 30 * time.Second
	// cachedTargets is how many target durations a cache may keep a playlist (the draft, B.1).
	cachedTargets = 6

	batchKeys   = 1000 // the most that one request of S3 takes
	batchPause  = time.Second
	attemptTime = 30 * time.Second
	lastTime    = 3 * time.Second // for the round after Close

	firstBackoff = time.Second
	lastBackoff  = time.Minute

	// longTold is how long the feed may take before it counts as having been away.
	longTold = time.Second
)

// Slack is how long parts outlive their last reader in the model.
func Slack(target time.Duration) time.Duration { return cachedTargets*target + lag }

// Delay is how long after the end of a broadcast no player can ask for its parts any more.
func Delay(target time.Duration) time.Duration { return hls.PartAvailability(target) + Slack(target) }

// A Deleter is the bucket, as a Live needs it.
type Deleter interface {
	// Delete removes the objects under keys; a key without one is no error. After an error some may be
	// gone. It blocks until it is done or ctx ends.
	Delete(ctx context.Context, keys ...string) error
}

// Options are the tunables of a Live. TargetDuration is required.
type Options struct {
	TargetDuration time.Duration
	Every          time.Duration // between rounds; 0 = DefaultEvery
	// Told returns once readers can know of all that was noted before the call; an error, or the end of
	// ctx, means that this is not known. nil = they always do.
	Told   func(ctx context.Context) error
	Logger *slog.Logger // nil = discard
}

// Stats count what a Live does. Its fields may be read at any time.
type Stats struct {
	Deleted  atomic.Uint64 // parts, those without an object included
	Requests atomic.Uint64 // Deletes that succeeded
	Failures atomic.Uint64 // Deletes that did not, and are tried again
	Left     atomic.Uint64 // parts that were given up: their segment is lost, too many waited, or the end came
}

// A Live deletes the parts of one term of a broadcast while it runs. It is safe for concurrent use.
type Live struct {
	store  Deleter
	o      Options
	stats  Stats
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex // protects books
	books books
}

// NewLive makes a Live for the renditions of these names, which events call by their index. It starts
// nothing.
func NewLive(broadcast string, renditions []string, store Deleter, o Options) *Live {
	if o.Every == 0 {
		o.Every = DefaultEvery
	}
	if o.Told == nil {
		o.Told = func(context.Context) error { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Live{store: store, o: o, closed: make(chan struct{})}
	l.books = newBooks(broadcast, renditions, o.TargetDuration)
	return l
}

// Stats counts what l does.
func (l *Live) Stats() *Stats { return &l.stats }

// Note takes in what the feed was told, in its order: Part, Gap and Object, and Segment, by which it learns
// that a segment is lost. It does not block.
func (l *Live) Note(events ...hls.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Left.Add(l.books.note(time.Now(), events...))
}

// Close ends Run, after one more round of at most 3 s. It does not block, and may be called again.
func (l *Live) Close() { l.once.Do(func() { close(l.closed) }) }

// Run deletes until Close, or until ctx ends. It always returns nil: what it leaves is left to Parts.
func (l *Live) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() { // the last round ends, however the store hangs
		select {
		case <-l.closed:
			pause(ctx, lastTime)
			cancel()
		case <-ctx.Done():
		}
	})
	tick := time.NewTicker(l.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.round(ctx)
		case <-l.closed:
			l.round(ctx)
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// round deletes all that is due. After Close nothing is waited for or tried again.
func (l *Live) round(ctx context.Context) {
	for first := true; ; first = false {
		l.mu.Lock()
		ready := l.books.ready(time.Now())
		l.mu.Unlock()
		if !ready || !first && !l.pause(ctx, batchPause) || !l.told(ctx) {
			return
		}
		l.mu.Lock()
		keys := l.books.take(time.Now())
		l.mu.Unlock()
		if len(keys) == 0 {
			return
		}
		if !l.delete(ctx, keys) {
			l.stats.Left.Add(uint64(len(keys)))
			return
		}
	}
}

// told waits until readers can know what was noted. When that took long, they still act on what they knew
// before: all that is due is put off.
func (l *Live) told(ctx context.Context) bool {
	began := time.Now()
	if err := l.o.Told(ctx); err != nil {
		return false
	}
	if time.Since(began) > longTold {
		l.mu.Lock()
		l.books.postpone(time.Now().Add(Slack(l.o.TargetDuration)))
		l.mu.Unlock()
	}
	return true
}

// delete deletes a batch, and tries until it is done, or until Close or the end of ctx.
func (l *Live) delete(ctx context.Context, keys []string) bool {
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		err := l.attempt(ctx, keys)
		if err == nil {
			l.stats.Requests.Add(1)
			l.stats.Deleted.Add(uint64(len(keys)))
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		l.stats.Failures.Add(1)
		if wait == firstBackoff {
			l.o.Logger.WarnContext(ctx, "parts cannot be deleted: trying again", "first", keys[0], "parts", len(keys), "error", err)
		}
		if !l.pause(ctx, wait/2+rand.N(wait)) {
			return false
		}
	}
}

func (l *Live) attempt(ctx context.Context, keys []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, attemptTime, errSlow)
	defer cancel()
	return l.store.Delete(ctx, keys...)
}

var errSlow = errors.New("no answer in time")

// pause waits for d. It says false, at once, after Close or the end of ctx.
func (l *Live) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closed:
	case <-ctx.Done():
	}
	return false
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
