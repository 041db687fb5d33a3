//go:build integration

package broadcast_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
)

// runFFmpeg runs the program and returns what it writes; it must not complain.
func runFFmpeg(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("PHAROS_TEST_REQUIRE") == "1" {
			t.Fatalf("ffmpeg is required: %v", err)
		}
		t.Skipf("no ffmpeg: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-hide_banner", "-nostats", "-v", "error"}, args...)...)
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %q: %v\n%s", args, err, &complaints)
	}
	if complaints.Len() > 0 {
		t.Errorf("ffmpeg %q complains:\n%.2000s", args, &complaints)
	}
	return out.Bytes()
}

// A recording says how ffmpeg makes a source: each second, on the second, the picture is white for
// 100 ms and a tone sounds, as of hands that clap.
type recording struct {
	seconds int      // 0 = 12
	size    string   // "" = 320x180
	rate    string   // frames per second; "" = 30
	filter  string   // further filters of the picture, each behind a comma
	encoder []string // of libx264; its GOP is 2 s unless this says otherwise
	noVideo bool

	hertz    int    // of the sound; 0 = 48000
	channels string // "" = 2
	noAudio  bool
	output   []string // any other options
}

// A tag is the body of an FLV tag.
type tag struct {
	video bool
	raw   uint32 // timestamp, as it is sent
	ms    int64  // the same as ffmpeg wrote it
	body  []byte
}

func (t tag) config() bool { return t.body[1] == 0 }

// record makes a source, and reads its tags.
func (r recording) record(t *testing.T) []tag {
	t.Helper()
	return parseFLV(runFFmpeg(t, nil, r.args()...))
}

func (r recording) args() []string {
	or := func(s, def string) string {
		if s == "" {
			return def
		}
		return s
	}
	seconds, rate, hertz := max(r.seconds, 12*b2i(r.seconds == 0)), or(r.rate, "30"), max(r.hertz, 48_000*b2i(r.hertz == 0))
	args := []string{"-nostdin"}
	if !r.noVideo {
		args = append(args, "-f", "lavfi", "-i", "testsrc2=size="+or(r.size, "320x180")+":rate="+rate+":duration="+strconv.Itoa(seconds)+
			",drawbox=c=white:t=fill:enable='lt(mod(t,1),0.1)'"+r.filter)
	}
	if !r.noAudio {
		args = append(args, "-f", "lavfi", "-i", "aevalsrc='sin(2*PI*1000*t)*lt(mod(t,1),0.1)':sample_rate="+strconv.Itoa(hertz)+":duration="+strconv.Itoa(seconds))
	}
	if !r.noVideo {
		args = append(args, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-force_key_frames", "expr:gte(t,n_forced*2)",
			"-g", "600", "-sc_threshold", "0", "-fps_mode", "passthrough")
		args = append(args, r.encoder...)
	}
	if !r.noAudio {
		args = append(args, "-c:a", "aac", "-ac", or(r.channels, "2"))
	}
	args = append(args, r.output...)
	return append(args, "-f", "flv", "-flvflags", "no_duration_filesize", "pipe:1")
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// parseFLV takes a file apart (Video File Format Specification, annex E); script tags are left out.
func parseFLV(b []byte) []tag {
	var tags []tag
	for b = b[13:]; len(b) > 11; {
		size := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		ms := uint32(b[7])<<24 | uint32(b[4])<<16 | uint32(b[5])<<8 | uint32(b[6])
		if b[0] != 18 && size > 1 {
			tags = append(tags, tag{video: b[0] == 9, raw: ms, ms: int64(ms), body: b[11 : 11+size]})
		}
		b = b[11+size+4:]
	}
	return tags
}

// writeFLV is a file of tags, with the timestamps that ffmpeg wrote.
func writeFLV(tags []tag) []byte {
	b := []byte{'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0}
	for _, t := range tags {
		kind := byte(8)
		if t.video {
			kind = 9
		}
		n, ms := len(t.body), uint32(t.ms)
		b = append(b, kind, byte(n>>16), byte(n>>8), byte(n), byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24), 0, 0, 0)
		b = append(b, t.body...)
		b = binary.BigEndian.AppendUint32(b, uint32(n+11))
	}
	return b
}

// pts is when a picture is shown, in ms, by the timestamps as they are sent.
func (t tag) pts() int64 {
	cts := int64(int32(uint32(t.body[2])<<24|uint32(t.body[3])<<16|uint32(t.body[4])<<8) >> 8)
	return int64(t.raw) + cts
}

// then appends another source at a time in ms, as an encoder that changes its settings would go on.
func then(at int64, first, second []tag) []tag {
	first = slices.DeleteFunc(slices.Clone(first), func(t tag) bool { return t.ms >= at })
	for _, t := range second {
		t.ms += at
		t.raw = uint32(t.ms)
		first = append(first, t)
	}
	return first
}

// from changes the timestamps, as they are sent, of the tags from a time in ms on.
func from(tags []tag, at int64, change func(tag) int64) []tag {
	tags = slices.Clone(tags)
	for i := range tags {
		if tags[i].ms >= at {
			tags[i].raw = uint32(change(tags[i]))
		}
	}
	return tags
}

// claps are the onsets in a source: pictures that are white after others, and sound after silence, by
// the timestamps as they are sent, in ms. What cannot be decoded, as it is of several sources, is given.
type claps struct{ flashes, beeps []float64 }

func clapsOf(t *testing.T, tags []tag) claps {
	t.Helper()
	var c claps
	var pictures, sounds []tag
	for _, tag := range tags {
		switch {
		case tag.config():
		case tag.video:
			pictures = append(pictures, tag)
		default:
			sounds = append(sounds, tag)
		}
	}
	file := writeFLV(tags)
	if len(pictures) > 0 {
		shown := slices.Clone(pictures)
		slices.SortStableFunc(shown, func(a, b tag) int { return int(a.ms + a.pts() - int64(a.raw) - b.ms - b.pts() + int64(b.raw)) })
		for _, i := range flashes(lights(t, file)) {
			c.flashes = append(c.flashes, float64(shown[i].pts()))
		}
	}
	if len(sounds) > 0 {
		rate := hertz(t, tags)
		for _, i := range beeps(loudness(t, file), rate) {
			c.beeps = append(c.beeps, float64(sounds[i/1024].raw)+float64(i%1024)*1000/float64(rate))
		}
	}
	return c
}

// hertz is the sample rate that the source's AudioSpecificConfig says.
func hertz(t *testing.T, tags []tag) int {
	t.Helper()
	for _, tag := range tags {
		if !tag.video && tag.config() {
			return [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000}[(tag.body[2]&7)<<1|tag.body[3]>>7]
		}
	}
	t.Fatal("the source has no audio configuration")
	return 0
}

// lights decodes a file's pictures: how bright each is.
func lights(t *testing.T, file []byte) []float64 {
	t.Helper()
	const pixels = 16 * 9
	raw := runFFmpeg(t, file, "-i", "pipe:0", "-map", "0:v", "-vf", "scale=16:9,format=gray,settb=1/30,setpts=N",
		"-fps_mode", "passthrough", "-enc_time_base", "1:30", "-f", "rawvideo", "pipe:1")
	var out []float64
	for ; len(raw) >= pixels; raw = raw[pixels:] {
		sum := 0
		for _, v := range raw[:pixels] {
			sum += int(v)
		}
		out = append(out, float64(sum)/pixels)
	}
	return out
}

// white is how bright a picture is that flashes.
const white = 210

// flashes are the indices of the pictures at which one begins.
func flashes(lights []float64) (at []int) {
	for i, l := range lights {
		if l > white && (i == 0 || lights[i-1] <= white) {
			at = append(at, i)
		}
	}
	return at
}

// loudness decodes a file's sound into samples of one channel.
func loudness(t *testing.T, file []byte) []int16 {
	t.Helper()
	raw := runFFmpeg(t, file, "-i", "pipe:0", "-map", "0:a", "-ac", "1", "-f", "s16le", "pipe:1")
	out := make([]int16, len(raw)/2)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return out
}

// beeps are the indices of the samples at which a tone begins: loud, after 300 ms that were not.
func beeps(samples []int16, rate int) (at []int) {
	const loud = 5000
	quiet := rate
	for i, s := range samples {
		if s > loud || s < -loud {
			if quiet > rate*3/10 {
				at = append(at, i)
			}
			quiet = 0
		} else {
			quiet++
		}
	}
	return at
}
