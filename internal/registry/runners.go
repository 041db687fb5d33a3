package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Runner is what a runner says of itself, under a lease.
type Runner struct {
	Machine    string    `json:"machine"`
	Build      string    `json:"build"`
	Host       string    `json:"host"`
	PID        int       `json:"pid"`
	Started    time.Time `json:"started"`
	Slots      int       `json:"slots"`
	Used       int       `json:"used"`
	Retiring   bool      `json:"retiring"`
	Broadcasts []string  `json:"broadcasts,omitempty"`
}

// HoldRunner keeps in Redis what says returns, asked before each renewal, until ctx ends; then it releases the
// lease. It blocks. Machine must never change: a machine's id belongs to one process, so this lease needs no
// fence. The error, if any, is the release's, and harmless: the lease expires by itself.
func (r *Registry) HoldRunner(ctx context.Context, says func() Runner) error {
	machine := says().Machine
	out := outage{log: r.o.Logger.With("machine", machine), work: "runner lease", most: leaseRenew}
	for {
		sent, wait := time.Now(), leaseRenew
		if err := r.renewRunner(ctx, machine, says()); err == nil {
			out.over(ctx)
			wait -= time.Since(sent)
		} else if ctx.Err() == nil {
			wait = out.failed(ctx, err)
		}
		if !pause(ctx, wait) {
			return r.releaseRunner(ctx, machine)
		}
	}
}

func (r *Registry) renewRunner(ctx context.Context, machine string, says Runner) error {
	doc, err := json.Marshal(says)
	if err != nil {
		return fmt.Errorf("encode runner %s: %w", machine, err)
	}
	ctx, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	_, err = r.c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, runnerKey(machine), doc, leaseTTL)
		enlist(ctx, pipe, runnerIndex, machine)
		return nil
	})
	return err
}

func (r *Registry) releaseRunner(ctx context.Context, machine string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	if err := r.c.Del(ctx, runnerKey(machine)).Err(); err != nil {
		return fmt.Errorf("release runner %s: %w", machine, err)
	}
	return nil
}

// Runners returns all runners, sorted by machine.
func (r *Registry) Runners(ctx context.Context) ([]Runner, error) {
	runners, err := leases[Runner](ctx, r, runnerIndex, runnerKey)
	if err != nil {
		return nil, fmt.Errorf("list runners: %w", err)
	}
	slices.SortFunc(runners, func(a, b Runner) int { return cmp.Compare(a.Machine, b.Machine) })
	return runners, nil
}
