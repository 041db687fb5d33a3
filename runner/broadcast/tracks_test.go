package broadcast

import (
	"errors"
	"strings"
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
	sound := &broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_AUDIO}
	tests := []struct {
		name   string
		frames []*broadcastv1.Frame
		closed bool
		want   [2]bool // video, audio
		err    error
		took   time.Duration
	}{
		{name: "both tracks are known at once", frames: append(shots(enoughPictures, 3000), video, audio), want: [2]bool{true, true}},
		{name: "both tracks are known, and few pictures come", frames: append(shots(3, 3000), video, audio), want: [2]bool{true, true}, took: time.Second},
		{name: "sound comes, and video is only announced", frames: []*broadcastv1.Frame{video, audio, sound}, want: [2]bool{false, true}, took: 5 * time.Second},
		{name: "no audio within a second", frames: []*broadcastv1.Frame{video}, want: [2]bool{true, false}, took: time.Second},
		{name: "no video within a second", frames: []*broadcastv1.Frame{audio}, want: [2]bool{false, true}, took: time.Second},
		{name: "an end before any media", closed: true, err: errNoMedia},
		{name: "an end after one track", frames: []*broadcastv1.Frame{video}, closed: true, want: [2]bool{true, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				frames := make(chan *broadcastv1.Frame, 20)
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

// TestCollect_WaitsForVideoThatIsAnnounced has the first picture come after three seconds of sound.
func TestCollect_WaitsForVideoThatIsAnnounced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		frames := make(chan *broadcastv1.Frame, 20)
		frames <- config(broadcastv1.Codec_CODEC_H264, avcC)
		frames <- config(broadcastv1.Codec_CODEC_AAC, asc)
		frames <- &broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_AUDIO}
		began := time.Now()
		time.AfterFunc(3*time.Second, func() {
			for _, f := range shots(enoughPictures, 1500) {
				frames <- f
			}
		})
		got, err := collect(t.Context(), frames, time.Second)
		if err != nil || got.video == nil {
			t.Fatalf("got %+v, %v; want video", got, err)
		}
		if got.video.FPS != 60 {
			t.Errorf("the frame rate is %v, want the 60 that the pictures show, not the SPS' 30", got.video.FPS)
		}
		if want := began.Add(3 * time.Second); !got.anchor.Equal(want) {
			t.Errorf("the anchor is %v, want when the first picture came, %v", got.anchor, want)
		}
	})
}

// shots are n pictures, so many ticks apart.
func shots(n int, interval int64) []*broadcastv1.Frame {
	var out []*broadcastv1.Frame
	for i := range int64(n) {
		out = append(out, &broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_VIDEO, Dts: i * interval})
	}
	return out
}

func TestRate_IsWhatPicturesShow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		told     float64 // by the SPS
		pictures int
		interval int64 // ticks
		want     float64
	}{
		{"50 fps in whole milliseconds", 0, enoughPictures, 20 * 90, 50},
		{"12.5 fps", 0, enoughPictures, 80 * 90, 12.5},
		{"33 ms is 30 fps", 0, enoughPictures, 33 * 90, 30},
		{"what the SPS says is more exact", 29.97, enoughPictures, 33 * 90, 29.97},
		{"the SPS says twice the rate, as that of fields", 60, enoughPictures, 3000, 30},
		{"the SPS says half the rate", 30, enoughPictures, 1500, 60},
		{"the SPS says nonsense", 1000, enoughPictures, 3600, 25},
		{"all at one time", 0, enoughPictures, 0, usualRate},
		{"all at one time, and the SPS says", 25, enoughPictures, 0, 25},
		{"in one lump", 0, enoughPictures, 1, usualRate},
		{"backwards", 0, enoughPictures, -90, usualRate},
		{"two pictures tell nothing", 25, 2, 1500, 25},
	}
	for _, tt := range tests {
		tr := &tracks{video: &videoConfig{}}
		tr.video.FPS = tt.told
		for _, f := range shots(tt.pictures, tt.interval) {
			if err := tr.add(f); err != nil {
				t.Fatal(err)
			}
		}
		if got := tr.rate(); got != tt.want {
			t.Errorf("%s: got %v frames per second, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSource_JudgesWhatComesInMidStream(t *testing.T) {
	t.Parallel()
	both := &tracks{video: &videoConfig{codec: broadcastv1.Codec_CODEC_H264}}
	for _, tt := range []struct {
		name   string
		tracks *tracks
		codec  broadcastv1.Codec
		ignore bool
		err    string
	}{
		{"the same video codec", both, broadcastv1.Codec_CODEC_H264, false, ""},
		{"another video codec", both, broadcastv1.Codec_CODEC_H265, false, "H.265 was H.264"},
		{"sound, which may come late", both, broadcastv1.Codec_CODEC_AAC, false, ""},
		{"video that comes late", &tracks{}, broadcastv1.Codec_CODEC_H264, true, ""},
	} {
		ignore, err := tt.tracks.source().admit(config(tt.codec, nil))
		if ignore != tt.ignore {
			t.Errorf("%s: ignored is %v, want %v", tt.name, ignore, tt.ignore)
		}
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: got error %v, want one that says %q", tt.name, err, tt.err)
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
