package broadcast

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/wire"
)

// TestFeed_WhoJoinsLateKnowsThePictures plays a broadcast of half an hour with a window of ten minutes,
// and half an hour more in which its album has no luck. The stream keeps 16 s all the time.
func TestFeed_WhoJoinsLateKnowsThePictures(t *testing.T) {
	withFeed(t, func(r *feedRig) {
		ctx := context.Background()
		r.config.Window = 10 * time.Minute
		r.ok(r.take(ctx, pair))
		_, events := r.read()
		seen := hls.NewBroadcast("b") // that of a reader who was there from the beginning
		r.ok(seen.Apply(events...))
		tell := func(events ...hls.Event) {
			r.ok(r.announce(ctx, events...))
			r.ok(seen.Apply(events...))
		}
		const length = 4 * time.Second
		r.running(func() {
			for msn := range uint64(900) {
				start := time.Duration(msn) * length
				if n := msn / 3; msn%3 == 0 && start < 30*time.Minute { // each 12 s, ten to a sheet
					tell(hls.Poster{Number: n + 1, At: start, Term: 7})
					tell(hls.Sheet{
						Number: n / 10, Revision: n%10 + 1, Start: time.Duration(n/10) * 2 * time.Minute, Interval: 12 * time.Second,
						Count: int(n%10) + 1, Columns: 5, Width: 160, Height: 90, Term: 7,
					})
				}
				for rendition := range pair {
					tell(
						hls.Part{Rendition: rendition, Number: msn, MSN: msn, Start: start, Duration: 500 * time.Millisecond, Independent: true, Size: 1, Init: "i", Term: 7},
						hls.Close{Rendition: rendition, MSN: msn, Duration: length},
						hls.Object{Rendition: rendition, MSN: msn, Size: 4, Term: 7},
					)
					r.ok(r.older(ctx, hls.Segment{Rendition: rendition, MSN: msn, Start: start, Duration: length, Size: 4, Init: "i", Term: 7}))
				}
				if msn%45 == 44 {
					r.ok(r.to.Flush(ctx))
					r.joinsLate(seen, start < 30*time.Minute)
				}
				time.Sleep(length)
			}
		})
		snap, events := r.read()
		if n := len(snap.Older); n > 2*152 || n < 2*148 {
			t.Errorf("%d records stand in the list, want ten minutes' segments of two renditions", n)
		}
		if n := len(events); n > 60 {
			t.Errorf("%d entries stand in the stream, want those of 16 s", n)
		}
	})
}

// joinsLate holds that a reader who joins now knows the newest pictures, or all that one knows who saw
// everything.
func (r *feedRig) joinsLate(seen *hls.Broadcast, all bool) {
	r.Helper()
	snap, stream := r.read()
	events := make([]hls.Event, 0, 1+len(snap.Older)+len(stream))
	for _, data := range append([][]byte{snap.Head}, snap.Older...) {
		e, err := wire.DecodeEvent(data)
		r.ok(err)
		events = append(events, e)
	}
	late := hls.NewBroadcast("b")
	r.ok(late.Apply(append(events, stream...)...))
	want, err := seen.Poster()
	r.ok(err)
	if got, err := late.Poster(); got != want {
		r.Errorf("who joins late gets poster %q, %v, want %q", got, err, want)
	}
	board, err := seen.Storyboard()
	r.ok(err)
	lateBoard, err := late.Storyboard()
	if err != nil {
		r.Fatalf("who joins late gets no storyboard: %v", err)
	}
	if !all {
		return
	}
	if diff := cmp.Diff(string(board.Text()), string(lateBoard.Text())); diff != "" {
		r.Errorf("who joins late gets another storyboard (-want +got):\n%s", diff)
	}
}
