package serve_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/serve"
)

var errBroken, errLater = errors.New("broken"), errors.New("broken later")

// after is a member that returns err after d, whatever its context says.
func after(d time.Duration, err error) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return err
	}
}

// patient is a member that returns what says makes of its context, once that ends.
func patient(says func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		return says(ctx)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	none := func(context.Context) error { return nil }
	tests := []struct {
		name    string
		members []func(context.Context) error
		cancel  time.Duration // when the caller's context ends
		want    error
		took    time.Duration
	}{
		{"no members", nil, time.Hour, nil, 0},
		{"one that ends well stops the rest", members(after(time.Second, nil), patient(none)), time.Hour, nil, time.Second},
		{"one that fails stops the rest", members(patient(none), after(time.Second, errBroken)), time.Hour, errBroken, time.Second},
		{"the caller stops all", members(patient(none), patient(none)), 2 * time.Second, nil, 2 * time.Second},
		{"saying that one was told to stop is no failure", members(patient(context.Context.Err), patient(context.Cause)), 2 * time.Second, nil, 2 * time.Second},
		{"nor when another member was the reason", members(after(time.Second, nil), patient(context.Cause), patient(func(ctx context.Context) error {
			return fmt.Errorf("wait for work: %w", ctx.Err())
		})), time.Hour, nil, time.Second},
		{"a failure while stopping is not lost", members(after(time.Second, nil), after(3*time.Second, errBroken)), time.Hour, errBroken, 3 * time.Second},
		{"the first failure is the one told", members(after(2*time.Second, errLater), after(time.Second, errBroken)), time.Hour, errBroken, 2 * time.Second},
		{"cancelled before any stop is a failure", members(after(time.Second, context.Canceled), patient(none)), time.Hour, context.Canceled, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				defer time.AfterFunc(tt.cancel, cancel).Stop()
				begun := time.Now()
				if got := serve.Run(ctx, tt.members...); !errors.Is(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
				if took := time.Since(begun); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

func TestRun_TellsMembersWhyTheyStop(t *testing.T) {
	t.Parallel()
	var cause error
	err := serve.Run(t.Context(), func(context.Context) error { return nil }, patient(func(ctx context.Context) error {
		cause = context.Cause(ctx)
		return nil
	}))
	if err != nil || !errors.Is(cause, serve.ErrStopping) {
		t.Errorf("got %v, cause %v, want nil, %v", err, cause, serve.ErrStopping)
	}
}

func members(m ...func(context.Context) error) []func(context.Context) error { return m }
