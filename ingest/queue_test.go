package ingest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func picture(dts time.Duration, key bool, size int) Frame {
	return Frame{Kind: Video, DTS: ticks(dts), Key: key, Codec: CodecH264, Payload: make([]byte, size)}
}

func sound(dts time.Duration) Frame {
	return Frame{Kind: Audio, DTS: ticks(dts), Codec: CodecAAC, Payload: make([]byte, 1)}
}

func ticks(d time.Duration) int64 { return int64(d / time.Millisecond * ticksPerMS) }

// drain names what is left in a queue: c configuration, K keyframe, p picture, s sound, and the
// seconds of its DTS.
func drain(q *frameQueue) []string {
	q.close("drained")
	var all []string
	for f, ok := q.pop(); ok; f, ok = q.pop() {
		name := "p"
		switch {
		case f.Config:
			name = "c" + f.Kind.String() + string(f.Payload)
		case f.Key:
			name = "K"
		case f.Kind == Audio:
			name = "s"
		}
		all = append(all, name+" "+(time.Duration(f.DTS/ticksPerMS)*time.Millisecond).String())
	}
	return all
}

func TestFrameQueue_KeepsOrderAndDrainsWhenClosed(t *testing.T) {
	t.Parallel()
	q := newFrameQueue(1000, time.Minute)
	for i := range 3 {
		q.push(picture(time.Duration(i)*time.Second, i == 0, 10))
	}
	q.close("the streamer stopped")
	q.close("again")
	if q.push(picture(0, true, 1)); len(q.frames) != 3 {
		t.Error("a closed queue took a frame")
	}
	if got, want := q.reason(), "the streamer stopped"; got != want {
		t.Errorf("got reason %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"K 0s", "p 1s", "p 2s"}, drain(q)); diff != "" {
		t.Errorf("drained (-want +got):\n%s", diff)
	}
}

// TestFrameQueue_Overflow lets the encoder go on while nobody takes frames out, or only the first
// few, as where the runner stalls in the middle of a group of pictures.
func TestFrameQueue_Overflow(t *testing.T) {
	t.Parallel()
	config := func(kind Kind, name string) Frame {
		return Frame{Kind: kind, Config: true, Payload: []byte(name)}
	}
	tests := []struct {
		name     string
		maxBytes int
		maxSpan  time.Duration
		frames   []Frame
		popped   int // of the first, before the rest comes
		want     []string
		lost     uint64
	}{
		{
			name: "beyond its bytes it goes on with the last keyframe", maxBytes: 45, maxSpan: time.Minute,
			frames: []Frame{config(Video, "1"), picture(0, true, 10), picture(time.Second, false, 10), picture(2*time.Second, false, 10), picture(3*time.Second, true, 10), picture(4*time.Second, false, 10)},
			want:   []string{"cvideo1 0s", "K 3s", "p 4s"}, lost: 3,
		},
		{
			name: "beyond its span it does too", maxBytes: 1 << 20, maxSpan: 3500 * time.Millisecond,
			frames: []Frame{config(Video, "1"), picture(0, true, 10), picture(time.Second, false, 10), picture(2*time.Second, false, 10), picture(3*time.Second, true, 10), picture(4*time.Second, false, 10)},
			want:   []string{"cvideo1 0s", "K 3s", "p 4s"}, lost: 3,
		},
		{
			name: "what has gone out does not go out again", maxBytes: 1 << 20, maxSpan: 3 * time.Second,
			frames: []Frame{
				picture(0, true, 1), picture(time.Second, false, 1), // these two are taken out
				picture(2*time.Second, false, 1), picture(3*time.Second, false, 1), picture(4*time.Second, false, 1),
				picture(6*time.Second, false, 1), picture(7*time.Second, false, 1), picture(8*time.Second, true, 1), picture(9*time.Second, false, 1),
			},
			popped: 2, want: []string{"K 8s", "p 9s"}, lost: 5,
		},
		{
			name: "a group of pictures that is too long is left out up to the next keyframe", maxBytes: 1 << 20, maxSpan: 3 * time.Second,
			frames: []Frame{
				config(Video, "1"), picture(0, true, 1), picture(2*time.Second, false, 1), picture(4*time.Second, false, 1),
				sound(5 * time.Second), picture(6*time.Second, false, 1), picture(7*time.Second, true, 1),
			},
			want: []string{"cvideo1 0s", "s 5s", "K 7s"}, lost: 4,
		},
		{
			name: "an old configuration in front does not count as time that waits", maxBytes: 1 << 20, maxSpan: 3 * time.Second,
			frames: []Frame{config(Video, "1"), picture(time.Hour, true, 1), picture(time.Hour+time.Second, false, 1)},
			want:   []string{"cvideo1 0s", "K 1h0m0s", "p 1h0m1s"},
		},
		{
			name: "the newest configuration of each kind stays", maxBytes: 1 << 20, maxSpan: 3 * time.Second,
			frames: []Frame{
				config(Video, "1"), config(Audio, "1"), picture(0, true, 1), config(Video, "2"), picture(2*time.Second, true, 1), picture(4*time.Second, false, 1),
			},
			want: []string{"cvideo2 0s", "caudio1 0s", "K 2s", "p 4s"}, lost: 2,
		},
		{
			name: "sound that belongs after the keyframe stays", maxBytes: 1 << 20, maxSpan: 3 * time.Second,
			frames: []Frame{picture(0, true, 1), sound(1 * time.Second), sound(3 * time.Second), picture(2*time.Second, true, 1), picture(4*time.Second, false, 1)},
			want:   []string{"s 3s", "K 2s", "p 4s"}, lost: 2,
		},
		{
			name: "without video the last two seconds of sound stay", maxBytes: 1 << 20, maxSpan: 3500 * time.Millisecond,
			frames: []Frame{config(Audio, "1"), sound(0), sound(1 * time.Second), sound(2 * time.Second), sound(3 * time.Second), sound(4 * time.Second)},
			want:   []string{"caudio1 0s", "s 3s", "s 4s"}, lost: 3,
		},
		{
			name: "one frame alone beyond the bounds is dropped", maxBytes: 10, maxSpan: time.Minute,
			frames: []Frame{picture(0, true, 11), picture(time.Second, false, 1), picture(2*time.Second, true, 1)},
			want:   []string{"K 2s"}, lost: 2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := newFrameQueue(tt.maxBytes, tt.maxSpan)
			for i, f := range tt.frames {
				if i == tt.popped {
					for range tt.popped {
						q.pop()
					}
				}
				q.push(f)
			}
			if got := q.lost(); got != tt.lost {
				t.Errorf("%d frames are lost, want %d", got, tt.lost)
			}
			bytes := 0
			for _, f := range q.frames {
				bytes += len(f.Payload)
			}
			if q.bytes != bytes {
				t.Errorf("counts %d bytes, want %d", q.bytes, bytes)
			}
			if diff := cmp.Diff(tt.want, drain(q)); diff != "" {
				t.Errorf("goes on with (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFrameQueue_StaysBounded holds that a runner that takes nothing costs no more than the bounds,
// and a log line now and then: not one for each frame.
func TestFrameQueue_StaysBounded(t *testing.T) {
	t.Parallel()
	for _, gop := range []int{1, 60, 100_000} {
		q := newFrameQueue(1<<20, 30*time.Second)
		reports := 0
		for i := range 30_000 { // 1000 s at 30 frames per second
			if q.push(picture(time.Duration(i)*33*time.Millisecond, i%gop == 0, 10)) > 0 {
				reports++
			}
			if got := q.spanLocked(); got > q.maxSpan {
				t.Fatalf("keyframes each %d: %d ticks wait, want at most %d", gop, got, q.maxSpan)
			}
		}
		if reports > 40 {
			t.Errorf("keyframes each %d: %d reports, want one each half minute", gop, reports)
		}
	}
}

func TestFrameQueue_PopWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFrameQueue(1000, time.Minute)
		got := make(chan Frame)
		go func() {
			f, _ := q.pop()
			got <- f
		}()
		synctest.Wait()
		q.push(picture(0, true, 1))
		if f := <-got; !f.Key {
			t.Errorf("got %+v, want the keyframe", f)
		}
		go func() {
			f, ok := q.pop()
			if ok {
				t.Errorf("a closed, empty queue gave %+v", f)
			}
			close(got)
		}()
		synctest.Wait()
		q.close("over")
		<-got
	})
}
