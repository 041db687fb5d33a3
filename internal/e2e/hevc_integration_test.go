//go:build integration

package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/ingest/rtmptest"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// ffmpeg before 6.1 cannot send HEVC in FLV: it encodes, and the tags are made here.

// A hevcClip is what an encoder sends: the configuration, and pictures with their times in ms.
type hevcClip struct {
	config   []byte
	pictures []hevcPicture
}

type hevcPicture struct {
	dts, cts int64
	key      bool
	data     []byte
}

// encodeHEVC makes seconds of 640x360p30 with closed GOPs of two seconds and B-frames.
func encodeHEVC(t *testing.T, seconds string) hevcClip {
	t.Helper()
	need(t, "ffmpeg", "ffprobe")
	mp4 := filepath.Join(t.TempDir(), "clip.mp4")
	runFFmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30:duration="+seconds, "-pix_fmt", "yuv420p",
		"-c:v", "libx265", "-preset", "ultrafast", "-g", "60", "-x265-params", "log-level=error:open-gop=0:bframes=2:b-adapt=0:scenecut=0:keyint=60:min-keyint=60",
		"-tag:v", "hvc1", "-video_track_timescale", "1000", mp4)
	nut := ffmpeg.NewReader(bytes.NewReader(runFFmpeg(t, "-copyts", "-i", mp4, "-c", "copy", "-f", "nut", "pipe:1")))
	stream, err := nut.Stream()
	if err != nil {
		t.Fatal(err)
	}
	c := hevcClip{config: stream.Extradata}
	var shown []int64
	for {
		p, err := nut.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, p.PTS/90)
		c.pictures = append(c.pictures, hevcPicture{cts: p.PTS / 90, key: p.Key, data: p.Data})
	}
	// The n-th picture is decoded when the n-th is shown, less what keeps every offset at 0 or more.
	slices.Sort(shown)
	delay := int64(0)
	for i, p := range c.pictures {
		delay = max(delay, shown[i]-p.cts)
	}
	for i := range c.pictures {
		c.pictures[i].dts = shown[i]
		c.pictures[i].cts += delay - shown[i]
	}
	return c
}

func runFFmpeg(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-v", "error", "-nostdin"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("ffmpeg %q: %v: %s", args, err, &stderr)
	}
	return out
}

// send publishes the clip at the pace of its timestamps, and stays connected until the test ends.
func (c hevcClip) send(t *testing.T, s *server, channel string) {
	t.Helper()
	client, err := rtmptest.Dial(t.Context(), strings.TrimSuffix(strings.TrimPrefix(s.rtmp, "rtmp://"), "/live"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	answer, err := client.ConnectWith("live", map[string]any{"fourCcList": []any{"hvc1"}})
	if err != nil {
		t.Fatal(err)
	}
	offered, _ := answer[2].(map[string]any)["fourCcList"].([]any)
	if !slices.Contains(offered, any("hvc1")) {
		t.Errorf("the server offers %v, want hvc1 among them", offered)
	}
	if err := errors.Join(
		client.CreateStream(),
		client.Command(rtmptest.Stream, "publish", 3, nil, s.key(t, channel), "live"),
	); err != nil {
		t.Fatal(err)
	}
	if status, err := client.ReadStatus(); err != nil || status.Level == "error" {
		t.Fatalf("publish: %+v, %v", status, err)
	}
	if err := errors.Join(client.SetChunkSize(4096), client.Video(0, rtmptest.EnhancedVideo(true, rtmptest.SequenceStart, "hvc1", c.config))); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, p := range c.pictures {
		time.Sleep(time.Until(began.Add(time.Duration(p.dts) * time.Millisecond)))
		if err := client.Video(uint32(p.dts), rtmptest.HEVCFrame(p.key, int32(p.cts), p.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Unpublish(); err != nil {
		t.Fatal(err)
	}
}

func TestHEVC_SourceIsHVC1AndH264PlaysBesideIt(t *testing.T) {
	t.Parallel()
	clip := encodeHEVC(t, "11")
	for _, tt := range []struct {
		name, ladder string
		want         map[string]string // rendition → the begin of its CODECS
		first        string
	}{
		{"a ladder", "180p30@300000", map[string]string{"source": "hvc1.1.6.L", "180p30": "avc1.", "180p30-h265": "hvc1.1.6.L"}, "180p30"},
		{"no ladder", "", map[string]string{"source": "hvc1.1.6.L", "360p30": "avc1."}, "360p30"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, "SUPPORTS_H265=true", "TRANSCODE="+tt.ladder)
			clip.send(t, s, "hevc")
			w := watcher{base: s.http}
			master := w.master(t, "hevc")
			videos, audio := renditions(master)
			got := map[string]string{}
			for _, v := range master.Variants {
				name := renditionOf(v.URI)
				got[name] = v.Codecs[0]
				if want := tt.want[name]; want != "" && strings.HasPrefix(got[name], want) {
					got[name] = want
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("CODECS of the renditions (-want +got):\n%s", diff)
			}
			if first := renditionOf(videos[0]); first != tt.first {
				t.Errorf("%s is listed first, want %s", first, tt.first)
			}
			const count = 4
			segments := map[string][]segment{}
			for _, uri := range append(slices.Clone(videos), audio) {
				segments[uri] = w.segments(t, uri, count)
			}
			assertAligned(t, segments, videos, audio)
			for _, uri := range videos {
				decodes(t, w, uri, count)
			}
		})
	}
}

// renditionOf is the name in a media playlist's path.
func renditionOf(uri string) string {
	parts := strings.Split(uri, "/")
	return parts[len(parts)-2]
}

// decodes has ffmpeg decode the first segments of a rendition without a complaint.
func decodes(t *testing.T, w watcher, uri string, count int) {
	t.Helper()
	m := w.media(t, uri)
	file := []byte(get(t, w.base+path(t, uri, m.Map.URI)).body)
	for _, s := range m.Segments[:count] {
		file = append(file, get(t, w.base+path(t, uri, s.URI)).body...)
	}
	name := filepath.Join(t.TempDir(), renditionOf(uri)+".mp4")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	runFFmpeg(t, "-xerror", "-err_detect", "explode", "-i", name, "-f", "null", "-")
	out, err := exec.Command("ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_tag_string,nb_read_frames", "-of", "json", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	var probed struct {
		Streams []struct {
			Tag    string `json:"codec_tag_string"`
			Frames string `json:"nb_read_frames"`
		}
	}
	if err := json.Unmarshal(out, &probed); err != nil {
		t.Fatal(err)
	}
	tag := "hvc1"
	if !strings.Contains(uri, "h265") && !strings.Contains(uri, "source") {
		tag = "avc1"
	}
	if len(probed.Streams) != 1 || probed.Streams[0].Tag != tag || probed.Streams[0].Frames != "240" {
		t.Errorf("%s: got %+v, want 240 frames of %s", uri, probed.Streams, tag)
	}
}

func TestHEVC_IsRefusedWithoutTheSetting(t *testing.T) {
	t.Parallel()
	s := serve(t)
	client, err := rtmptest.Dial(t.Context(), strings.TrimSuffix(strings.TrimPrefix(s.rtmp, "rtmp://"), "/live"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := errors.Join(client.Publish("live", s.key(t, "hevc")), client.Video(0, rtmptest.HEVCStart())); err != nil {
		t.Fatal(err)
	}
	const want = "set SUPPORTS_H265=true on the server"
	if status, err := client.ReadStatus(); err != nil || !strings.Contains(status.Description, want) {
		t.Errorf("the encoder is told %+v, %v; want %q", status, err, want)
	}
	s.line(t, want, 10*time.Second)
}
