package ffmpeg_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

func TestArgs_Golden(t *testing.T) {
	t.Parallel()
	const three = "1080p60@6000000|720p30@2500000|360p30@600000"
	for _, tt := range []struct {
		name, ladder string
		src          ffmpeg.Source
		segment      time.Duration
		backends     []ffmpeg.Backend // none = Software, whose files have no suffix
	}{
		{"720p60-to-30", "720p30@2000000|360p30@600000", ffmpeg.Source{Width: 1280, Height: 720, FPS: 60}, 0, nil},
		{"1080p2997", "1080p60@6000000|720p30@2500000", ffmpeg.Source{Width: 1920, Height: 1080, FPS: 30000. / 1001}, 4 * time.Second, nil},
		{"2160p60-portrait", "2160p60@20000000|1280p25@2000000", ffmpeg.Source{Width: 2160, Height: 3840, FPS: 60}, 0, nil},
		{"1080p60", three, ffmpeg.Source{Width: 1920, Height: 1080, FPS: 60}, 0, ffmpeg.Backends()},
		{"1080p30-portrait", "720p30@2000000|480p30@900000", ffmpeg.Source{Width: 1080, Height: 1920, FPS: 30}, 0, ffmpeg.Backends()},
		{"1080p2997-halved", "720p15@1500000", ffmpeg.Source{Width: 1920, Height: 1080, FPS: 30000. / 1001}, 4 * time.Second, ffmpeg.Backends()},
		{"2160p60", "2160p60@20000000", ffmpeg.Source{Width: 3840, Height: 2160, FPS: 60}, 0, []ffmpeg.Backend{ffmpeg.Xilinx}},
		{"unknown-rate", "720p60@3000000|360p30@600000", ffmpeg.Source{Width: 1280, Height: 720}, 0, []ffmpeg.Backend{ffmpeg.VAAPI}},
	} {
		file := func(ffmpeg.Backend) string { return tt.name }
		if tt.backends != nil {
			file = func(b ffmpeg.Backend) string { return tt.name + "." + string(b) }
		} else {
			tt.backends = []ffmpeg.Backend{ffmpeg.Software}
		}
		for _, b := range tt.backends {
			t.Run(file(b), func(t *testing.T) {
				t.Parallel()
				args, err := ffmpeg.Args(ffmpeg.Spec{Source: tt.src, Outputs: b.Fit(ladder(t, tt.ladder), tt.src), Segment: tt.segment, Backend: b})
				if err != nil {
					t.Fatal(err)
				}
				golden(t, file(b), lines(args))
			})
		}
	}
}

// lines puts every option on a line of its own, with its value.
func lines(args []string) string {
	var b strings.Builder
	for i, a := range args {
		switch {
		case i == 0:
		case strings.HasPrefix(a, "-") && a != "-1", strings.HasPrefix(a, "pipe:") && args[i-1] != "-i":
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(a)
	}
	return b.String() + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestArgs_RefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	src := ffmpeg.Source{Width: 640, Height: 360, FPS: 30}
	outputs := ffmpeg.Fit(ladder(t, "360p30@600000"), src)
	hevc := []ffmpeg.Output{outputs[0]}
	hevc[0].Codec = "hevc"
	for _, tt := range []struct {
		name, want string
		spec       ffmpeg.Spec
	}{
		{"codec", `source codec "av1": want "h264" or "h265"`, ffmpeg.Spec{Codec: "av1", Source: src, Outputs: outputs}},
		{"codec of a rung", `codec "av1" of 360p30: want "h264" or "h265"`, ffmpeg.Spec{Source: src, Outputs: []ffmpeg.Output{{Rung: outputs[0].Rung, Codec: "av1"}}}},
		{"backend", `transcoding backend "quantum": want one of ["nvidia" "xilinx" "vaapi" "software"]`, ffmpeg.Spec{Backend: "quantum", Source: src, Outputs: outputs}},
		{"auto is not chosen yet", `transcoding backend "auto": want one of ["nvidia" "xilinx" "vaapi" "software"]`, ffmpeg.Spec{Backend: ffmpeg.Auto, Source: src, Outputs: outputs}},
		{"segment", `segment of -1s: want a positive time`, ffmpeg.Spec{Segment: -time.Second, Source: src, Outputs: outputs}},
		{"size", `source of 0 by 0 pixels: want its size`, ffmpeg.Spec{Outputs: outputs}},
		{"outputs", `no outputs: there is nothing to encode`, ffmpeg.Spec{Source: src}},
		{
			"GOP of a U30", `1200 frames of 360p30 from one IDR to the next: a U30 takes 1000: shorten PHAROS_SEGMENT`,
			ffmpeg.Spec{Backend: ffmpeg.Xilinx, Segment: 40 * time.Second, Source: src, Outputs: outputs},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := ffmpeg.Args(tt.spec); err == nil || err.Error() != tt.want {
				t.Errorf("got error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestParseBackend(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"software", "nvidia", "xilinx", "vaapi", "auto"} {
		if b, err := ffmpeg.ParseBackend(s); err != nil || string(b) != s {
			t.Errorf("ParseBackend(%q): got %q, %v", s, b, err)
		}
	}
	if b, err := ffmpeg.ParseBackend(""); err != nil || b != ffmpeg.Software {
		t.Errorf("ParseBackend of nothing: got %q, %v, want software", b, err)
	}
	_, err := ffmpeg.ParseBackend("cuda")
	if want := `transcoding backend "cuda": want software or nvidia or xilinx or vaapi or auto`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
