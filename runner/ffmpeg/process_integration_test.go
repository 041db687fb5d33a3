//go:build integration

package ffmpeg_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// small is a second or more of cheap video.
func small(t *testing.T, encoder ...string) video {
	t.Helper()
	return record(t, "testsrc2=s=320x180:r=30:d=3", 30, append([]string{"-tune", "zerolatency", "-g", "30"}, encoder...)...)
}

// start starts ffmpeg on v and waits until the first packet is out, so that it certainly runs.
func start(ctx context.Context, t *testing.T, v video, change func(*ffmpeg.Options)) (*ffmpeg.Process, *sink) {
	t.Helper()
	s, first := &sink{}, make(chan struct{}, 1000)
	o := v.options(t, "180p30@300000|90p30@100000")
	o.OnPacket = func(rung int, stream ffmpeg.Stream, p ffmpeg.Packet) {
		s.take(rung, stream, p)
		select {
		case first <- struct{}{}:
		default:
		}
	}
	if change != nil {
		change(&o)
	}
	p, err := ffmpeg.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v.packets[:2] {
		if err := p.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-first:
	case <-p.Done():
		t.Fatal(p.Wait())
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came out of ffmpeg")
	}
	return p, s
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// waitFor asks until what holds, for at most 20 s.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestProcess_EndsWithItsContext(t *testing.T) {
	v := small(t)
	for _, tt := range []struct {
		name    string
		stopped bool // SIGTERM finds it stopped: only SIGKILL ends it
	}{{"by SIGTERM", false}, {"by SIGKILL after the grace", true}} {
		t.Run(tt.name, func(t *testing.T) {
			cause := errors.New("the test says so")
			ctx, cancel := context.WithCancelCause(t.Context())
			p, _ := start(ctx, t, v, func(o *ffmpeg.Options) { o.Grace = 300 * time.Millisecond })
			if tt.stopped {
				if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			cancel(cause)
			if err := p.Wait(); !errors.Is(err, cause) {
				t.Errorf("Wait: got %v, want %v in its chain", err, cause)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("ffmpeg took %v to end", took)
			}
			if alive(p.PID()) {
				t.Error("ffmpeg is still there")
			}
			if err := p.Write(v.packets[0]); !errors.Is(err, ffmpeg.ErrClosed) {
				t.Errorf("Write: got %v, want ErrClosed", err)
			}
		})
	}
}

func TestProcess_SaysHowFFmpegDied(t *testing.T) {
	p, _ := start(t.Context(), t, small(t), nil)
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var exit *ffmpeg.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Wait: got %v, want an ExitError that says killed", err)
	}
}

func TestProcess_KeepsWhatFFmpegSaid(t *testing.T) {
	v := small(t)
	s := &sink{}
	o := v.options(t, "180p30@300000")
	o.OnPacket = s.take
	p, err := ffmpeg.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(ffmpeg.Packet{Key: true, Data: []byte("no frame at all")}); err != nil {
		t.Fatal(err)
	}
	p.CloseInput()
	err = p.Wait()
	var exit *ffmpeg.ExitError
	if !errors.As(err, &exit) || len(exit.Lines) == 0 || len(exit.Lines) > 20 {
		t.Errorf("Wait: got %v, want an ExitError with lines", err)
	}
}

func TestProcess_LeavesCredentialsOut(t *testing.T) {
	secrets := []string{"AWS_SECRET_ACCESS_KEY", "REDIS_URL", "PHAROS_SECRET"}
	for _, s := range secrets {
		t.Setenv(s, "confidential")
	}
	p, _ := start(t.Context(), t, small(t), nil)
	env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID()), "environ"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(secrets, "confidential") {
		if strings.Contains(string(env), s) {
			t.Errorf("ffmpeg's environment has %s", s)
		}
	}
	if !strings.Contains(string(env), "PATH=") {
		t.Errorf("ffmpeg's environment lacks PATH: %q", env)
	}
	p.CloseInput()
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestProcess_WriteNeverBlocks(t *testing.T) {
	v := small(t)
	p, s := start(t.Context(), t, v, func(o *ffmpeg.Options) { o.QueueFrames = 20 })
	if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// While ffmpeg stands still, GOP after GOP comes; then it goes on, and so does the source.
	taken := []int64{v.packets[0].PTS, v.packets[1].PTS}
	dropped := 0
	offset := int64(0)
	send := func() {
		offset += v.packets[len(v.packets)-1].PTS + 3000
		began := time.Now()
		for _, f := range v.packets {
			f.PTS += offset
			switch err := p.Write(f); {
			case err == nil:
				taken = append(taken, f.PTS)
			case errors.Is(err, ffmpeg.ErrBehind):
				dropped++
			default:
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%d writes took %v", len(v.packets), took)
		}
	}
	for dropped == 0 {
		send()
	}
	if err := syscall.Kill(p.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "queue is empty", func() bool { return p.Stats().Frames == 0 })
	send()
	p.CloseInput()
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := p.Stats(); got.Dropped != uint64(dropped) || got.Taken != uint64(len(taken)) {
		t.Errorf("stats: got %+v, want %d dropped, %d taken", got, dropped, len(taken))
	}
	for rung := range 2 {
		var got []int64
		for _, f := range s.packets[rung] {
			got = append(got, f.PTS)
		}
		if diff := cmp.Diff(taken, got); diff != "" {
			t.Errorf("rung %d: PTS (-taken +out):\n%.1000s", rung, diff)
		}
	}
}

func TestProcess_TakesNewParameterSets(t *testing.T) {
	a, b := small(t), record(t, "testsrc2=s=640x480:r=30:d=2", 30, "-bf", "2", "-g", "30")
	offset := a.packets[len(a.packets)-1].PTS + 3000
	p, s := start(t.Context(), t, a, func(o *ffmpeg.Options) { o.QueueFrames = 1000 })
	var want []int64
	send := func(packets []ffmpeg.Packet, offset int64) {
		for _, f := range packets {
			f.PTS += offset
			if err := p.Write(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(a.packets[2:], 0)
	if err := p.Reconfigure(b.stream.Extradata); err != nil {
		t.Fatal(err)
	}
	send(b.packets, offset)
	p.CloseInput()
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, f := range a.packets {
		want = append(want, f.PTS)
	}
	for _, f := range b.presented() {
		want = append(want, f.PTS+offset)
	}
	for rung := range 2 {
		var got []int64
		for _, f := range s.packets[rung] {
			got = append(got, f.PTS)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rung %d: PTS (-want +got):\n%.1000s", rung, diff)
		}
	}
	if err := p.Reconfigure([]byte("odd")); err == nil {
		t.Error("Reconfigure took what is no record")
	}
}

// Each frame comes out of every rung before the next one goes in: nothing on the way waits for
// frames to follow. The times are logged only, as they are the machine's.
func TestProcess_HoldsNoFrameBack(t *testing.T) {
	v := record(t, "testsrc2=s=1280x720:r=60:d=3", 60, "-tune", "zerolatency", "-g", "120", "-b:v", "6M")
	o := v.options(t, "720p60@3000000|360p30@600000")
	var said bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&said, nil))
	out := make(chan ffmpeg.Packet, len(o.Outputs))
	o.OnPacket = func(_ int, _ ffmpeg.Stream, p ffmpeg.Packet) { out <- p }
	p, err := ffmpeg.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var predict []*ffmpeg.IDRPredictor
	for _, r := range o.Outputs {
		predict = append(predict, ffmpeg.NewIDRPredictor(v.Source, r, ffmpeg.DefaultSegment))
	}
	var took []time.Duration
	for _, f := range v.packets {
		began := time.Now()
		if err := p.Write(f); err != nil {
			t.Fatal(err)
		}
		for _, r := range predict {
			if leaves, _ := r.Frame(ffmpeg.Duration(f.PTS), f.Key); !leaves {
				continue
			}
			select {
			case got := <-out:
				if got.PTS != f.PTS {
					t.Fatalf("got the frame at %d while that at %d is awaited", got.PTS, f.PTS)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("frame at %d is held back", f.PTS)
			}
		}
		took = append(took, time.Since(began))
		time.Sleep(time.Until(began.Add(time.Second / 60)))
	}
	p.CloseInput()
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if said.Len() > 0 {
		t.Errorf("ffmpeg complains about good input: %s", &said)
	}
	t.Logf("start to first packets: %v", took[0].Round(time.Millisecond))
	took = took[1:]
	slices.Sort(took)
	t.Logf("write to last rung's packet: p50 %v, p95 %v", took[len(took)/2].Round(100*time.Microsecond), took[len(took)*95/100].Round(100*time.Microsecond))
}

func TestProbe_FindsWhatIsThere(t *testing.T) {
	needFFmpeg(t)
	rungs := ladder(t, "1080p60@6000000|720p30@2000000|360p30@600000|144p15@100000")
	if err := ffmpeg.Probe(t.Context(), "", ffmpeg.Software, rungs, false); err != nil {
		t.Error(err)
	}
}

// TestChoose_AutoFallsBackToSoftware runs where there is no card, as on any machine that tests.
func TestChoose_AutoFallsBackToSoftware(t *testing.T) {
	needFFmpeg(t)
	c, err := ffmpeg.Choose(t.Context(), "", ffmpeg.Auto, ladder(t, "360p30@600000"), false)
	if err != nil {
		t.Fatal(err)
	}
	if c.Backend != ffmpeg.Software && c.Backend != ffmpeg.VAAPI && c.Backend != ffmpeg.Nvidia {
		t.Errorf("chose %q", c.Backend)
	}
	for i, r := range c.Refused {
		if r.Backend != ffmpeg.Backends()[i] || r.Err == nil || strings.Contains(r.Err.Error(), "\n") {
			t.Errorf("refused %s: %v, want %s with one line", r.Backend, r.Err, ffmpeg.Backends()[i])
		}
	}
	t.Logf("chose %s: %s", c.Backend, c.Why())
}
