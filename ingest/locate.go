package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/streamkey"
	"github.com/pharos-live/pharos/pool"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

// Takeover is how long a publish waits for the broadcast that it replaces to
// free its slot.
const Takeover = 3 * time.Second

// noRegistry is what a streamer hears while Redis is away.
const noRegistry = "the registry cannot be reached"

// releaseTime bounds the release of a publish's lease.
const releaseTime = time.Second

// placeRetry is how often a full pool is asked again while a slot is about to
// be freed by the former broadcast of the same channel.
const placeRetry = 100 * time.Millisecond

// Keys checks stream keys.
type Keys interface {
	// Check returns the channel of a valid key. streamkey.ErrMalformed and
	// streamkey.ErrBadSignature are the key's fault; anything else is ours.
	Check(ctx context.Context, key string) (streamkey.Channel, error)
}

// A Placement is a broadcast job on a runner.
type Placement = pool.Placement[*broadcastv1.Started]

// Place starts a broadcast job: pool.Place with wire.Broadcast.
type Place func(ctx context.Context, spec *broadcastv1.Spec) (*Placement, error)

// A Locator gives every publish its broadcast: it checks the key, takes the
// channel's next epoch, and lights a runner. It is the server's Handler.
type Locator struct {
	keys     Keys
	registry *registry.Registry
	place    Place
	o        LocatorOptions
}

// LocatorOptions are the facts that every broadcast of this app server shares.
type LocatorOptions struct {
	Server      string // this app server, for `pharos ps`
	Packaging   *broadcastv1.Packaging
	Transcoding *broadcastv1.Transcoding
	Full        string       // the settings that a full pool's refusal names
	Logger      *slog.Logger // nil = discard
}

// NewLocator makes a Locator; it starts nothing.
func NewLocator(keys Keys, r *registry.Registry, place Place, o LocatorOptions) *Locator {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Locator{keys: keys, registry: r, place: place, o: o}
}

var _ Handler = (*Locator)(nil)

// Publish finds a publish its place. Nothing is booted, and nobody is disturbed, for a key that is
// not valid. Its errors are Refusals, whose text does not tell the streamer what is only for the log,
// the cause of ctx's end, and that a newer publish of the channel has begun meanwhile.
func (l *Locator) Publish(ctx context.Context, p Publish) (Sink, error) {
	log := l.o.Logger.With("remote", p.Remote)
	channel, err := l.keys.Check(ctx, p.Key)
	if err != nil {
		return nil, refuseKey(ctx, log, err)
	}
	log = log.With("channel", string(channel))
	former, err := l.former(ctx, string(channel))
	if err != nil {
		return nil, unavailable(ctx, log, noRegistry, err)
	}
	spec, err := l.spec(ctx, string(channel))
	if err != nil {
		return nil, unavailable(ctx, log, noRegistry, err)
	}
	log = log.With("broadcast", spec.GetBroadcastId(), "epoch", spec.GetEpoch())
	lease := l.registry.HoldPublish(context.WithoutCancel(ctx), registry.Publish{
		Channel: spec.GetChannel(), Epoch: spec.GetEpoch(), Server: l.o.Server, Remote: p.Remote,
		Since: time.Now(), Broadcast: spec.GetBroadcastId(),
	})
	f, err := l.forward(ctx, log, lease, spec, former)
	if err != nil {
		release(lease)  //nolint:contextcheck // the client may be gone: the lease is to go all the same
		return nil, err // not beside f: a nil *forwarder is no nil Sink
	}
	return f, nil
}

// forward lights a runner and opens the way to it, as long as no newer publish begins.
func (l *Locator) forward(ctx context.Context, log *slog.Logger, lease *registry.PublishLease, spec *broadcastv1.Spec, former bool) (*forwarder, error) {
	ctx, stop := whileHeld(ctx, lease)
	defer stop()
	placement, err := l.light(ctx, log, spec, former)
	if err != nil {
		return nil, err
	}
	log = log.With("machine", placement.Machine())
	log.InfoContext(ctx, "publish has a runner")
	f, err := newForwarder(ctx, l.registry, lease, placement, spec, log)
	if err != nil {
		return nil, unavailable(ctx, log, "the runner of this broadcast cannot be reached", err)
	}
	return f, nil
}

// whileHeld is ctx until the lease is lost, with errReplaced as its cause then. stop waits for what
// it began.
func whileHeld(ctx context.Context, lease *registry.PublishLease) (held context.Context, stop func()) {
	held, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-lease.Done():
			cancel(errReplaced)
		case <-held.Done():
		}
	})
	return held, func() {
		cancel(nil)
		watch.Wait()
	}
}

// release ends a publish's lease, within releaseTime.
func release(lease *registry.PublishLease) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	_ = lease.Release(ctx) // it expires by itself otherwise
}

// former says whether the channel has a broadcast, or a publish that is about to become one.
func (l *Locator) former(ctx context.Context, channel string) (bool, error) {
	if _, err := l.registry.Live(ctx, channel); !errors.Is(err, registry.ErrNone) {
		return true, err
	}
	if _, err := l.registry.Publish(ctx, channel); !errors.Is(err, registry.ErrNone) {
		return true, err
	}
	return false, nil
}

// spec makes a broadcast of the channel: it takes the next epoch, by which the newest publish wins,
// and the broadcast's first term.
func (l *Locator) spec(ctx context.Context, channel string) (*broadcastv1.Spec, error) {
	epoch, err := l.registry.NextEpoch(ctx, channel)
	if err != nil {
		return nil, err
	}
	id := ulid.Make().String()
	term, err := l.registry.NextTerm(ctx, id)
	if err != nil {
		return nil, err
	}
	return &broadcastv1.Spec{
		BroadcastId: id,
		Channel:     channel,
		Epoch:       epoch,
		Term:        term,
		Server:      l.o.Server,
		Packaging:   l.o.Packaging,
		Transcoding: l.o.Transcoding,
	}, nil
}

// light places the broadcast. Where the channel has a former one, its slot is waited for, at most
// Takeover: the new epoch has ended it already.
func (l *Locator) light(ctx context.Context, log *slog.Logger, spec *broadcastv1.Spec, former bool) (*Placement, error) {
	if !former {
		placement, err := l.place(ctx, spec)
		return placement, l.refusePlace(ctx, log, err)
	}
	wait, cancel := context.WithTimeout(ctx, Takeover)
	defer cancel()
	switch err := l.registry.WaitFree(wait, spec.GetChannel(), spec.GetEpoch()); {
	case errors.Is(err, registry.ErrFenced):
		return nil, errReplaced
	case err != nil && wait.Err() == nil:
		return nil, unavailable(ctx, log, noRegistry, err)
	case err != nil && ctx.Err() == nil:
		log.WarnContext(ctx, "the channel's former broadcast has not ended in time", "within", Takeover, "error", err)
	}
	placement, err := l.placeWhenFree(ctx, wait, spec)
	return placement, l.refusePlace(ctx, log, err)
}

// placeWhenFree asks a full pool again until wait ends: the lease of the former broadcast goes a
// moment before its slot does.
func (l *Locator) placeWhenFree(ctx, wait context.Context, spec *broadcastv1.Spec) (*Placement, error) {
	tick := time.NewTicker(placeRetry)
	defer tick.Stop()
	for {
		placement, err := l.place(ctx, spec)
		if !errors.Is(err, pool.ErrNoCapacity) {
			return placement, err
		}
		select {
		case <-tick.C:
		case <-wait.Done():
			return nil, err
		}
	}
}

func refuseKey(ctx context.Context, log *slog.Logger, err error) error {
	switch {
	case errors.Is(err, streamkey.ErrMalformed), errors.Is(err, streamkey.ErrBadSignature):
		return &Refusal{Code: CodeBadName, Text: fmt.Sprintf("stream key refused: %v", err)}
	default:
		return unavailable(ctx, log, "stream keys cannot be checked now", err)
	}
}

// refusePlace is the Refusal for an error of Place, and nil for none.
func (l *Locator) refusePlace(ctx context.Context, log *slog.Logger, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pool.ErrNoCapacity): // logged by the pool, with its numbers
		return &Refusal{Code: CodeDenied, Text: fmt.Sprintf("all runners are full: %s limit them", l.o.Full)}
	default:
		return unavailable(ctx, log, "no runner can be had for this broadcast", err)
	}
}

// unavailable refuses a publish for a fault of ours; the encoder may retry. What the fault is goes
// to the log alone. Where ctx has ended, nobody is left to be refused.
func unavailable(ctx context.Context, log *slog.Logger, what string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log.ErrorContext(ctx, "a publish cannot be served", "reason", what, "error", err)
	return &Refusal{Code: CodeDenied, Text: what + "; try again soon"}
}
