package ffmpeg_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

func TestParseLadder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in string
		want     []ffmpeg.Rung
	}{
		{"empty is no rungs", "", nil},
		{"one rung", "720p30@2000000", []ffmpeg.Rung{{720, 30, 2_000_000}}},
		{"order is kept", "360p30@600000|1080p60@6000000", []ffmpeg.Rung{{360, 30, 600_000}, {1080, 60, 6_000_000}}},
		{"equal heights differ in rate", "720p30@2000000|720p60@3000000", []ffmpeg.Rung{{720, 30, 2_000_000}, {720, 60, 3_000_000}}},
		{"the least", "2p1@10000", []ffmpeg.Rung{{2, 1, 10_000}}},
		{"the most", "4320p120@200000000", []ffmpeg.Rung{{4320, 120, 200_000_000}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ffmpeg.ParseLadder(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseLadder(%q) (-want +got):\n%s", tt.in, diff)
			}
			var back []string
			for _, r := range got {
				back = append(back, r.String())
			}
			if got := strings.Join(back, "|"); got != tt.in {
				t.Errorf("printed again: got %q, want %q", got, tt.in)
			}
		})
	}
}

func TestParseLadder_ErrorsNameTheRung(t *testing.T) {
	t.Parallel()
	const good = "720p30@2000000"
	for _, tt := range []struct{ name, in, want string }{
		{"no bit rate", good + "|360p30", `rung 2, "360p30": want <height>p<fps>@<bits/s>, such as 720p30@2000000`},
		{"no frame rate", "360@600000", `rung 1, "360@600000": want <height>p<fps>@<bits/s>, such as 720p30@2000000`},
		{"nothing between bars", good + "||360p30@600000", `rung 2, "": want <height>p<fps>@<bits/s>, such as 720p30@2000000`},
		{"height is no number", "hdp30@600000", `rung 1, "hdp30@600000": height "hd": want a whole number from 2 to 4320`},
		{"height too low", "1p30@600000", `rung 1, "1p30@600000": height "1": want a whole number from 2 to 4320`},
		{"height too great", "4321p30@600000", `rung 1, "4321p30@600000": height "4321": want a whole number from 2 to 4320`},
		{"frame rate zero", "360p0@600000", `rung 1, "360p0@600000": frame rate "0": want a whole number from 1 to 120`},
		{"frame rate broken", "360p29.97@600000", `rung 1, "360p29.97@600000": frame rate "29.97": want a whole number from 1 to 120`},
		{"bit rate in kbit", "360p30@600", `rung 1, "360p30@600": bit rate "600": want a whole number from 10000 to 200000000`},
		{"bit rate with unit", "360p30@2M", `rung 1, "360p30@2M": bit rate "2M": want a whole number from 10000 to 200000000`},
		{"sign", "360p30@+600000", `rung 1, "360p30@+600000": bit rate "+600000": want a whole number from 10000 to 200000000`},
		{"leading zero", "0360p30@600000", `rung 1, "0360p30@600000": height "0360": want a whole number from 2 to 4320`},
		{"zero alone", "360p30@0", `rung 1, "360p30@0": bit rate "0": want a whole number from 10000 to 200000000`},
		{"great P", "360P30@600000", `rung 1, "360P30@600000": want <height>p<fps>@<bits/s>, such as 720p30@2000000`},
		{"blank between rungs", good + " | 360p30@600000", `rung 1, "720p30@2000000 ": bit rate "2000000 ": want a whole number from 10000 to 200000000`},
		{"only a bar", "|", `rung 1, "": want <height>p<fps>@<bits/s>, such as 720p30@2000000`},
		{"only a blank", " ", `rung 1, " ": want <height>p<fps>@<bits/s>, such as 720p30@2000000`},
		{"bar at the end", good + "|", `rung 2, "": want <height>p<fps>@<bits/s>, such as 720p30@2000000`},
		{"comma", good + ",360p30@600000", `rung 1, "720p30@2000000,360p30@600000": bit rate "2000000,360p30@600000": want a whole number from 10000 to 200000000`},
		{"underscores", "360p30@600_000", `rung 1, "360p30@600_000": bit rate "600_000": want a whole number from 10000 to 200000000`},
		{"other digits", "３60p30@600000", `rung 1, "３60p30@600000": height "３60": want a whole number from 2 to 4320`},
		{"blank", "360p30@600000 ", `rung 1, "360p30@600000 ": bit rate "600000 ": want a whole number from 10000 to 200000000`},
		{"number too long", "360p30@99999999999999999999", `rung 1, "360p30@99999999999999999999": bit rate "99999999999999999999": want a whole number from 10000 to 200000000`},
		{"twice", good + "|720p30@1000000", `rung 2, "720p30@1000000": rung 1 is 720p30 already; height and frame rate together must differ`},
		{"twice, with another between", good + "|360p30@600000|720p30@2000000", `rung 3, "720p30@2000000": rung 1 is 720p30 already; height and frame rate together must differ`},
		{"nine rungs", strings.Repeat(good+"|", 8) + good, `9 rungs; at most 8 are allowed`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ffmpeg.ParseLadder(tt.in)
			if err == nil || err.Error() != tt.want {
				t.Errorf("ParseLadder(%q): got %v, %v\nwant error %s", tt.in, got, err, tt.want)
			}
		})
	}
}
