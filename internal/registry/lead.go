package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrLost is the cause that ends the work under a role's lease when the lease can no longer be trusted.
var ErrLost = errors.New("the lease is lost")

func roleKey(role string) string { return "pharos:role:" + role }

// leadScript writes the lease of a role unless another holds it. It answers {1, 0}, or {0, ms until the
// other's lease expires}. KEYS: lease. ARGV: holder, TTL in ms.
var leadScript = redis.NewScript(`
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return {0, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1, 0}
`)

// resignScript deletes the lease of exactly this holder. KEYS: lease. ARGV: holder.
var resignScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`)

// Lead runs work whenever this process holds the one lease on role in the cluster, until ctx ends; it returns
// ctx's cause. work's context ends, with ErrLost as its cause, when the lease was lost or could not be renewed
// in time; what it does shall end soon then, or be harmless beside another's. The lease is released once work
// has returned. Who waits for a role gets it as soon as it is released, or expires: at most the TTL after its
// holder has died.
//
// At most one process trusts the lease at a time, as long as Redis keeps what it acknowledged; after a flush
// two may until the former's next renewal.
func (r *Registry) Lead(ctx context.Context, role string, work func(context.Context)) error {
	l := leader{r: r, role: role, me: rand.Text()}
	l.out = outage{log: r.o.Logger.With("role", role), work: "role", most: leaseRenew}
	for {
		sent := time.Now()
		held, wait := l.claim(ctx)
		if held {
			l.lead(ctx, sent, work)
			wait = leaseRenew // work has ended or the lease was lost: others first
		}
		if ctx.Err() != nil || !pause(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}

// leader is one process's try at a role.
type leader struct {
	r    *Registry
	role string
	me   string
	out  outage
}

// claim takes or renews the lease. Where it does not hold it then, wait is when to try again: as soon as the
// other's lease can have expired, at the latest after the time between two renewals.
func (l *leader) claim(ctx context.Context) (held bool, wait time.Duration) {
	attempt, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	answer, err := leadScript.Run(attempt, l.r.c, []string{roleKey(l.role)}, l.me, leaseTTL.Milliseconds()).Int64Slice()
	if err == nil && len(answer) != 2 {
		err = fmt.Errorf("claim role %s: Redis answers %v", l.role, answer)
	}
	switch {
	case ctx.Err() != nil:
		return false, 0
	case err != nil:
		return false, l.out.failed(ctx, err)
	}
	l.out.over(ctx)
	left := time.Duration(max(answer[1], 0)+1) * time.Millisecond
	return answer[0] == 1, min(left, leaseRenew)
}

// lead runs work until it returns, renewing the lease, which was claimed by what was sent at sent.
func (l *leader) lead(ctx context.Context, sent time.Time, work func(context.Context)) {
	held, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(held)
	}()
	l.keep(ctx, sent, done)
	cancel(ErrLost)
	<-done
	l.resign(ctx)
}

// keep renews the lease until it is lost, work is done, or ctx ends.
func (l *leader) keep(ctx context.Context, sent time.Time, done <-chan struct{}) {
	trusted := time.NewTimer(time.Until(sent.Add(leaseTTL - leaseMargin)))
	defer trusted.Stop()
	renew := time.NewTimer(time.Until(sent.Add(leaseRenew)))
	defer renew.Stop()
	for {
		select {
		case <-renew.C:
		case <-trusted.C:
			l.r.o.Logger.WarnContext(ctx, "a role is given up: its lease could not be renewed", "role", l.role)
			return
		case <-done:
			return
		case <-ctx.Done():
			return
		}
		sent = time.Now()
		tries := l.out.tries
		held, wait := l.claim(ctx)
		switch {
		case held:
			trusted.Reset(time.Until(sent.Add(leaseTTL - leaseMargin)))
			renew.Reset(time.Until(sent.Add(leaseRenew)))
		case l.out.tries > tries: // Redis is away
			renew.Reset(wait)
		default: // another has it, or ctx has ended
			return
		}
	}
}

// resign releases the lease, also after ctx has ended; where it fails, the lease expires by itself.
func (l *leader) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	_ = resignScript.Run(ctx, l.r.c, []string{roleKey(l.role)}, l.me).Err()
}
