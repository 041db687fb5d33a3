//go:build integration

package packager_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

// program finds a program that the test needs.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PHAROS_TEST_REQUIRE") == "1" {
			t.Fatalf("%s is required: %v", name, err)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// run runs a program and returns what it writes.
func run(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, name), args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, complaints.Bytes())
	}
	if complaints.Len() > 0 {
		t.Errorf("%s complains:\n%s", name, complaints.Bytes())
	}
	return out.Bytes()
}

// A flv is the frames of an FLV file.
type flv struct {
	sps, pps, asc []byte
	video, sound  []packager.Sample
}

// readFLV takes an FLV file apart (Adobe's specification, annex E).
func readFLV(t *testing.T, b []byte) flv {
	t.Helper()
	var f flv
	for b = b[13:]; len(b) > 11; {
		size := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		ms := int64(b[7])<<24 | int64(b[4])<<16 | int64(b[5])<<8 | int64(b[6])
		body := b[11 : 11+size]
		switch {
		case b[0] == 9 && body[1] == 0: // one SPS and one PPS are in the record
			n := int(binary.BigEndian.Uint16(body[11:]))
			f.sps = body[13 : 13+n]
			f.pps = body[13+n+3:][:binary.BigEndian.Uint16(body[13+n+1:])]
		case b[0] == 9 && body[1] == 1:
			cts := int64(body[2])<<16 | int64(body[3])<<8 | int64(body[4])
			f.video = append(f.video, packager.Sample{DTS: ms * 90, PTS: (ms + cts) * 90, Key: body[0]>>4 == 1, Data: body[5:]})
		case b[0] == 8 && body[1] == 0:
			f.asc = body[2:]
		case b[0] == 8:
			f.sound = append(f.sound, packager.Sample{DTS: ms * 90, PTS: ms * 90, Data: body[2:]})
		}
		b = b[11+size+4:]
	}
	if f.sps == nil || f.pps == nil || f.asc == nil {
		t.Fatal("the FLV file lacks a configuration")
	}
	return f
}

// packet is a frame as ffprobe sees it; its times are in ticks of the track.
type packet struct {
	PTS   int64  `json:"pts"`
	DTS   int64  `json:"dts"`
	Flags string `json:"flags"`
}

// probe returns the packets of a file that was written one after another.
func probe(t *testing.T, file []byte) []packet {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.mp4")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var out struct{ Packets []packet }
	if err := json.Unmarshal(run(t, nil, "ffprobe", "-v", "warning", "-show_packets", "-of", "json", path), &out); err != nil {
		t.Fatal(err)
	}
	// And every frame can be decoded.
	run(t, nil, "ffmpeg", "-v", "warning", "-nostdin", "-xerror", "-i", path, "-f", "null", "-")
	return out.Packets
}

func TestIntegration_FFprobeReadsWhatFFmpegMade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		rate    int
		encoder []string
	}{
		{"GOP of 2 s", 44_100, []string{"-preset", "ultrafast", "-g", "60", "-keyint_min", "60", "-bf", "0"}},
		{"GOP of 250 frames with B-frames", 48_000, []string{"-preset", "veryfast", "-g", "250", "-bf", "2", "-sc_threshold", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := []string{
				"-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=9",
				"-f", "lavfi", "-i", "sine=frequency=440:duration=9:sample_rate=" + strconv.Itoa(c.rate),
				"-c:v", "libx264", "-pix_fmt", "yuv420p",
			}
			args = append(args, c.encoder...)
			args = append(args, "-c:a", "aac", "-ac", "2", "-f", "flv", "-flvflags", "no_duration_filesize", "-")
			in := readFLV(t, run(t, nil, "ffmpeg", args...))
			checkVideo(t, in, c.rate)
		})
	}
}

// checkVideo packages an input and compares what ffprobe sees with what went in.
func checkVideo(t *testing.T, in flv, rate int) {
	t.Helper()
	store, events := packageFLV(t, in)
	zero := in.video[0].PTS
	got := probe(t, joined(t, store, events, 0, "source"))
	if len(got) != len(in.video) {
		t.Fatalf("video has %d packets, want %d", len(got), len(in.video))
	}
	// ffmpeg moves all PTS of fragments by the lowest composition offset, so that none is below its
	// DTS. Here that is less than two frames.
	moved := got[0].PTS
	if moved < 0 || moved > 6000 {
		t.Errorf("the first packet has PTS %d, want 0 and no more than two frames", moved)
	}
	for i, s := range in.video {
		if got[i].PTS-moved != s.PTS-zero || (got[i].Flags[0] == 'K') != s.Key {
			t.Errorf("packet %d: PTS %d, flags %s, want PTS %d, keyframe %v", i, got[i].PTS-moved, got[i].Flags, s.PTS-zero, s.Key)
		}
		if i > 0 && (got[i].DTS <= got[i-1].DTS || got[i].DTS > got[i-1].DTS+3180) {
			t.Errorf("packet %d is decoded at %d, the one before at %d", i, got[i].DTS, got[i-1].DTS)
		}
	}
	heard := probe(t, joined(t, store, events, 1, "audio"))
	if n := len(in.sound); len(heard) > n || len(heard) < n-5 { // some come before the first picture
		t.Errorf("audio has %d packets, want %d or a few less", len(heard), n)
	}
	for i, p := range heard {
		if i > 0 && p.PTS != heard[i-1].PTS+1024 {
			t.Errorf("audio packet %d: PTS %d, want %d", i, p.PTS, heard[i-1].PTS+1024)
		}
	}
	first := heard[0].PTS * 90_000 / int64(rate)
	if i := slices.IndexFunc(in.sound, func(s packager.Sample) bool { return s.PTS >= zero }); max(first-in.sound[i].PTS+zero, in.sound[i].PTS-zero-first) > 90 {
		t.Errorf("audio begins at %d, want %d", first, in.sound[i].PTS-zero)
	}
}

// packageFLV packages an input in one go.
func packageFLV(t *testing.T, in flv) (*store, []hls.Event) {
	t.Helper()
	var mu sync.Mutex // protects events
	var events []hls.Event
	o := silentOptions()
	o.Announce = func(_ context.Context, news ...hls.Event) error {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, news...)
		return nil
	}
	store := newStore()
	p, err := packager.New(testConfig(), packager.Tracks{
		Source: &packager.Video{SPS: in.sps, PPS: in.pps}, ListSource: true, Audio: &packager.Audio{Config: in.asc},
	}, store, o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	p.Start()
	sound := in.sound
	for _, v := range in.video {
		for len(sound) > 0 && sound[0].DTS <= v.DTS {
			if err := p.Audio(sound[0]); err != nil {
				t.Fatal(err)
			}
			sound = sound[1:]
		}
		if err := p.Source(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range sound {
		if err := p.Audio(s); err != nil {
			t.Fatal(err)
		}
	}
	p.End()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return store, events
}

// joined is a rendition's init section and all its segments.
func joined(t *testing.T, s *store, events []hls.Event, rendition int, name string) []byte {
	t.Helper()
	var file []byte
	for _, e := range events {
		switch e := e.(type) {
		case hls.Part:
			if e.Rendition == rendition && file == nil {
				file, _ = s.get(hls.InitKey("b", name, e.Init))
			}
		case hls.Object:
			if e.Rendition == rendition {
				body, ok := s.get(hls.SegmentKey("b", name, e.MSN, e.Term))
				if !ok {
					t.Fatalf("segment %d of %s is missing", e.MSN, name)
				}
				file = append(file[:len(file):len(file)], body...)
			}
		}
	}
	return file
}

func TestIntegration_SilenceIsDecodedAsSilence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		asc      []byte
		rate     int64
		channels int
	}{
		{"mono 44.1 kHz", []byte{0x12, 0x08}, 44_100, 1},
		{"stereo 48 kHz", stereo48k, 48_000, 2},
		{"3.0", []byte{0x11, 0x98}, 48_000, 3},
		{"4.0", []byte{0x11, 0xa0}, 48_000, 4},
		{"5.0", []byte{0x11, 0xa8}, 48_000, 5},
		{"5.1", []byte{0x11, 0xb0}, 48_000, 6},
		{"7.1", []byte{0x11, 0xb8}, 48_000, 8},
		{"stereo 22.05 kHz", []byte{0x13, 0x90}, 22_050, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "silence.mp4")
			if err := os.WriteFile(path, packager.SilentFile(t, c.asc, 50), 0o600); err != nil {
				t.Fatal(err)
			}
			pcm := run(t, nil, "ffmpeg", "-v", "warning", "-nostdin", "-xerror", "-i", path, "-f", "s16le", "-")
			if got, want := len(pcm), 50*1024*2*c.channels; got != want {
				t.Errorf("%d bytes of sound, want %d", got, want)
			}
			if i := slices.IndexFunc(pcm, func(b byte) bool { return b != 0 }); i >= 0 {
				t.Errorf("byte %d is %d, want silence", i, pcm[i])
			}
		})
	}
}
