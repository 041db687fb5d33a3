package broadcast

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

// Configurations as x264 and an AAC encoder write them: 640x360 at 30 fps, and
// 48 kHz stereo.
var (
	avcC = []byte{
		1, 0x42, 0xc0, 0x1e, 0xff, 0xe1,
		0, 0x19, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x58, 0xb6, 0x58,
		1, 0, 4, 0x68, 0xce, 0x0f, 0xc8,
	}
	asc = []byte{0x11, 0x90}
)

func config(codec broadcastv1.Codec, payload []byte) *broadcastv1.Frame {
	kind := broadcastv1.Kind_KIND_VIDEO
	if codec == broadcastv1.Codec_CODEC_AAC {
		kind = broadcastv1.Kind_KIND_AUDIO
	}
	return &broadcastv1.Frame{Kind: kind, Codec: codec, Config: true, Payload: payload}
}

func TestCollect(t *testing.T) {
	t.Parallel()
	video := config(broadcastv1.Codec_CODEC_H264, avcC)
	audio := config(broadcastv1.Codec_CODEC_AAC, asc)
	tests := []struct {
		name   string
		frames []*broadcastv1.Frame
		closed bool
		want   [2]bool // video, audio
		err    error
		took   time.Duration
	}{
		{name: "both tracks are known at once", frames: []*broadcastv1.Frame{video, audio}, want: [2]bool{true, true}},
		{name: "no audio within a second", frames: []*broadcastv1.Frame{video}, want: [2]bool{true, false}, took: time.Second},
		{name: "no video within a second", frames: []*broadcastv1.Frame{audio}, want: [2]bool{false, true}, took: time.Second},
		{name: "an end before any media", closed: true, err: errNoMedia},
		{name: "an end after one track", frames: []*broadcastv1.Frame{video}, closed: true, want: [2]bool{true, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				frames := make(chan *broadcastv1.Frame, 10)
				for _, f := range tt.frames {
					frames <- f
				}
				if tt.closed {
					close(frames)
				}
				began := time.Now()
				got, err := collect(t.Context(), frames, time.Second)
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if !errors.Is(err, tt.err) {
					t.Fatalf("got error %v, want %v", err, tt.err)
				}
				if err == nil && [2]bool{got.video != nil, got.audio != nil} != tt.want {
					t.Errorf("got video %v and audio %v, want %v", got.video != nil, got.audio != nil, tt.want)
				}
			})
		})
	}
}

func TestCollect_RefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*broadcastv1.Frame{
		"a broken H.264 configuration": config(broadcastv1.Codec_CODEC_H264, avcC[:20]),
		"a codec of another build":     config(broadcastv1.Codec(99), avcC),
	} {
		frames := make(chan *broadcastv1.Frame, 1)
		frames <- f
		if _, err := collect(t.Context(), frames, time.Second); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestMeasureRate_FromPictures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		interval int64 // ticks
		want     float64
	}{
		{"50 fps in whole milliseconds", 20 * 90, 50},
		{"12.5 fps", 80 * 90, 12.5},
		{"all at one time", 0, usualRate},
		{"in one lump", 1, usualRate},
		{"backwards", -90, usualRate},
	}
	for _, tt := range tests {
		tr := &tracks{}
		for i := range int64(enoughPictures) {
			if err := tr.add(&broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_VIDEO, Dts: i * tt.interval}); err != nil {
				t.Fatal(err)
			}
		}
		if got := tr.measureRate(); got != tt.want {
			t.Errorf("%s: got %v frames per second, want %v", tt.name, got, tt.want)
		}
	}
}

func TestReorderDepth_IsTheKeyframesOffsetInFrames(t *testing.T) {
	t.Parallel()
	for offset, want := range map[int64]int{0: 0, 3000: 1, 6000: 2, 6030: 2, -3000: 0, 900_000: maxReorder} {
		v, err := parseVideo(avcC)
		if err != nil {
			t.Fatal(err)
		}
		tr := &tracks{video: v, head: []*broadcastv1.Frame{
			config(broadcastv1.Codec_CODEC_H264, avcC),
			{Kind: broadcastv1.Kind_KIND_VIDEO, CompositionOffset: 9000},
			{Kind: broadcastv1.Kind_KIND_VIDEO, Keyframe: true, CompositionOffset: offset},
		}}
		if got := tr.reorderDepth(); got != want {
			t.Errorf("offset of %d ticks at 30 fps: got %d, want %d", offset, got, want)
		}
	}
}
