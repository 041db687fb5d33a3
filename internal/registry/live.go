package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The states of a Live.
const (
	StateStarting = "starting" // nothing can be watched yet
	StateLive     = "live"
)

// A Live is what is known of the broadcast that a channel has now: its runner's lease.
type Live struct {
	Channel    string    `json:"channel"`
	Broadcast  string    `json:"broadcast"`
	Epoch      uint64    `json:"epoch"`
	Term       uint64    `json:"term"`
	Machine    string    `json:"machine"` // of the runner
	Server     string    `json:"server"`  // the app server that takes the publish
	Started    time.Time `json:"started"`
	Renditions []string  `json:"renditions,omitempty"`
	State      string    `json:"state"`           // StateStarting or StateLive
	Video      string    `json:"video,omitempty"` // for people: "1280x720p60 h264"
	Audio      string    `json:"audio,omitempty"` // for people: "48 kHz stereo aac"

	// Poster is the number of the newest poster, whose term is Term; 0 = there is none.
	Poster uint64 `json:"poster,omitempty"`
}

// A Lease is a runner's hold on a channel, from HoldLive. It is safe for concurrent use.
type Lease struct {
	*holder
	live Live // guarded by holder.mu
}

// HoldLive keeps l in Redis until ctx ends, when exactly this epoch and term are released, or until a newer
// epoch of the channel or term of the broadcast is seen: ErrFenced. It returns at once and writes from a
// goroutine of its own; whoever calls it calls Release, or ends ctx and waits for Done. Redis being away does
// not end a lease: see Trusted.
func (r *Registry) HoldLive(ctx context.Context, l Live) *Lease {
	lease := &Lease{live: l}
	c := claim{key: liveKey(l.Channel), channel: l.Channel, epoch: l.Epoch, term: l.Term, broadcast: l.Broadcast, index: liveIndex}
	lease.holder = r.hold(ctx, c, func() ([]byte, error) { return json.Marshal(lease.live) })
	return lease
}

// Update changes what is known, and has it written at once. Channel, Broadcast, Epoch and Term stay as they are.
func (l *Lease) Update(change func(*Live)) {
	l.update(func() {
		was := l.live
		change(&l.live)
		l.live.Channel, l.live.Broadcast, l.live.Epoch, l.live.Term = was.Channel, was.Broadcast, was.Epoch, was.Term
	})
}

// Live returns what channel has now. ErrNone: no broadcast.
func (r *Registry) Live(ctx context.Context, channel string) (Live, error) {
	var l Live
	if err := r.read(ctx, liveKey(channel), &l); err != nil {
		return Live{}, fmt.Errorf("look up broadcast of channel %s: %w", channel, err)
	}
	return l, nil
}

// Lives returns all that is live, sorted by channel.
func (r *Registry) Lives(ctx context.Context) ([]Live, error) {
	lives, err := leases[Live](ctx, r, liveIndex, liveKey)
	if err != nil {
		return nil, fmt.Errorf("list broadcasts: %w", err)
	}
	slices.SortFunc(lives, func(a, b Live) int { return cmp.Compare(a.Channel, b.Channel) })
	return lives, nil
}

// leases reads all leases in an index.
func leases[T any](ctx context.Context, r *Registry, index string, key func(string) string) ([]T, error) {
	docs, err := r.documents(ctx, index, key)
	if err != nil {
		return nil, err
	}
	all := make([]T, len(docs))
	for i, doc := range docs {
		if err := json.Unmarshal([]byte(doc), &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// freePoll is how often WaitFree looks when nothing wakes it.
const freePoll = 250 * time.Millisecond

// WaitFree waits until channel has no Live of an epoch below epoch: released or expired. A release wakes it at
// once; it also looks every 250 ms, through failures too. ErrFenced: a Live of a greater epoch stands. The
// error of an ended ctx wraps its cause.
func (r *Registry) WaitFree(ctx context.Context, channel string, epoch uint64) error {
	bell := &bell{ring: make(chan struct{}, 1)}
	watch, stop := context.WithCancel(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		// Without the subscription the poll below still sees the release, a little later.
		_ = r.subscribe(watch, freeBell(channel), bell)
	}()
	defer func() { stop(); <-watching }()
	poll := time.NewTicker(freePoll)
	defer poll.Stop()
	for {
		l, err := r.Live(ctx, channel)
		switch {
		case errors.Is(err, ErrNone), err == nil && l.Epoch == epoch:
			return nil
		case err == nil && l.Epoch > epoch:
			return fmt.Errorf("wait for channel %s at epoch %d, as %d is live: %w", channel, epoch, l.Epoch, ErrFenced)
		}
		select {
		case <-bell.ring:
		case <-poll.C:
		case <-ctx.Done():
			if err == nil {
				return fmt.Errorf("wait for channel %s to be free: %w", channel, context.Cause(ctx))
			}
			return fmt.Errorf("wait for channel %s to be free: %w; last answer: %w", channel, context.Cause(ctx), err)
		}
	}
}
