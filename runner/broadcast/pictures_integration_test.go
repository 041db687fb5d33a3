//go:build integration

package broadcast_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/proto/pharos/broadcast/v1/broadcastv1connect"
	"github.com/pharos-live/pharos/runner/broadcast"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// These tests have the real ffmpeg make the pictures. They do not run together with others, as one of them
// looks for ffmpeg among this process's children.

// A film is a source that tells its own time: a grey that grows lighter by 8 each second.
type film struct {
	record []byte
	frames []*broadcastv1.Frame
}

// shoot encodes so many seconds of a film, by way of FLV, as RTMP would.
func shoot(t *testing.T, size string, seconds int, encoder ...string) film {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("PHAROS_TEST_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	flv := filepath.Join(t.TempDir(), "film.flv")
	filter := fmt.Sprintf("nullsrc=s=16x16:d=%d:r=30,geq=lum='32+8*floor(T)':cb=128:cr=128,scale=%s", seconds, strings.Replace(size, "x", ":", 1))
	args := []string{"-v", "error", "-nostdin", "-f", "lavfi", "-i", filter, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-sc_threshold", "0"}
	run(t, append(append(args, encoder...), flv)...)
	r := ffmpeg.NewReader(bytes.NewReader(run(t, "-v", "error", "-nostdin", "-copyts", "-i", flv, "-c", "copy", "-f", "nut", "pipe:1")))
	s, err := r.Stream()
	if err != nil {
		t.Fatal(err)
	}
	f := film{record: s.Extradata}
	var shown []int64
	for p, err := r.Next(); err == nil; p, err = r.Next() {
		f.frames = append(f.frames, &broadcastv1.Frame{
			Kind: broadcastv1.Kind_KIND_VIDEO, Codec: broadcastv1.Codec_CODEC_H264, Dts: p.PTS, Keyframe: p.Key, Payload: p.Data,
		})
		shown = append(shown, p.PTS)
	}
	// NUT has no decode times: in a steady source they are the times shown, in order and earlier.
	slices.Sort(shown)
	late := int64(0)
	for i, f := range f.frames {
		late = max(late, shown[i]-f.GetDts())
	}
	for i, f := range f.frames {
		f.Dts, f.CompositionOffset = shown[i]-late, f.GetDts()-shown[i]+late
	}
	return f
}

func run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %q: %v: %s", args, err, &stderr)
	}
	return out
}

// project publishes a film, or a second of sound where it has no frames, at four times its pace. at is
// called with each second of it, if it is not nil.
func (r *rig) project(f film, at func(second int)) {
	r.Helper()
	const pace = 4
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{rig: r, leave: cancel, began: time.Now()}
	p.stream = broadcastv1connect.NewFramesServiceClient(r.http.Client(), r.http.URL()).Publish(ctx)
	p.send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Open{
		Open: &broadcastv1.Open{BroadcastId: "b", Epoch: r.spec.GetEpoch()},
	}})
	p.acks.Go(p.receive)
	defer p.close()
	p.frame(&broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_AUDIO, Codec: broadcastv1.Codec_CODEC_AAC, Config: true, Payload: asc})
	if f.frames == nil {
		for i := range int64(150) {
			p.frame(&broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_AUDIO, Codec: broadcastv1.Codec_CODEC_AAC, Dts: i * 1920, Payload: make([]byte, 300)})
		}
		time.Sleep(1500 * time.Millisecond)
	} else {
		p.frame(&broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_VIDEO, Codec: broadcastv1.Codec_CODEC_H264, Config: true, Payload: f.record})
	}
	for i, frame := range f.frames {
		time.Sleep(time.Until(p.began.Add(time.Duration(i) * time.Second / 30 / pace)))
		if at != nil && i%30 == 0 {
			at(i / 30)
		}
		p.frame(frame)
	}
	p.unpublish("the streamer stopped")
	if err := r.wait(20 * time.Second); err != nil {
		r.Errorf("the job returned %v, want nil", err)
	}
	if got := r.end(); got != "the streamer stopped" {
		r.Errorf("the feed's end says %q, want the streamer's", got)
	}
}

// late is what a server knows that begins to serve now.
func (r *rig) late() *hls.Broadcast {
	r.Helper()
	snap, err := r.edge.Snapshot(context.Background(), "b")
	if err != nil {
		r.Fatal(err)
	}
	data := append([][]byte{snap.Head}, snap.Older...)
	for _, e := range snap.Entries {
		data = append(data, e.Data)
	}
	model := hls.NewBroadcast("b")
	for _, d := range data {
		e, err := wire.DecodeEvent(d)
		if err == nil {
			err = model.Apply(e)
		}
		if err != nil {
			r.Fatal(err)
		}
	}
	return model
}

// picture reads an object as an image.
func (r *rig) picture(key string) *image.YCbCr {
	r.Helper()
	data, err := r.store.Get(context.Background(), key)
	if err != nil {
		r.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		r.Fatal(err)
	}
	return img.(*image.YCbCr)
}

// second is the time that a film shows at a point of a picture, in JPEG's full range.
func second(p *image.YCbCr, x, y int) int {
	limited := int(p.Y[p.YOffset(x, y)])*219/255 + 16
	return (limited - 32 + 4) / 8
}

// holdPictures holds the newest poster's size and the seconds that the small pictures show.
func (r *rig) holdPictures(poster, tile image.Point, want ...int) {
	r.Helper()
	model := r.late()
	key, err := model.Poster()
	if err != nil {
		r.Fatal(err)
	}
	if got := r.picture(key).Bounds().Size(); got != poster {
		r.Errorf("the poster is of %v pixels, want %v", got, poster)
	}
	if got, want := second(r.picture(key), poster.X/2, poster.Y/2), want[len(want)-1]/10*10; got < want || got > want+2 {
		r.Errorf("the poster is of second %d, want the first keyframe from second %d on", got, want)
	}
	if key, _, err = model.Sheet(0); err != nil {
		r.Fatal(err)
	}
	sheet := r.picture(key)
	var got []int
	for i := range want {
		at := image.Pt(i%5*tile.X+tile.X/2, i/5*tile.Y+tile.Y/2)
		if !at.In(sheet.Bounds()) {
			r.Fatalf("the sheet is of %v pixels: it lacks picture %d", sheet.Bounds().Size(), i)
		}
		got = append(got, second(sheet, at.X, at.Y))
	}
	if !slices.Equal(got, want) {
		r.Errorf("the small pictures are of seconds %v, want %v", got, want)
	}
	board, err := model.Storyboard()
	if err != nil {
		r.Fatal(err)
	}
	if n := strings.Count(string(board.Text()), fmt.Sprintf(",%d,%d\n", tile.X, tile.Y)); n != len(want) {
		r.Errorf("the storyboard names %d pictures, want %d:\n%s", n, len(want), board.Text())
	}
}

func TestPictures_OfRealSources(t *testing.T) {
	live := []string{"-tune", "zerolatency", "-g", "60"}
	for _, tt := range []struct {
		name, size, ladder string
		source             bool
		encoder            []string
		poster, tile       image.Point
	}{
		{name: "ladder and source", size: "320x180", ladder: "180p30@300000|90p30@100000", source: true, encoder: live, poster: image.Pt(320, 180), tile: image.Pt(160, 90)},
		{name: "ladder alone, portrait", size: "360x640", ladder: "320p30@300000", encoder: live, poster: image.Pt(360, 640), tile: image.Pt(50, 90)},
		{name: "source only", size: "1280x720", source: true, encoder: live, poster: image.Pt(640, 360), tile: image.Pt(160, 90)},
		{name: "source only, portrait", size: "180x320", source: true, encoder: live, poster: image.Pt(180, 320), tile: image.Pt(50, 90)},
		{name: "source only, B-frames", size: "320x180", source: true, encoder: []string{"-bf", "3", "-b-pyramid", "normal", "-g", "60"}, poster: image.Pt(320, 180), tile: image.Pt(160, 90)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := shoot(t, tt.size, 24, tt.encoder...)
			r := newRig(t, broadcast.Options{Stills: broadcast.FindStills("", slog.New(slog.DiscardHandler))})
			t.Cleanup(r.close)
			r.spec.Transcoding = &broadcastv1.Transcoding{Ladder: tt.ladder, IncludeSource: tt.source}
			r.run()
			var live registry.Live
			r.project(f, func(second int) {
				if second == 20 {
					live, _ = r.edge.Live(context.Background(), "news")
				}
			})
			r.holdPictures(tt.poster, tt.tile, 0, 6, 10, 16, 20)
			if live.Poster == 0 {
				t.Errorf("after 20 s the lease says of no poster: %+v", live)
			}
			r.noneLeft("mjpeg")
		})
	}
}

func TestPictures_OfAudioAlone(t *testing.T) {
	r := newRig(t, broadcast.Options{Stills: broadcast.FindStills("", slog.New(slog.DiscardHandler))})
	t.Cleanup(r.close)
	r.run()
	r.project(film{}, nil)
	model := r.late()
	if key, err := model.Poster(); err == nil {
		t.Errorf("got the poster %s of a broadcast without video", key)
	}
	if _, err := model.Storyboard(); err == nil {
		t.Error("got a storyboard of a broadcast without video")
	}
}

// TestPictures_TheirProcessIsKilled holds that the broadcast goes on as if nothing were, and so do its
// pictures, after a moment.
func TestPictures_TheirProcessIsKilled(t *testing.T) {
	f := shoot(t, "320x180", 26, "-tune", "zerolatency", "-g", "30")
	r := newRig(t, broadcast.Options{Stills: broadcast.FindStills("", slog.New(slog.DiscardHandler))})
	t.Cleanup(r.close)
	r.run()
	r.project(f, func(second int) {
		if second == 8 {
			r.kill("mjpeg")
		}
	})
	if !strings.Contains(r.log.String(), "it is started again") {
		t.Errorf("the log does not say that the process was started again")
	}
	model := r.late()
	key, _, err := model.Sheet(0)
	if err != nil {
		t.Fatal(err)
	}
	sheet := r.picture(key)
	if got := second(sheet, 80, 90+45); got != 25 { // the sixth picture begins the second row
		t.Errorf("the small picture of second 25 shows second %d", got)
	}
	parts := 0
	if err := r.store.List(context.Background(), "b/source/s", func(objstore.Object) bool { parts++; return true }); err != nil || parts < 12 {
		t.Errorf("%d segments are stored, %v, want all of 26 s", parts, err)
	}
	r.noneLeft("mjpeg")
}

// kill kills the one child with that word in its command line.
func (r *rig) kill(word string) {
	r.Helper()
	threads, _ := filepath.Glob("/proc/self/task/*/children")
	for _, thread := range threads {
		children, _ := os.ReadFile(thread)
		for _, pid := range strings.Fields(string(children)) {
			if b, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.Contains(string(b), word) {
				n, _ := strconv.Atoi(pid)
				if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
					r.Error(err)
				}
				return
			}
		}
	}
	r.Error("no such process runs")
}
