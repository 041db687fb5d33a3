package ffmpeg_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

func TestQueue_LeavesOutWholeGOPs(t *testing.T) {
	t.Parallel()
	q := ffmpeg.NewQueue(3, 100)
	push := func(frames string) (got string) {
		for _, c := range frames {
			size := 10
			if c == 'k' || c == 'l' { // large
				size = 80
			}
			err := q.Push(ffmpeg.Packet{Key: c == 'K' || c == 'k', Data: make([]byte, size)})
			switch {
			case err == nil:
				got += "+"
			case errors.Is(err, ffmpeg.ErrBehind):
				got += "-"
			default:
				got += "!"
			}
		}
		return got
	}
	pop := func(n int) {
		for range n {
			if _, ok := q.Pop(); !ok {
				t.Fatal("queue ended")
			}
		}
	}
	for _, step := range []struct {
		name, frames, want string
		pop                int
	}{
		{"it begins with a keyframe", "ppKp", "--++", 0},
		{"full of frames", "pp", "+-", 0},
		{"room again, but what the rest depends on is missing", "pp", "--", 2},
		{"a keyframe mends it", "Kp", "++", 0},
		{"a keyframe finds no room either", "K", "-", 0},
		{"even with room no other frame is taken", "p", "-", 3},
		{"and the next keyframe is", "kp", "++", 0},
		{"full of bytes", "l", "-", 0},
		{"small ones wait for a keyframe, too", "pK", "-+", 0},
	} {
		pop(step.pop)
		if got := push(step.frames); got != step.want {
			t.Fatalf("%s: %s: got %s, want %s", step.name, step.frames, got, step.want)
		}
	}
	want := ffmpeg.QueueStats{Frames: 3, Bytes: 100, Taken: 8, Dropped: 9}
	if diff := cmp.Diff(want, q.Snapshot()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	q.Close()
	q.Close()
	if got := push("K"); got != "!" {
		t.Errorf("push after close: got %s, want ErrClosed", got)
	}
	pop(3)
	if _, ok := q.Pop(); ok {
		t.Error("pop of a closed, empty queue gave a frame")
	}
}

func TestQueue_PopWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := ffmpeg.NewQueue(3, 100)
		var got strings.Builder
		go func() {
			for {
				p, ok := q.Pop()
				if !ok {
					got.WriteString(".")
					return
				}
				got.Write(p.Data)
			}
		}()
		synctest.Wait()
		for _, s := range []string{"a", "b"} {
			if err := q.Push(ffmpeg.Packet{Key: true, Data: []byte(s)}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		q.Close()
		synctest.Wait()
		if got, want := got.String(), "ab."; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
