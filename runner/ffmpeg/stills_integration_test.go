//go:build integration

package ffmpeg_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// stairs draws what tells its own time: a grey that grows lighter by 8 each second.
const stairs = "nullsrc=s=16x16:d=22:r=30,geq=lum='32+8*floor(T)':cb=128:cr=128,scale=320:180"

// pictures keeps what comes out.
type pictures struct {
	mu      sync.Mutex // protects all below
	packets []ffmpeg.Packet
	came    chan struct{} // capacity 1: there is another
}

func newPictures() *pictures { return &pictures{came: make(chan struct{}, 1)} }

func (s *pictures) take(p ffmpeg.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packets = append(s.packets, p)
	select {
	case s.came <- struct{}{}:
	default:
	}
}

func (s *pictures) all() []ffmpeg.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.packets
}

// check holds the times of all pictures, their size, and that each shows its own time.
func (s *pictures) check(t *testing.T, size image.Point, want ...int64) {
	t.Helper()
	var got []int64
	for _, p := range s.all() {
		got = append(got, p.PTS/90)
		img, err := jpeg.Decode(bytes.NewReader(p.Data))
		if err != nil {
			t.Fatal(err)
		}
		if img.Bounds().Size() != size {
			t.Errorf("the picture at %d ms is of %v pixels, want %v", p.PTS/90, img.Bounds().Size(), size)
		}
		ycc, ok := img.(*image.YCbCr)
		if !ok || ycc.SubsampleRatio != image.YCbCrSubsampleRatio420 {
			t.Fatalf("the picture is a %T", img)
		}
		// The source's range is limited, JPEG's is full.
		limited := 32 + 8*(p.PTS/ffmpeg.TimeScale)
		if y, want := int64(ycc.Y[ycc.YOffset(size.X/2, size.Y/2)]), (limited-16)*255/219; y < want-4 || y > want+4 {
			t.Errorf("the picture at %d ms has a luma of %d, want %d: another moment, or another range", p.PTS/90, y, want)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pictures at, in ms (-want +got):\n%s", diff)
	}
}

// TestStills_BesideRungs holds that pictures are of the first keyframe at or after each step, and that the
// rungs lose nothing for them.
func TestStills_BesideRungs(t *testing.T) {
	for _, tt := range []struct {
		name    string
		encoder []string
		want    []int64 // ms
	}{
		{"keyframe each 2 s", []string{"-tune", "zerolatency", "-g", "60"}, []int64{0, 6000, 10_000, 16_000, 20_000}},
		{"keyframe each second, B-frames", []string{"-bf", "3", "-g", "30"}, []int64{67, 5067, 10_067, 15_067, 20_067}},
		{"keyframe each 8 s", []string{"-tune", "zerolatency", "-g", "240"}, []int64{0, 8000, 16_000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := record(t, stairs, 30, tt.encoder...)
			o := v.options(t, "180p30@400000|90p15@100000")
			o.Stills = &ffmpeg.Stills{Width: 160, Height: 90, Every: 5 * time.Second}
			shown := newPictures()
			o.OnStill = shown.take
			got := transcode(t, v, o)
			shown.check(t, image.Pt(160, 90), tt.want...)
			if n := len(got.packets[0]); n != len(v.packets) {
				t.Errorf("%d frames of the rung came out, want %d", n, len(v.packets))
			}
		})
	}
}

// TestStills_AreOutAtOnce holds that a process that gets keyframes alone gives each one's picture before it
// gets the next, also of a stream whose decoder holds pictures back.
func TestStills_AreOutAtOnce(t *testing.T) {
	for name, encoder := range map[string][]string{
		"no B-frames": {"-tune", "zerolatency", "-g", "60"},
		"B-frames":    {"-bf", "3", "-b-pyramid", "normal", "-g", "60"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := record(t, stairs, 30, encoder...)
			shown := newPictures()
			p, err := ffmpeg.Start(t.Context(), ffmpeg.Options{
				Spec:       ffmpeg.Spec{Source: v.Source, Stills: &ffmpeg.Stills{Width: 160, Height: 90}},
				Config:     v.stream.Extradata,
				OnStill:    shown.take,
				Background: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			var want []int64
			for _, f := range v.packets {
				if !f.Key {
					continue
				}
				want = append(want, f.PTS/90)
				if err := p.WriteKeyframe(f, v.stream.ReorderDepth); err != nil {
					t.Fatal(err)
				}
				select {
				case <-shown.came:
				case <-time.After(20 * time.Second):
					t.Fatalf("the picture of the keyframe at %d ms has not come out before the next one went in", f.PTS/90)
				}
			}
			if nice, err := syscall.Getpriority(syscall.PRIO_PROCESS, p.PID()); err != nil || 20-nice != 10 {
				t.Errorf("got the priority %d, %v, want a nice value of 10", 20-nice, err)
			}
			p.CloseInput()
			if err := p.Wait(); err != nil {
				t.Errorf("got %v at the end, want nil", err)
			}
			shown.check(t, image.Pt(160, 90), want...)
		})
	}
}

func TestProbe_TriesStillsToo(t *testing.T) {
	needFFmpeg(t)
	if err := ffmpeg.Probe(t.Context(), "", ffmpeg.Software, ladder(t, "180p30@400000"), false); err != nil {
		t.Error(err)
	}
}
