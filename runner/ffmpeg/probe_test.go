//go:build unix

package ffmpeg_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// A fake is a script in ffmpeg's place. It notes the arguments of every test encode.
type fake struct {
	path, args string
}

// newFake makes a script that answers to -encoders and -filters with names, and else does what body says.
// There "$good" and "$bad" are NUT files whose first picture is an IDR, and is none.
func newFake(t *testing.T, names, body string) fake {
	t.Helper()
	dir := t.TempDir()
	f := fake{filepath.Join(dir, "ffmpeg"), filepath.Join(dir, "args")}
	var list strings.Builder
	for _, name := range strings.Fields(names) {
		fmt.Fprintf(&list, " V....D %s   something\n", name)
	}
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	script := fmt.Sprintf("#!/bin/sh\ngood=%s bad=%s\ncase \"$*\" in *-encoders*|*-filters*) echo '%s'; exit 0;; *mjpeg*) cat \"$good\"; exit 0;; esac\nprintf '%%s\\n' \"$@\" >>%s\n%s\n",
		good, bad, list.String(), f.args, body)
	// A program that is still open for writing, in whatever process, cannot be run (ETXTBSY): no test beside
	// this one may start a process meanwhile, which would have inherited the file.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for file, content := range map[string][]byte{f.path: []byte(script), good: nut(t, 0x65), bad: nut(t, 0x41)} {
		if err := os.WriteFile(file, content, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// nut is a NUT file with one picture, which is said to be a keyframe.
func nut(t *testing.T, nal byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := ffmpeg.NewWriter(&b, ffmpeg.Stream{
		FourCC: "H264", Width: 1280, Height: 720, FrameRate: 30,
		Extradata: []byte{0, 0, 0, 1, 0x67, 0x4d, 0x40, 0x1e, 0, 0, 0, 1, 0x68, 0xef},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(ffmpeg.Packet{Key: true, Data: []byte{0, 0, 0, 1, nal, 1, 2, 3}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const encodes = `cat "$good" >&3; cat "$good" >&4; cat >/dev/null`

func TestProbe_TriesAllRungsAsABroadcastWould(t *testing.T) {
	t.Parallel()
	rungs := ladder(t, "360p30@600000|720p60@3000000")
	for _, b := range ffmpeg.Backends() {
		f := newFake(t, "", encodes)
		if err := ffmpeg.Probe(t.Context(), f.path, b, rungs, false); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		want, err := ffmpeg.Args(ffmpeg.Spec{
			Source: ffmpeg.Source{Width: 640, Height: 360}, Outputs: b.Fit(rungs, ffmpeg.Source{Width: 1280, Height: 720}), Backend: b,
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(f.args)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(string(got)), "\n")); diff != "" {
			t.Errorf("%s: arguments of the test encode (-want +got):\n%s", b, diff)
		}
	}
}

func TestProbe_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	const (
		noDriver = `echo "[AVHWDeviceContext @ 0x55d0] Cannot load libcuda.so.1" >&2
			echo "[AVHWDeviceContext @ 0x55d0] Could not dynamically load CUDA" >&2
			echo "Device creation failed: -1." >&2
			echo "Failed to set value 'cuda=gpu' for option 'init_hw_device': Operation not permitted" >&2
			echo "Error parsing global options: Operation not permitted" >&2; exit 1`
		sessions = `cat >/dev/null
			echo "[h264_nvenc @ 0x55d0] OpenEncodeSessionEx failed: out of memory (10): (no details)" >&2
			echo "Error initializing output stream 1:0 -- Error while opening encoder for output stream #1:0 - maybe incorrect parameters such as bit_rate, rate, width or height" >&2
			echo "Conversion failed!" >&2; exit 1`
		newer = `cat >/dev/null
			echo "[vost#1:0/h264_vaapi @ 0x55d0] Error while opening encoder - maybe incorrect parameters such as bit_rate, rate, width or height." >&2
			echo "[h264_vaapi @ 0x55d0] No usable encoding profile found." >&2
			echo "Conversion failed!" >&2; exit 1`
		card = "; there must be an NVIDIA card with its driver, and in a container its runtime and the capability video"
	)
	for _, tt := range []struct {
		name    string
		backend ffmpeg.Backend
		has     string // encoders and filters
		body    string
		want    string // behind the program's path
	}{
		{"software: no libx264", ffmpeg.Software, "mpeg4", "exit 1", " has no encoder libx264: install an ffmpeg that was built with it, or leave TRANSCODE empty"},
		{
			"software: too old", ffmpeg.Software, "libx264", `echo "Unrecognized option 'fps_mode'." >&2; exit 1`,
			" cannot encode (5.1 or later is needed): ffmpeg: exit status 1: Unrecognized option 'fps_mode'.",
		},
		{"says nothing", ffmpeg.Software, "libx264", "exit 0", " gave nothing of 720p60 in a test encode by software"},
		{"nvidia: no encoder", ffmpeg.Nvidia, "libx264 scale_cuda", "exit 1", " has no encoder h264_nvenc: install an ffmpeg that was built with ffnvcodec"},
		{"nvidia: no filter", ffmpeg.Nvidia, "h264_nvenc", "exit 1", " has no filter scale_cuda: install an ffmpeg that was built with ffnvcodec"},
		{"nvidia: no driver", ffmpeg.Nvidia, "h264_nvenc scale_cuda", noDriver, " cannot encode the ladder with h264_nvenc: Cannot load libcuda.so.1" + card},
		{
			"nvidia: no room for the second rung", ffmpeg.Nvidia, "h264_nvenc scale_cuda", sessions,
			" cannot encode 360p30 with h264_nvenc: OpenEncodeSessionEx failed: out of memory (10): (no details)" + card,
		},
		{
			"xilinx: the ordinary ffmpeg", ffmpeg.Xilinx, "libx264 h264_nvenc", `echo "Unknown decoder" >&2; exit 1`,
			" has no encoder mpsoc_vcu_h264: put the ffmpeg of the Xilinx Video SDK first in PATH: source /opt/xilinx/xcdr/setup.sh",
		},
		{
			"vaapi: as newer versions say it", ffmpeg.VAAPI, "h264_vaapi scale_vaapi", newer,
			" cannot encode 360p30 with h264_vaapi: No usable encoding profile found.; there must be a render node such as /dev/dri/renderD128 that this user may open, and a VA-API driver that encodes H.264",
		},
		{"one rung gives nothing", ffmpeg.VAAPI, "", `cat "$good" >&3; cat >/dev/null`, " gave nothing of 360p30 in a test encode by vaapi"},
		{"one rung gives what is no IDR", ffmpeg.Nvidia, "", `cat "$good" >&3; cat "$bad" >&4; cat >/dev/null`, "read ffmpeg's test encode of 360p30: the first frame is no keyframe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, tt.has, tt.body)
			err := ffmpeg.Probe(t.Context(), f.path, tt.backend, ladder(t, "720p60@3000000|360p30@600000"), false)
			want := tt.want
			if strings.HasPrefix(want, " ") {
				want = f.path + want
			}
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestProbe_RefusesARungThatNeverFits(t *testing.T) {
	t.Parallel()
	f := newFake(t, "", encodes)
	err := ffmpeg.Probe(t.Context(), f.path, ffmpeg.Nvidia, ladder(t, "4320p30@60000000|360p30@600000"), false)
	if want := "rung 4320p30 is too large for nvidia, whose sides are 4096 pixels at most: leave it out of TRANSCODE"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestProbe_NeedsNothingWithoutRungs(t *testing.T) {
	t.Parallel()
	if err := ffmpeg.Probe(t.Context(), "no-such-ffmpeg", ffmpeg.Nvidia, nil, false); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if c, err := ffmpeg.Choose(t.Context(), "no-such-ffmpeg", ffmpeg.Auto, nil, false); err != nil || c.Backend != ffmpeg.Software {
		t.Errorf("Choose: got %v, %v, want software", c, err)
	}
}

func TestProbe_SaysThatFFmpegIsMissing(t *testing.T) {
	t.Parallel()
	err := ffmpeg.Probe(t.Context(), "no-such-ffmpeg", ffmpeg.Software, ladder(t, "360p30@600000"), false)
	if want := "no-such-ffmpeg not found in PATH: install ffmpeg, or leave TRANSCODE empty"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	err = ffmpeg.Probe(t.Context(), "/no/such/ffmpeg", ffmpeg.Software, ladder(t, "360p30@600000"), false)
	if want := "/no/such/ffmpeg cannot be run: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
}

func TestChoose_AutoTakesTheFirstThatWorks(t *testing.T) {
	t.Parallel()
	rungs := ladder(t, "720p60@3000000|360p30@600000")
	works := func(encoder string) string {
		return fmt.Sprintf(`case "$*" in *%s*) %s;; *) echo "no such card" >&2; exit 1;; esac`, encoder, encodes)
	}
	const all = "h264_nvenc scale_cuda mpsoc_vcu_h264 multiscale_xma h264_vaapi scale_vaapi libx264"
	for _, tt := range []struct {
		encoder string
		want    ffmpeg.Backend
		refused []ffmpeg.Backend
	}{
		{"h264_nvenc", ffmpeg.Nvidia, nil},
		{"mpsoc_vcu_h264", ffmpeg.Xilinx, []ffmpeg.Backend{ffmpeg.Nvidia}},
		{"h264_vaapi", ffmpeg.VAAPI, []ffmpeg.Backend{ffmpeg.Nvidia, ffmpeg.Xilinx}},
		{"libx264", ffmpeg.Software, []ffmpeg.Backend{ffmpeg.Nvidia, ffmpeg.Xilinx, ffmpeg.VAAPI}},
	} {
		f := newFake(t, all, works(tt.encoder))
		c, err := ffmpeg.Choose(t.Context(), f.path, ffmpeg.Auto, rungs, false)
		var refused []ffmpeg.Backend
		for _, r := range c.Refused {
			refused = append(refused, r.Backend)
			if !strings.Contains(c.Why(), string(r.Backend)+": "+f.path) {
				t.Errorf("%s: Why does not say why %s was refused: %s", tt.encoder, r.Backend, c.Why())
			}
		}
		if err != nil || c.Backend != tt.want || !slices.Equal(refused, tt.refused) {
			t.Errorf("only %s works: got %s after %v, %v; want %s after %v", tt.encoder, c.Backend, refused, err, tt.want, tt.refused)
		}
	}
	f := newFake(t, all, works("no such encoder"))
	_, err := ffmpeg.Choose(t.Context(), f.path, ffmpeg.Auto, rungs, false)
	if err == nil || !strings.Contains(err.Error(), "5.1 or later is needed") {
		t.Errorf("nothing works: got %v, want what is wrong with software", err)
	}
	f = newFake(t, all, works("libx264"))
	if c, err := ffmpeg.Choose(t.Context(), f.path, ffmpeg.Nvidia, rungs, false); err == nil || !strings.Contains(err.Error(), "h264_nvenc") {
		t.Errorf("nvidia alone: got %v, %v, want an error that names h264_nvenc", c, err)
	}
}

func TestProbe_NamesTheMissingEncoderOfH265(t *testing.T) {
	t.Parallel()
	f := newFake(t, "libx264", `echo "Unknown encoder 'libx265'" >&2; exit 1`)
	err := ffmpeg.Probe(t.Context(), f.path, ffmpeg.Software, ladder(t, "360p30@600000"), true)
	want := "has no encoder libx265: install an ffmpeg that was built with it, or leave SUPPORTS_H265 at false"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	// An H.265 source without a ladder needs an encoder of H.264.
	if err := ffmpeg.Probe(t.Context(), "no-such-ffmpeg", ffmpeg.Software, nil, true); err == nil {
		t.Error("no ffmpeg is no error, where H.265 may come in")
	}
	g := newFake(t, "", `cat "$good" >&3; cat "$good" >&4; cat >/dev/null`)
	err = ffmpeg.Probe(t.Context(), g.path, ffmpeg.Software, ladder(t, "360p30@600000"), true)
	if err == nil || !strings.Contains(err.Error(), "360p30-h265") {
		t.Errorf("H.264 where H.265 is wanted: got %v, want an error that names 360p30-h265", err)
	}
}
