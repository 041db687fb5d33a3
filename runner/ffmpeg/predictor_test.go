package ffmpeg_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

func TestIDRPredictor(t *testing.T) {
	t.Parallel()
	src60 := ffmpeg.Source{Width: 64, Height: 36, FPS: 60}
	src30 := ffmpeg.Source{Width: 64, Height: 36, FPS: 30}
	for _, tt := range []struct {
		name    string
		src     ffmpeg.Source
		segment time.Duration
		frames  string // one letter a frame at the source's rate: K keyframe, p not
		want    string // I becomes an IDR, f leaves, - does not
	}{
		{"frames in front of the first keyframe do not leave", src30, time.Second, "ppKpp", "--Iff"},
		{"every keyframe is an IDR", src30, time.Second, "KpKKpp", "IfIIff"},
		{"an IDR comes after GOP frames", src30, 100 * time.Millisecond, "Kppppppp", "IffIffIf"},
		{"forced IDRs begin the count again", src30, 100 * time.Millisecond, "KppppKpppp", "IffIfIffIf"},
		{"half the rate leaves", src60, time.Second, "Kppppp", "I-f-f-"},
		{"a keyframe leaves whatever the distance, and begins the distance again", src60, time.Second, "KpppKppp", "I-f-I-f-"},
		{"odd keyframe makes one short interval", src60, time.Second, "KppKppp", "I-fI-f-"},
		{"GOP counts frames that leave", src60, 100 * time.Millisecond, "Kpppppppp", "I-f-f-I-f"},
		{"rungs wait for a keyframe when decimating, too", src60, time.Second, "pppKpp", "---I-f"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := ffmpeg.Fit(ladder(t, "36p30@100000"), tt.src)[0]
			p := ffmpeg.NewIDRPredictor(tt.src, out, tt.segment)
			var got strings.Builder
			for i, c := range tt.frames {
				// Whole milliseconds, as RTMP has them.
				pts := (time.Duration(i) * time.Second / time.Duration(tt.src.FPS)).Round(time.Millisecond)
				leaves, idr := p.Frame(pts, c == 'K')
				switch {
				case idr:
					got.WriteByte('I')
				case leaves:
					got.WriteByte('f')
				default:
					got.WriteByte('-')
				}
			}
			if got.String() != tt.want {
				t.Errorf("frames %s\n   got %s\n  want %s", tt.frames, got.String(), tt.want)
			}
		})
	}
}

func TestIDRPredictor_NineTenthsOfAFrameAreFarEnough(t *testing.T) {
	t.Parallel()
	src := ffmpeg.Source{Width: 64, Height: 36, FPS: 60}
	out := ffmpeg.Fit(ladder(t, "36p30@100000"), src)[0]
	for gap, want := range map[int64]bool{2699: false, 2700: true, 2701: true} {
		p := ffmpeg.NewIDRPredictor(src, out, time.Second)
		p.Frame(0, true)
		if got, _ := p.Frame(ffmpeg.Duration(gap), false); got != want {
			t.Errorf("a frame %d ticks behind the last one leaves: got %v, want %v", gap, got, want)
		}
	}
}

func TestIDRPredictor_IsNeverLate(t *testing.T) {
	t.Parallel()
	const segment = 2 * time.Second
	for _, fps := range []float64{24, 25, 30000. / 1001, 30, 48, 50, 60000. / 1001, 60, 72, 90, 120, 144} {
		src := ffmpeg.Source{Width: 1920, Height: 1080, FPS: fps}
		for _, o := range ffmpeg.Fit(ladder(t, "720p60@3000000|720p30@2000000|480p25@1000000|360p24@600000"), src) {
			p := ffmpeg.NewIDRPredictor(src, o, segment)
			var last time.Duration
			var worst []string
			for i := range int(60 * fps) {
				pts := time.Duration(float64(i) / fps * float64(time.Second))
				if _, idr := p.Frame(pts, i == 0); idr {
					// A tenth of a microsecond for the conversion above.
					if gap := pts - last; gap > segment+100*time.Nanosecond {
						worst = append(worst, fmt.Sprint(gap))
					}
					last = pts
				}
			}
			if diff := cmp.Diff([]string(nil), worst); diff != "" {
				t.Errorf("%.2f fps to %s: IDRs later than %v:\n%s", fps, o.Name(), segment, diff)
			}
			if last < 57*time.Second {
				t.Errorf("%.2f fps to %s: last IDR at %v of 60 s", fps, o.Name(), last)
			}
		}
	}
}
