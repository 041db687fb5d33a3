package ffmpeg_test

import (
	"testing"
	"time"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

func TestStills_Golden(t *testing.T) {
	t.Parallel()
	src := ffmpeg.Source{Width: 1280, Height: 720, FPS: 60}
	specs := map[string]ffmpeg.Spec{
		"stills-alone": {Source: src, Stills: &ffmpeg.Stills{Width: 640, Height: 360}},
	}
	for _, b := range ffmpeg.Backends() {
		specs["stills-beside-rungs."+string(b)] = ffmpeg.Spec{
			Source: src, Outputs: b.Fit(ladder(t, "720p30@2000000|360p30@600000"), src), Backend: b,
			Stills: &ffmpeg.Stills{Width: 640, Height: 360, Every: 5 * time.Second},
		}
	}
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args, err := ffmpeg.Args(spec)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, lines(args))
		})
	}
}

func TestStills_Refused(t *testing.T) {
	t.Parallel()
	src := ffmpeg.Source{Width: 640, Height: 360, FPS: 30}
	for _, s := range []ffmpeg.Stills{{}, {Width: 641, Height: 360}, {Width: 640, Height: 359}, {Width: 640, Height: -2}, {Width: 640, Height: 360, Every: -1}} {
		if _, err := ffmpeg.Args(ffmpeg.Spec{Source: src, Stills: &s}); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
	if _, err := ffmpeg.Start(t.Context(), ffmpeg.Options{
		Spec: ffmpeg.Spec{Source: src, Stills: &ffmpeg.Stills{Width: 640, Height: 360}},
	}); err == nil {
		t.Error("stills that nobody takes were started")
	}
}

func TestFitWithin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                string
		src                 ffmpeg.Source
		boxWidth, boxHeight int
		width, height       int
	}{
		{"landscape", ffmpeg.Source{Width: 1920, Height: 1080}, 160, 90, 160, 90},
		{"portrait is narrower", ffmpeg.Source{Width: 1080, Height: 1920}, 160, 90, 50, 90},
		{"4 to 3", ffmpeg.Source{Width: 640, Height: 480}, 160, 90, 120, 90},
		{"cinema is lower", ffmpeg.Source{Width: 2560, Height: 1080}, 160, 90, 160, 68},
		{"odd sizes", ffmpeg.Source{Width: 1366, Height: 767}, 640, 640, 640, 360},
		{"never larger", ffmpeg.Source{Width: 100, Height: 50}, 640, 640, 100, 50},
		{"never nothing", ffmpeg.Source{Width: 16_000, Height: 2}, 160, 90, 160, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if w, h := ffmpeg.FitWithin(tt.src, tt.boxWidth, tt.boxHeight); w != tt.width || h != tt.height {
				t.Errorf("got %d by %d, want %d by %d", w, h, tt.width, tt.height)
			}
		})
	}
}
