package ffmpeg_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

func ladder(tb testing.TB, s string) []ffmpeg.Rung {
	tb.Helper()
	rungs, err := ffmpeg.ParseLadder(s)
	if err != nil {
		tb.Fatal(err)
	}
	return rungs
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, ladder string
		src          ffmpeg.Source
		want         []string
	}{
		{
			"lower rungs, highest first", "360p30@600000|720p30@2000000|720p60@3000000",
			ffmpeg.Source{Width: 1920, Height: 1080, FPS: 60},
			[]string{"720p60 1280x720", "720p30 1280x720 decimated", "360p30 640x360 decimated"},
		},
		{"equal height stays", "720p60@3000000", ffmpeg.Source{Width: 1280, Height: 720, FPS: 60}, []string{"720p60 1280x720"}},
		{"never up", "1080p30@4000000|720p30@2000000", ffmpeg.Source{Width: 1280, Height: 720, FPS: 30}, []string{"720p30 1280x720"}},
		{"all too tall", "1080p30@4000000|720p30@2000000", ffmpeg.Source{Width: 854, Height: 480, FPS: 30}, nil},
		{"29.97 does for 30", "720p30@2000000", ffmpeg.Source{Width: 1280, Height: 720, FPS: 30000. / 1001}, []string{"720p30 1280x720"}},
		{"59.94 does for 60", "720p60@2000000", ffmpeg.Source{Width: 1280, Height: 720, FPS: 60000. / 1001}, []string{"720p60 1280x720"}},
		{"59.94 halves for 30", "720p30@2000000", ffmpeg.Source{Width: 1280, Height: 720, FPS: 60000. / 1001}, []string{"720p30 1280x720 decimated"}},
		{"a faster rung is encoded at the source's rate", "720p60@2000000", ffmpeg.Source{Width: 1280, Height: 720, FPS: 25}, []string{"720p60 1280x720"}},
		{"unknown rate is capped", "720p30@2000000", ffmpeg.Source{Width: 1280, Height: 720}, []string{"720p30 1280x720 decimated"}},
		{"odd sizes become even", "333p30@600000", ffmpeg.Source{Width: 1365, Height: 767, FPS: 30}, []string{"333p30 592x332"}},
		{"odd source of equal height", "767p30@600000", ffmpeg.Source{Width: 1365, Height: 767, FPS: 30}, []string{"767p30 1366x766"}},
		{"portrait counts its width", "1080p30@4000000|720p30@2000000|360p30@600000", ffmpeg.Source{Width: 1080, Height: 1920, FPS: 30}, []string{"1080p30 1080x1920", "720p30 720x1280", "360p30 360x640"}},
		{"portrait is never scaled up", "1080p30@4000000|720p30@2000000", ffmpeg.Source{Width: 720, Height: 1280, FPS: 30}, []string{"720p30 720x1280"}},
		{"odd portrait becomes even", "333p30@600000", ffmpeg.Source{Width: 767, Height: 1365, FPS: 30}, []string{"333p30 332x592"}},
		{"a square counts either side", "480p30@600000", ffmpeg.Source{Width: 720, Height: 720, FPS: 30}, []string{"480p30 480x480"}},
		{"a wide picture", "360p30@600000", ffmpeg.Source{Width: 3440, Height: 1440, FPS: 60}, []string{"360p30 860x360 decimated"}},
		{"no size gives nothing", "2p1@10000", ffmpeg.Source{FPS: 30}, nil},
		{"a sliver keeps two columns", "3p30@10000", ffmpeg.Source{Width: 3, Height: 1000, FPS: 30}, []string{"3p30 2x1000"}},
		{"25 stays 25", "720p30@2000000|720p25@2000000", ffmpeg.Source{Width: 1280, Height: 720, FPS: 25}, []string{"720p30 1280x720", "720p25 1280x720"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, o := range ffmpeg.Fit(ladder(t, tt.ladder), tt.src) {
				s := fmt.Sprintf("%s %dx%d", o.Name(), o.Width, o.Height)
				if o.Decimate {
					s += " decimated"
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Fit (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFit_KeepsToTheBackendsGridAndLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		backend ffmpeg.Backend
		src     ffmpeg.Source
		ladder  string
		want    []string
	}{
		{ffmpeg.Xilinx, ffmpeg.Source{Width: 1920, Height: 1080, FPS: 30}, "480p30@900000|270p30@300000", []string{"852x480", "480x268"}},
		{ffmpeg.Xilinx, ffmpeg.Source{Width: 1080, Height: 1920, FPS: 30}, "480p30@900000", []string{"480x852"}},
		{ffmpeg.Nvidia, ffmpeg.Source{Width: 1920, Height: 1080, FPS: 30}, "480p30@900000", []string{"854x480"}},
		{ffmpeg.Xilinx, ffmpeg.Source{Width: 5120, Height: 2160, FPS: 30}, "2160p30@9000000|1080p30@3000000", []string{"2560x1080"}},
		{ffmpeg.Nvidia, ffmpeg.Source{Width: 5120, Height: 2160, FPS: 30}, "2160p30@9000000|1080p30@3000000", []string{"2560x1080"}},
		{ffmpeg.VAAPI, ffmpeg.Source{Width: 5120, Height: 2160, FPS: 30}, "2160p30@9000000", []string{"5120x2160"}},
	} {
		var got []string
		for _, o := range tt.backend.Fit(ladder(t, tt.ladder), tt.src) {
			got = append(got, fmt.Sprintf("%dx%d", o.Width, o.Height))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s of %+v (-want +got):\n%s", tt.backend, tt.src, diff)
		}
	}
}

func TestFit_BitRateBreaksTies(t *testing.T) {
	t.Parallel()
	got := ffmpeg.Fit([]ffmpeg.Rung{{480, 30, 1}, {480, 30, 2}}, ffmpeg.Source{Width: 640, Height: 480, FPS: 30})
	if len(got) != 2 || got[0].Bitrate != 2 {
		t.Errorf("got %+v, want the higher bit rate first", got)
	}
}

func TestLeavingRateAndGOP(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		src  float64
		rung int
		rate float64
		gop  int // for 2 s
	}{
		{60, 30, 30, 60},
		{50, 30, 25, 50},
		{25, 30, 25, 50},
		{30, 30, 30, 60},
		{30000. / 1001, 30, 30000. / 1001, 59},
		{60000. / 1001, 30, 30000. / 1001, 59},
		{60000. / 1001, 60, 60000. / 1001, 119},
		{60, 60, 60, 120},
		{60, 50, 30, 60},
		{60, 25, 20, 40},
		{48, 30, 24, 48},
		{120, 30, 30, 60},
		{144, 30, 28.8, 57},
		{31, 30, 31, 62}, // within a tenth
		{29.9999999, 30, 29.9999999, 60},
		{0, 30, 30, 60},
		{60, 1, 60. / 54, 2},
		{0.1, 30, 0.1, 1},
	} {
		t.Run(fmt.Sprintf("%.4g for %d", tt.src, tt.rung), func(t *testing.T) {
			t.Parallel()
			if got := ffmpeg.LeavingRate(tt.src, tt.rung); math.Abs(got-tt.rate) > 1e-9 {
				t.Errorf("LeavingRate: got %v, want %v", got, tt.rate)
			}
			o := ffmpeg.Output{Rung: ffmpeg.Rung{FPS: tt.rung}}
			if got := ffmpeg.GOP(ffmpeg.Source{FPS: tt.src}, o, 2*time.Second); got != tt.gop {
				t.Errorf("GOP: got %d, want %d", got, tt.gop)
			}
		})
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		profile string
		w, h    int
		fps     float64
		bitrate int
		want    string
	}{
		{"main", 64, 48, 30, 10_000, "1.0"},
		{"main", 640, 360, 30, 600_000, "3.0"},
		{"main", 640, 360, 30, 10_000_000, "3.0"},
		{"main", 640, 360, 30, 10_000_001, "3.1"},
		{"high", 640, 360, 30, 12_500_000, "3.0"}, // a quarter more in High
		{"main", 854, 480, 30, 900_000, "3.1"},
		{"high", 1280, 720, 30, 2_000_000, "3.1"},
		{"high", 720, 1280, 30, 2_000_000, "3.1"}, // the other way up
		{"high", 1280, 720, 30, 17_500_000, "3.1"},
		{"high", 1280, 720, 30, 17_500_001, "3.2"},
		{"high", 1280, 720, 60, 4_000_000, "3.2"},
		{"high", 1920, 1080, 30, 6_000_000, "4.0"},
		{"high", 1920, 1080, 60, 8_000_000, "4.2"},
		{"high", 3840, 2160, 60, 30_000_000, "5.2"},
		{"high", 16384, 2, 30, 1_000_000, "6.0"}, // a side so long takes more than its area
		{"high", 7680, 4320, 120, 200_000_000, "6.2"},
		{"high", 16384, 4320, 120, 200_000_000, "6.2"}, // beyond all: the highest
	} {
		if got := ffmpeg.Level(tt.profile, tt.w, tt.h, tt.fps, tt.bitrate); got != tt.want {
			t.Errorf("Level(%s, %d, %d, %v, %d): got %s, want %s", tt.profile, tt.w, tt.h, tt.fps, tt.bitrate, got, tt.want)
		}
	}
}

func TestTicks_GoThroughDurationsUnchanged(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, 2, 3, 1499, 3003, 89_999, 90_000, 90_001, 90_000*86_400*365 + 7, -1, -1501} {
		if got := ffmpeg.Ticks(ffmpeg.Duration(n)); got != n {
			t.Errorf("Ticks(Duration(%d)) = %d", n, got)
		}
	}
	for ms := range int64(2000) {
		d := time.Duration(ms) * time.Millisecond
		if got := ffmpeg.Ticks(d); got != 90*ms {
			t.Errorf("Ticks(%v) = %d, want %d", d, got, 90*ms)
		}
		if got := ffmpeg.Duration(90 * ms); got != d {
			t.Errorf("Duration(%d) = %v, want %v", 90*ms, got, d)
		}
	}
}
