package web

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// of returns a fetch of n bytes.
func of(n int) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return make([]byte, n), nil }
}

func TestShared_KeepsWhatWasUsedLastWithinItsBound(t *testing.T) {
	t.Parallel()
	s := newShared(800)
	get := func(name string, n int) (loaded bool) {
		_, err := s.get(t.Context(), name, func(ctx context.Context) ([]byte, error) {
			loaded = true
			return of(n)(ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		if s.bytes > s.max || s.order.Len() != len(s.kept) {
			t.Errorf("%d bytes in %d items are kept, %d are listed, want at most %d bytes", s.bytes, len(s.kept), s.order.Len(), s.max)
		}
		return loaded
	}
	for i := range 8 {
		get(fmt.Sprint(i), 100)
	}
	if get("0", 100) {
		t.Error("what fits was not kept")
	}
	get("8", 100) // 1 is the one used longest ago
	if get("0", 100) || get("8", 100) || !get("1", 100) {
		t.Error("something else went than what was used longest ago")
	}
	get("large", 101)
	if !get("large", 101) {
		t.Error("what is larger than an eighth was kept")
	}
	if len(s.loading) != 0 {
		t.Errorf("%d loads are left", len(s.loading))
	}
}

func TestShared_ALoadEndsWithTheLastWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared(800)
		var cause error
		hang := func(ctx context.Context) ([]byte, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil, cause
		}
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := s.get(ctx, "x", hang); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want %v", err, context.Canceled)
				}
			})
		}
		synctest.Wait()
		leave()
		wg.Wait()
		if !errors.Is(cause, errLeft) {
			t.Errorf("the load ended for %v, want %v", cause, errLeft)
		}
		began := time.Now()
		if _, err := s.get(t.Context(), "x", hang); !errors.Is(err, errFetchTime) || time.Since(began) != fetchTime {
			t.Errorf("got %v after %v, want %v after %v", err, time.Since(began), errFetchTime, fetchTime)
		}
		if body, err := s.get(t.Context(), "x", of(1)); err != nil || len(body) != 1 {
			t.Errorf("got %d bytes, %v after the failure, want 1", len(body), err)
		}
	})
}

func TestShared_ReadsFewAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared(1 << 20)
		var now, most atomic.Int32
		var wg sync.WaitGroup
		for i := range 5 * maxFetches {
			wg.Go(func() {
				_, err := s.get(t.Context(), fmt.Sprint(i), func(context.Context) ([]byte, error) {
					most.Store(max(most.Load(), now.Add(1)))
					time.Sleep(time.Second)
					now.Add(-1)
					return nil, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := most.Load(); got > maxFetches {
			t.Errorf("%d were read at once, want at most %d", got, maxFetches)
		}
	})
}
