package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWithin_StopsTheInnerBeforeTheOuter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		layer := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
				return nil
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := within(ctx, layer("outer"), layer("inner")); err != nil {
			t.Errorf("got %v, want a clean stop", err)
		}
		if want := []string{"inner", "outer"}; !slices.Equal(order, want) {
			t.Errorf("stopped in the order %v, want %v", order, want)
		}
	})
}

func TestWithin_EndsWhenEitherLayerFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fail := func(context.Context) error { return broken }
	wait := func(ctx context.Context) error { <-ctx.Done(); return nil }
	for _, layers := range [][2]func(context.Context) error{{fail, wait}, {wait, fail}} {
		synctest.Test(t, func(t *testing.T) {
			if err := within(t.Context(), layers[0], layers[1]); !errors.Is(err, broken) {
				t.Errorf("got %v, want the layer's error", err)
			}
		})
	}
}
