package keeper

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/replay"
	"github.com/pharos-live/pharos/internal/settle"
)

// Defaults of Options.
const (
	DefaultEvery      = 5 * time.Second
	DefaultGrace      = 10 * time.Second
	DefaultSilence    = time.Minute
	DefaultPartsAfter = registry.DefaultKeep + 5*time.Minute
)

const (
	// role is the lease of the one keeper that works.
	role = "keeper"
	// actionTime bounds what is done for one broadcast in one round: enough to read the
	// journal of a day.
	actionTime = 2 * time.Minute
	// lastWait is the longest pause between rounds while bucket or Redis is away.
	lastWait = time.Minute
	// lastRetry is the longest pause between two tries at one broadcast.
	lastRetry = time.Hour
)

// A Registry is Redis as a Keeper needs it.
type Registry interface {
	settle.Registry
	// Lead runs work whenever this process holds the one lease on role.
	Lead(ctx context.Context, role string, work func(context.Context)) error
	// Live is what channel has now; registry.ErrNone: no broadcast.
	Live(ctx context.Context, channel string) (registry.Live, error)
	// Publish is who publishes channel now; registry.ErrNone: nobody.
	Publish(ctx context.Context, channel string) (registry.Publish, error)
}

// A Store is the bucket as a Keeper needs it.
type Store interface {
	replay.Store
	// Delete removes the objects under keys; a key without an object is no error.
	Delete(ctx context.Context, keys ...string) error
}

// A Reaper deletes the parts that a broadcast which is over has left in the bucket.
type Reaper interface {
	Parts(ctx context.Context, broadcast string) error
}

// Options are the tunables of a Keeper; the zero value works.
type Options struct {
	Every      time.Duration // between rounds; 0 = 5 s
	Grace      time.Duration // how long nobody has a broadcast before it is ended; 0 = 10 s
	Silence    time.Duration // how old the newest sign of one that Redis does not know must be; 0 = 1 min
	PartsAfter time.Duration // from the end until parts go, when no playlist lists them any more; 0 = 65 min
	Retention  time.Duration // how long replays stay; 0 = for ever
	Reaper     Reaper        // nil = parts stay
	Logger     *slog.Logger  // nil = discard
}

func (o Options) withDefaults() Options {
	for d, def := range map[*time.Duration]time.Duration{
		&o.Every: DefaultEvery, &o.Grace: DefaultGrace, &o.Silence: DefaultSilence, &o.PartsAfter: DefaultPartsAfter,
	} {
		if *d == 0 {
			*d = def
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Keeper does its work in Run, as long as it alone holds the keeper's lease.
type Keeper struct {
	registry Registry
	store    Store
	o        Options
}

// New makes a Keeper; it starts nothing.
func New(r Registry, s Store, o Options) *Keeper {
	return &Keeper{registry: r, store: s, o: o.withDefaults()}
}

// Run keeps until ctx ends, and returns its cause. What it does under the lease ends with
// the lease. It starts no goroutine that outlives it.
func (k *Keeper) Run(ctx context.Context) error {
	return k.registry.Lead(ctx, role, k.keep)
}

// keep makes rounds until ctx ends.
func (k *Keeper) keep(ctx context.Context) {
	k.o.Logger.InfoContext(ctx, "this server is the keeper now")
	w := &watch{Keeper: k, cases: map[string]*broadcast{}}
	for wait := k.o.Every; ; {
		err := w.round(ctx)
		switch {
		case ctx.Err() != nil:
			k.o.Logger.InfoContext(context.WithoutCancel(ctx), "this server is the keeper no more", "cause", context.Cause(ctx))
			return
		case err != nil:
			if wait == k.o.Every {
				k.o.Logger.WarnContext(ctx, "the keeper cannot see what is to be done: trying again", "error", err)
			}
			wait = min(2*wait, max(lastWait, k.o.Every))
		default:
			wait = k.o.Every
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// A watch is one holding of the lease, and what was seen during it.
type watch struct {
	*Keeper
	cases   map[string]*broadcast
	expired time.Time // when replays were last looked through
}

// A broadcast is one that has a marker.
type broadcast struct {
	id     string
	marked time.Time // when its marker was written
	marker *replay.Marker
	index  *replay.Index
	since  time.Time // nobody has had it since then; zero: somebody has
	tries  int       // that failed in a row
	retry  time.Time // not before
}

// errAway says that a round cannot go on: what it asks does not answer.
var errAway = errors.New("the registry does not answer")

// round looks at everything that is marked, and now and then for what is too old.
func (w *watch) round(ctx context.Context) error {
	marked, err := replay.Marked(ctx, w.store)
	if err != nil {
		return err
	}
	w.forget(marked)
	for _, m := range marked {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b := w.cases[m.Broadcast]
		if b == nil {
			b = &broadcast{id: m.Broadcast}
			w.cases[m.Broadcast] = b
		}
		if !m.Written.Equal(b.marked) {
			b.marked, b.marker = m.Written, nil // it says something else now
		}
		if time.Now().Before(b.retry) {
			continue
		}
		if err := w.try(ctx, b); err != nil {
			return err
		}
	}
	return w.expire(ctx)
}

// forget drops the broadcasts whose markers are gone.
func (w *watch) forget(marked []replay.Entry) {
	there := make(map[string]bool, len(marked))
	for _, m := range marked {
		there[m.Broadcast] = true
	}
	for id := range w.cases {
		if !there[id] {
			delete(w.cases, id)
		}
	}
}

// try attends to a broadcast. What goes wrong with it alone puts it off; an error ends
// the round.
func (w *watch) try(ctx context.Context, b *broadcast) error {
	work, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	err := w.attend(work, b)
	switch {
	case err == nil:
		b.tries = 0
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errAway):
		return err
	default:
		wait := lastRetry
		if b.tries < 10 {
			wait = min(w.o.Every<<b.tries, lastRetry)
		}
		b.tries++
		b.retry = time.Now().Add(wait)
		w.o.Logger.WarnContext(ctx, "the keeper cannot attend to a broadcast", "broadcast", b.id, "again in", wait.String(), "error", err)
	}
	return nil
}
