//go:build integration

package broadcast_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner/broadcast"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// Real time passes here, as processes stand outside of bubbles. What stands in for ffmpeg is this
// test binary under the names below: it needs no encoder, and dies when it is told to.
var encoders = map[string]func() error{
	"dies-at-once": func() error { return errors.New("Unknown encoder 'libx264'") },
	"dies-live":    func() error { return encode(75, 0) },
	"dies-soon":    func() error { return encode(5, 0) },
	"is-slow":      func() error { return encode(1<<30, 60*time.Millisecond) }, // half the pace of 30 fps
	"hangs":        func() error { time.Sleep(time.Hour); return nil },
	"encodes":      func() error { return encode(1<<30, 0) },
}

func TestMain(m *testing.M) {
	if encoder := encoders[filepath.Base(os.Args[0])]; encoder != nil {
		if slices.Contains(os.Args, "rawvideo") { // the probe's test picture
			encoder = still
		}
		if err := encoder(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// encode makes of so many frames of standard input one each on the first rung's pipe, and takes so long for it.
func encode(frames int, each time.Duration) error {
	in := ffmpeg.NewReader(os.Stdin)
	if _, err := in.Stream(); err != nil {
		return err
	}
	sps, pps := avcC[8:8+25], avcC[len(avcC)-4:]
	start := []byte{0, 0, 0, 1}
	out, err := ffmpeg.NewWriter(os.NewFile(3, "rung"), ffmpeg.Stream{
		FourCC: "H264", Width: 640, Height: 360, FrameRate: 30,
		Extradata: append(append(append([]byte{0, 0, 0, 1}, sps...), start...), pps...),
	})
	if err != nil {
		return err
	}
	for range frames {
		p, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		time.Sleep(each)
		nal := byte(0x41)
		if p.Key {
			nal = 0x65
		}
		p.Data = append(start, nal, 1, 2, 3)
		if err := out.Write(p); err != nil {
			return err
		}
	}
	return errors.New("Killed")
}

// still writes a picture to standard output.
func still() error {
	out, err := ffmpeg.NewWriter(os.Stdout, ffmpeg.Stream{FourCC: "MJPG", Width: 64, Height: 64, FrameRate: 1})
	if err != nil {
		return err
	}
	return out.Write(ffmpeg.Packet{Key: true, Data: []byte{0xff, 0xd8, 0xff, 0xd9}})
}

// withEncoder starts a job whose ffmpeg is one of encoders.
func withEncoder(t *testing.T, name string, o broadcast.Options, change ...func(*broadcastv1.Transcoding)) *rig {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.FFmpeg = filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, o.FFmpeg); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, o)
	t.Cleanup(r.close)
	r.spec.Transcoding.Ladder = "240p30@300000"
	for _, f := range change {
		f(r.spec.Transcoding)
	}
	r.run()
	return r
}

// noneLeft holds that this process has no child of that name.
func (r *rig) noneLeft(name string) {
	r.Helper()
	threads, _ := filepath.Glob("/proc/self/task/*/children") // none on systems without
	for _, thread := range threads {
		children, _ := os.ReadFile(thread) // a thread that has ended has none
		for _, pid := range strings.Fields(string(children)) {
			if b, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.Contains(string(b), name) {
				r.Errorf("a process is left: %q", b)
			}
		}
	}
}

func TestEncoderDiesAtOnce_TheBroadcastEndsWithTheCause(t *testing.T) {
	t.Parallel()
	r := withEncoder(t, "dies-at-once", broadcast.Options{})
	p := r.publish()
	defer p.close()
	p.media(0, time.Second)
	err := r.wait(2 * time.Second)
	for _, want := range []string{"encode the rungs", "exit status 1", "Unknown encoder 'libx264'"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the job returned %v, want an error that says %q", err, want)
		}
	}
	if got := r.end(); got != "" || !r.free() {
		t.Errorf("end %q, lease free %v; want nothing left of what nobody could see", got, r.free())
	}
}

func TestEncoderIsMissing_TheBroadcastEndsWithTheCause(t *testing.T) {
	t.Parallel()
	r := newRig(t, broadcast.Options{FFmpeg: filepath.Join(t.TempDir(), "none")})
	t.Cleanup(r.close)
	r.spec.Transcoding.Ladder = "240p30@300000"
	r.run()
	p := r.publish()
	defer p.close()
	p.media(0, 500*time.Millisecond)
	if err := r.wait(time.Second); err == nil || !strings.Contains(err.Error(), "start the encoder of 1 rungs") {
		t.Errorf("the job returned %v, want that the encoder cannot be started", err)
	}
	if !r.free() {
		t.Error("the channel's lease is still held")
	}
}

// rungOf are the parts of the rung, by the second of media time that they begin in: how many, and how many
// of them are gaps.
func (r *rig) rungOf() (parts, gaps map[int]int) {
	r.Helper()
	snap, err := r.edge.Snapshot(context.Background(), "b")
	if err != nil {
		r.Fatal(err)
	}
	parts, gaps = map[int]int{}, map[int]int{}
	for _, e := range snap.Entries {
		event, err := wire.DecodeEvent(e.Data)
		if err != nil {
			r.Fatal(err)
		}
		switch e := event.(type) { // rendition 0 is the source, 1 the rung
		case hls.Part:
			if e.Rendition == 1 {
				parts[int(e.Start/time.Second)]++
			}
		case hls.Gap:
			if e.Rendition == 1 {
				parts[int(e.Start/time.Second)]++
				gaps[int(e.Start/time.Second)]++
			}
		}
	}
	return parts, gaps
}

// TestEncoderDiesLive_ItsRungsGoOnAtTheNextKeyframe has an encoder that dies after two and a half seconds.
func TestEncoderDiesLive_ItsRungsGoOnAtTheNextKeyframe(t *testing.T) {
	t.Parallel()
	r := withEncoder(t, "dies-live", broadcast.Options{})
	p := r.publish()
	defer p.close()
	p.media(0, 6*time.Second)
	p.unpublish("the streamer stopped")
	if err := r.wait(2 * time.Second); err != nil {
		t.Errorf("the job returned %v, want nil: its encoder was mended", err)
	}
	parts, gaps := r.rungOf()
	for second := range 6 {
		if parts[second] == 0 {
			t.Errorf("the rung has nothing in second %d", second)
		}
		if lost := second == 3; (gaps[second] == parts[second]) != lost && second != 2 {
			t.Errorf("second %d has %d parts, %d of them gaps; want gaps in the fourth second alone", second, parts[second], gaps[second])
		}
	}
	if got := r.end(); got != "the streamer stopped" {
		t.Errorf("the feed's end says %q, want the streamer's", got)
	}
	if n := strings.Count(r.log.String(), "ffmpeg has failed"); n != 1 || !strings.Contains(r.log.String(), "Killed") {
		t.Errorf("got %d log lines of the failure, want one that says what the encoder said last:\n%s", n, r.log)
	}
}

// TestEncoderIsSlow_ItsRungsSkipWhatIsLate has an encoder with half the pace that is needed.
func TestEncoderIsSlow_ItsRungsSkipWhatIsLate(t *testing.T) {
	t.Parallel()
	r := withEncoder(t, "is-slow", broadcast.Options{})
	p := r.publish()
	defer p.close()
	p.media(0, 12*time.Second)
	p.unpublish("the streamer stopped")
	if err := r.wait(4 * time.Second); err != nil {
		t.Errorf("the job returned %v, want nil", err)
	}
	if !strings.Contains(r.log.String(), "slower than its source") {
		t.Errorf("the log does not say that the encoder is slow:\n%s", r.log)
	}
	parts, gaps := r.rungOf()
	after := 0
	for second := 7; second < 12; second++ {
		after += parts[second] - gaps[second]
	}
	if after == 0 {
		t.Errorf("nothing came of the last five seconds: parts %v, gaps %v", parts, gaps)
	}
}

// TestEncoderKeepsDying_TheSourceGoesOn holds that viewers keep what there is.
func TestEncoderKeepsDying_TheSourceGoesOn(t *testing.T) {
	t.Parallel()
	r := withEncoder(t, "dies-soon", broadcast.Options{})
	p := r.publish()
	defer p.close()
	p.media(0, 6*time.Second)
	p.unpublish("the streamer stopped")
	if err := r.wait(2 * time.Second); err != nil {
		t.Errorf("the job returned %v, want nil", err)
	}
	if _, gaps := r.rungOf(); gaps[1] == 0 || gaps[3] == 0 || gaps[5] == 0 {
		t.Errorf("gaps by second: %v, want some in each", gaps)
	}
	if n := strings.Count(r.log.String(), "ffmpeg keeps failing"); n != 1 {
		t.Errorf("%d lines say that it is given up, want one:\n%s", n, r.log)
	}
}

// TestEncoderKeepsDying_WithoutTheSourceEveryPlaylistEnds holds that what viewers have is ended in good order.
func TestEncoderKeepsDying_WithoutTheSourceEveryPlaylistEnds(t *testing.T) {
	t.Parallel()
	r := withEncoder(t, "dies-soon", broadcast.Options{}, func(tr *broadcastv1.Transcoding) { tr.IncludeSource = false })
	p := r.publish()
	defer p.close()
	p.media(0, 6*time.Second)
	err := r.wait(2 * time.Second)
	if err == nil || !strings.Contains(err.Error(), "encode the rungs") || !strings.Contains(err.Error(), "Killed") {
		t.Errorf("the job returned %v, want what the encoder said last", err)
	}
	if got := r.end(); !strings.Contains(got, "encode the rungs") {
		t.Errorf("the feed's end says %q, want that the encoder failed", got)
	}
	if !r.free() {
		t.Error("the channel's lease is still held")
	}
	if n := strings.Count(r.log.String(), `msg="broadcast has ended"`); n != 1 {
		t.Errorf("got %d log lines of the end, want one:\n%s", n, r.log)
	}
}

// TestEncoderOfAnotherBackend_IsProbedBeforeTheJobIsTaken holds that a runner without the card refuses.
func TestEncoderOfAnotherBackend_IsProbedBeforeTheJobIsTaken(t *testing.T) {
	t.Parallel()
	backend := func(b string) func(*broadcastv1.Transcoding) {
		return func(tr *broadcastv1.Transcoding) { tr.Backend = b }
	}
	r := withEncoder(t, "dies-at-once", broadcast.Options{}, backend("nvidia"))
	select {
	case <-r.ready:
		t.Error("the job was taken")
	default:
	}
	err := r.wait(5 * time.Second)
	if err == nil || !strings.Contains(err.Error(), "TRANSCODE_BACKEND=nvidia on this runner: ") || !strings.Contains(err.Error(), "h264_nvenc") {
		t.Errorf("the job returned %v, want the backend and the encoder that is missing", err)
	}
	r = withEncoder(t, "encodes", broadcast.Options{}, backend("auto"))
	if !strings.Contains(r.log.String(), `msg="encoder chosen" asked=auto backend=nvidia`) {
		t.Errorf("the log does not say what auto came to:\n%s", r.log)
	}
}

func TestEncoderEncodes_AllItHoldsComesOut(t *testing.T) {
	t.Parallel()
	r := withEncoder(t, "encodes", broadcast.Options{})
	p := r.publish()
	defer p.close()
	p.media(0, 3*time.Second)
	l, err := r.edge.Live(t.Context(), "news")
	if err != nil || l.State != registry.StateLive || len(l.Renditions) != 3 {
		t.Errorf("got %+v, %v, want a live broadcast of three renditions", l, err)
	}
	p.unpublish("the streamer stopped")
	if err := r.wait(2 * time.Second); err != nil {
		t.Errorf("the job returned %v, want nil", err)
	}
	if got := r.end(); got != "the streamer stopped" {
		t.Errorf("the feed's end says %q, want the streamer's", got)
	}
}

// TestEncoderHangs_TheEndDoesNotWaitForIt has an encoder that reads nothing and makes nothing, so
// that no format of the rung is ever known and nobody can watch.
func TestEncoderHangs_TheEndDoesNotWaitForIt(t *testing.T) {
	t.Parallel()
	r := withEncoder(t, "hangs", broadcast.Options{})
	p := r.publish()
	defer p.close()
	p.media(0, time.Second)
	p.unpublish("the streamer stopped")
	if err := r.wait(4 * time.Second); err != nil {
		t.Errorf("the job returned %v, want nil: the publish ended", err)
	}
	if got := r.end(); got != "" || !r.free() {
		t.Errorf("end %q, lease free %v; want nothing left of what nobody could see", got, r.free())
	}
	r.noneLeft("hangs")
}
