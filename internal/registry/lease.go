package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The times of every lease.
const (
	leaseTTL    = 5 * time.Second
	leaseRenew  = 1500 * time.Millisecond // between renewals, and the longest wait after a failed one
	leaseMargin = 500 * time.Millisecond  // a lease is trusted for so much less than its TTL
	releaseTime = time.Second             // what a release gets once its context has ended
)

// holdScript writes a lease unless a newer epoch was taken or a newer holder stands; it answers 1, or 0 for
// fenced. A counter that Redis lost is put back. KEYS: lease, epoch. ARGV: epoch, term, document, lease TTL
// and counter TTL in ms.
var holdScript = redis.NewScript(`
local epoch, term = tonumber(ARGV[1]), tonumber(ARGV[2])
local newest = tonumber(redis.call('GET', KEYS[2]) or '0')
if newest > epoch then return 0 end
local held = redis.call('GET', KEYS[1])
if held then
  held = cjson.decode(held)
  if held.epoch > epoch or (held.epoch == epoch and (held.term or 0) > term) then return 0 end
end
if newest < epoch then redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[5]) end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
`)

// releaseScript deletes a lease of exactly this epoch and term, and tells who waits for it. KEYS: lease.
// ARGV: epoch, term, pub/sub channel.
var releaseScript = redis.NewScript(`
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
held = cjson.decode(held)
if held.epoch ~= tonumber(ARGV[1]) or (held.term or 0) ~= tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[3], ARGV[1])
return 1
`)

// A claim is what one holder has in a channel: the lease's key, and the epoch and term that fence it.
type claim struct {
	key, channel string
	epoch, term  uint64
	broadcast    string // its newer terms fence too; empty = they do not
	index        string // where the channel is entered; empty = nowhere
}

// renew writes doc under the claim. ErrFenced: somebody newer is there.
func (c claim) renew(ctx context.Context, r *Registry, doc []byte) error {
	var held, newest *redis.Cmd
	_, err := r.c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		held = holdScript.Eval(ctx, pipe, []string{c.key, epochKey(c.channel)},
			c.epoch, c.term, doc, leaseTTL.Milliseconds(), counterTTL.Milliseconds())
		if c.broadcast != "" {
			newest = raiseScript.Eval(ctx, pipe, []string{termKey(c.broadcast)}, c.term, counterTTL.Milliseconds())
		}
		if c.index != "" {
			enlist(ctx, pipe, c.index, c.channel)
		}
		return nil
	})
	if err != nil {
		return err
	}
	ok, err := held.Bool()
	if err != nil {
		return err
	}
	if !ok {
		return ErrFenced
	}
	if newest == nil {
		return nil
	}
	n, err := newest.Uint64()
	if err == nil && n > c.term {
		return ErrFenced
	}
	return err
}

func (c claim) release(ctx context.Context, r *Registry) error {
	return releaseScript.Run(ctx, r.c, []string{c.key}, c.epoch, c.term, freeBell(c.channel)).Err()
}

// holder keeps one lease: the goroutine behind Lease and PublishLease.
type holder struct {
	r      *Registry
	claim  claim
	cancel context.CancelCauseFunc
	kick   chan struct{} // capacity 1: the document has changed
	done   chan struct{} // closed once nothing is renewed any more

	mu        sync.Mutex // guards all below
	doc       func() ([]byte, error)
	trusted   time.Time // until then
	err       error     // why done is closed
	releasing sync.Once
	released  error
}

// errReleased ends a holder's context when its owner releases it.
var errReleased = errors.New("lease released")

func (r *Registry) hold(ctx context.Context, c claim, doc func() ([]byte, error)) *holder {
	ctx, cancel := context.WithCancelCause(ctx)
	h := &holder{r: r, claim: c, cancel: cancel, kick: make(chan struct{}, 1), done: make(chan struct{}), doc: doc}
	go h.run(ctx)
	return h
}

// Done is closed when the lease is held no more; Err then says why. A fenced lease stands in Redis, unrenewed,
// until Release or its expiry: whoever waits for the channel shall wait for the work under it too.
func (h *holder) Done() <-chan struct{} { return h.done }

// Err is nil while the lease is held and after Release; otherwise it wraps ErrFenced, or is the cause that
// ended the context.
func (h *holder) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Trusted tells whether the last good renewal was sent recently enough that nobody else can hold the lease.
func (h *holder) Trusted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Before(h.trusted)
}

// Release ends the lease: it waits until nothing is renewed any more, then deletes exactly this epoch and term.
// Where it fails, the lease expires by itself. Only its first call does anything; all return the same.
func (h *holder) Release(ctx context.Context) error {
	h.cancel(errReleased)
	<-h.done
	h.releasing.Do(func() {
		if err := h.claim.release(ctx, h.r); err != nil {
			h.released = fmt.Errorf("release lease of channel %s at epoch %d: %w", h.claim.channel, h.claim.epoch, err)
		}
	})
	return h.released
}

// run keeps the lease until it is lost or ctx ends, when it is released.
func (h *holder) run(ctx context.Context) {
	defer h.cancel(nil)
	err := h.keep(ctx)
	h.mu.Lock()
	h.trusted = time.Time{}
	if !errors.Is(err, errReleased) {
		h.err = err
	}
	h.mu.Unlock()
	if !errors.Is(err, ErrFenced) && !errors.Is(err, errReleased) {
		h.releasing.Do(func() { h.released = h.releaseAfter(ctx) })
	}
	close(h.done)
}

// releaseAfter releases the lease after ctx has ended.
func (h *holder) releaseAfter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	if err := h.claim.release(ctx, h.r); err != nil {
		return fmt.Errorf("release lease of channel %s at epoch %d: %w", h.claim.channel, h.claim.epoch, err)
	}
	return nil
}

// keep renews until ctx ends or the claim is fenced, and returns which.
func (h *holder) keep(ctx context.Context) error {
	epochs, leave := h.r.doorbell.Epochs(h.claim.channel)
	defer leave()
	out := outage{log: h.r.o.Logger.With("channel", h.claim.channel, "epoch", h.claim.epoch), work: "lease", most: leaseRenew}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-h.kick:
		case epoch := <-epochs:
			if epoch <= h.claim.epoch {
				continue
			}
			return fmt.Errorf("hold channel %s at epoch %d, as %d was taken: %w", h.claim.channel, h.claim.epoch, epoch, ErrFenced)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		sent := time.Now()
		err := h.renew(ctx)
		switch {
		case err == nil:
			h.trust(sent)
			out.over(ctx)
			timer.Reset(time.Until(sent.Add(leaseRenew)))
		case errors.Is(err, ErrFenced):
			return fmt.Errorf("hold channel %s at epoch %d: %w", h.claim.channel, h.claim.epoch, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default:
			timer.Reset(out.failed(ctx, err))
		}
	}
}

// renew sends one renewal, which gets no longer than the time between two.
func (h *holder) renew(ctx context.Context) error {
	h.mu.Lock()
	doc, err := h.doc()
	h.mu.Unlock()
	if err != nil {
		return fmt.Errorf("encode lease: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	return h.claim.renew(ctx, h.r, doc)
}

func (h *holder) trust(sent time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trusted = sent.Add(leaseTTL - leaseMargin)
}

// update changes the document under the lock, and has it written at once.
func (h *holder) update(change func()) {
	h.mu.Lock()
	change()
	h.mu.Unlock()
	select {
	case h.kick <- struct{}{}:
	default: // the change before has not been written yet: this one goes with it
	}
}

// read decodes the lease at key into v. ErrNone: there is none.
func (r *Registry) read(ctx context.Context, key string, v any) error {
	doc, err := r.c.Get(ctx, key).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return ErrNone
	case err != nil:
		return err
	}
	return json.Unmarshal(doc, v)
}
