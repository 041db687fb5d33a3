package broadcast

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
)

// TestLosses has a loss noted by whoever holds what the packager needs, and others while it waits.
func TestLosses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l, busy := newLosses(), make(chan struct{})
		var told []int64
		go l.run(ctx, func(until int64) {
			<-busy
			told = append(told, until)
		})
		for until := range int64(4) {
			l.note(until) // blocks nobody
			synctest.Wait()
		}
		close(busy)
		synctest.Wait()
		l.note(7)
		cancel()
		synctest.Wait()
		if want := []int64{0, 3, 7}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v: the first, the newest of those meanwhile, and the last", told, want)
		}
	})
}
