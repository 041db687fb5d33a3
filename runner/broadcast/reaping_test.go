package broadcast_test

import (
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/reap"
	"github.com/pharos-live/pharos/runner/broadcast"
)

// TestRun_DeletesPartsBehindTheBroadcast: once their segment is one object, and no player can ask for them.
func TestRun_DeletesPartsBehindTheBroadcast(t *testing.T) {
	const target = 4 * time.Second
	bubble(t, broadcast.Options{}, func(r *rig) {
		has := func(key string) bool { _, err := r.store.Get(t.Context(), key); return err == nil }
		young := reap.Delay(target) - 5*time.Second
		old := reap.Delay(target) + 2*reap.DefaultEvery + 2*target
		p := r.publish()
		p.media(0, young)
		if first := hls.PartKey("b", "source", 0, 7); !has(first) {
			t.Errorf("%s is gone after %v", first, young)
		}
		p.media(young, old)
		for _, name := range []string{"source", "audio"} {
			if first := hls.PartKey("b", name, 0, 7); has(first) {
				t.Errorf("%s is there after %v", first, old)
			}
			if !has(hls.SegmentKey("b", name, 0, 7)) {
				t.Errorf("the first segment of %s is gone", name)
			}
			if last := hls.PartKey("b", name, uint64(old/(333*time.Millisecond))-3, 7); !has(last) {
				t.Errorf("%s is gone, which is listed", last)
			}
		}
		p.unpublish("done")
		if err := r.wait(20 * time.Second); err != nil {
			t.Errorf("Run: %v", err)
		}
		p.close()
	})
}
