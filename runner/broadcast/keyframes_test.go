package broadcast

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// A developer stands in for ffmpeg: it gives a picture of every keyframe at once, and dies when told to.
type developer struct {
	rig    *keysRig
	config []byte
	done   chan struct{}
	once   sync.Once
	err    error
}

func (d *developer) WriteKeyframe(f ffmpeg.Packet, held int) error {
	select {
	case <-d.done:
		return ffmpeg.ErrClosed
	default:
	}
	if d.rig.stuck {
		return ffmpeg.ErrBehind
	}
	d.rig.note("%s+%d at %ds", d.config, held, f.PTS/ffmpeg.TimeScale)
	return nil
}

func (d *developer) Reconfigure(config []byte) error {
	if bytes.HasPrefix(config, []byte("other")) {
		return errors.New("that takes a new process")
	}
	d.config = config
	return nil
}

func (d *developer) die(err error) {
	d.once.Do(func() { d.err = err; close(d.done) })
}

func (d *developer) CloseInput()           { d.die(nil) }
func (d *developer) Done() <-chan struct{} { return d.done }
func (d *developer) Wait() error           { <-d.done; return d.err }

// A keysRig is a keyframer in a bubble.
type keysRig struct {
	*testing.T
	*keyframer
	log   bytes.Buffer // read it only once the keyframer has ended
	over  chan struct{}
	stuck bool // set it only while nothing runs

	mu       sync.Mutex // protects all below
	began    []time.Duration
	running  *developer
	lines    []string
	startErr error
}

func withKeys(t *testing.T, test func(*keysRig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &keysRig{T: t, over: make(chan struct{})}
		start := time.Now()
		r.keyframer = newKeyframer(func(ctx context.Context, o ffmpeg.Options) (Stills, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.began = append(r.began, time.Since(start))
			if r.startErr != nil {
				return nil, r.startErr
			}
			d := &developer{rig: r, config: o.Config, done: make(chan struct{})}
			context.AfterFunc(ctx, func() { d.die(fmt.Errorf("stopped: %w", context.Cause(ctx))) })
			r.running = d
			return d, nil
		}, ffmpeg.Options{}, slog.New(slog.NewTextHandler(&r.log, nil)))
		r.configure([]byte("a"), 2)
		go func() { defer close(r.over); r.run(t.Context()) }()
		test(r)
		r.end()
		<-r.over
	})
}

func (r *keysRig) note(format string, a ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, a...))
}

func (r *keysRig) noted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines
}

// play has the source bring a keyframe each gop, for so long, at the pace of its timestamps.
func (r *keysRig) play(from, to, gop time.Duration) {
	for at := from; at < to; at += gop {
		r.offer(ffmpeg.Packet{PTS: ffmpeg.Ticks(at), Key: true})
		time.Sleep(gop)
	}
}

func (r *keysRig) kill(err error) {
	r.mu.Lock()
	d := r.running
	r.mu.Unlock()
	d.die(err)
	synctest.Wait()
}

func TestKeyframer_PicksByTheRaster(t *testing.T) {
	withKeys(t, func(r *keysRig) {
		r.play(3*time.Second, 30*time.Second, 2*time.Second) // the raster begins at the first keyframe
		want := []string{"a+2 at 3s", "a+2 at 9s", "a+2 at 13s", "a+2 at 19s", "a+2 at 23s", "a+2 at 29s"}
		if diff := cmp.Diff(want, r.noted()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestKeyframer_FollowsTheConfiguration(t *testing.T) {
	withKeys(t, func(r *keysRig) {
		r.play(0, 10*time.Second, 5*time.Second)
		r.configure([]byte("b"), 0)
		r.play(10*time.Second, 15*time.Second, 5*time.Second)
		r.configure([]byte("other"), 1)
		r.play(15*time.Second, 25*time.Second, 5*time.Second)
		want := []string{"a+2 at 0s", "a+2 at 5s", "b+0 at 10s", "other+1 at 20s"} // one is lost with the old process
		if diff := cmp.Diff(want, r.noted()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := len(r.began); n != 2 {
			t.Errorf("%d processes were started, want two", n)
		}
	})
}

// TestKeyframer_StartsAgain kills each process shortly after its start: a second one follows within
// moments, a sixth never, and all of it costs one warning.
func TestKeyframer_StartsAgain(t *testing.T) {
	withKeys(t, func(r *keysRig) {
		for at := time.Duration(0); at < 5*time.Minute; at += time.Second {
			r.offer(ffmpeg.Packet{PTS: ffmpeg.Ticks(at), Key: true})
			time.Sleep(500 * time.Millisecond)
			if r.count() > 0 {
				r.kill(errors.New("Killed"))
			}
			time.Sleep(500 * time.Millisecond)
		}
		r.end()
		<-r.over
		if n := len(r.began); n != stillsTries {
			t.Fatalf("%d processes were started, want %d", n, stillsTries)
		}
		for i, least := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
			if got := r.began[i+1] - r.began[i]; got < least || got > least*5/4+6*time.Second {
				t.Errorf("process %d was started %v behind the one before, want %v and a keyframe", i+2, got, least)
			}
		}
		if n := strings.Count(r.log.String(), "level=WARN"); n != 1 || !strings.Contains(r.log.String(), "Killed") {
			t.Errorf("got %d warnings, want one that says why:\n%s", n, r.log.String())
		}
	})
}

func (r *keysRig) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.began)
}

// TestKeyframer_ForgivesAfterAWhile kills a process each two minutes, for an hour.
func TestKeyframer_ForgivesAfterAWhile(t *testing.T) {
	withKeys(t, func(r *keysRig) {
		for i := range 30 {
			from := time.Duration(i) * 2 * time.Minute
			r.play(from, from+2*time.Minute, 5*time.Second)
			r.kill(errors.New("Killed"))
		}
		if n := r.count(); n != 30 {
			t.Errorf("%d processes were started, want 30", n)
		}
	})
}

func TestKeyframer_ThatCannotBeStarted(t *testing.T) {
	withKeys(t, func(r *keysRig) {
		r.startErr = errors.New("no such file")
		r.play(0, 2*time.Minute, 2*time.Second)
		r.end()
		<-r.over
		if n := r.count(); n != stillsTries {
			t.Errorf("it was tried %d times, want %d", n, stillsTries)
		}
	})
}

// TestKeyframer_Stuck has a process that takes nothing any more, which must not go on for ever.
func TestKeyframer_Stuck(t *testing.T) {
	withKeys(t, func(r *keysRig) {
		r.stuck = true
		r.play(0, 40*time.Second, 5*time.Second)
		if n := r.count(); n < 2 {
			t.Errorf("%d processes were started, want that the stuck one was replaced", n)
		}
	})
}

// TestKeyframer_OfNothing starts no process for a source without a keyframe.
func TestKeyframer_OfNothing(t *testing.T) {
	withKeys(t, func(r *keysRig) {
		time.Sleep(time.Hour)
		if n := r.count(); n != 0 {
			t.Errorf("%d processes were started, want none", n)
		}
	})
}

func TestFindStills_DoesWithoutFFmpeg(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	if got := FindStills("/nowhere/ffmpeg", slog.New(slog.NewTextHandler(&log, nil))); got != nil {
		t.Error("got something that starts what is not there")
	}
	if n := strings.Count(log.String(), "level=INFO"); n != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("got this log, want one line of level INFO:\n%s", log.String())
	}
}
