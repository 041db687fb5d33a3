package ffmpeg_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// A fakeFFmpeg answers each frame with a packet of each rung, delay later, until it is told otherwise.
type fakeFFmpeg struct {
	ctx  context.Context
	o    ffmpeg.Options
	done chan struct{}

	mu     sync.Mutex // protects what follows
	err    error      // what Wait returns
	over   bool
	mute   bool          // nothing comes out any more
	delay  time.Duration // of a packet, at the least
	pace   time.Duration // of packets after one another; 0 = as they come
	next   time.Time     // when the next packet may come
	frames []int64       // PTS of all that was written
	tasks  sync.WaitGroup
}

func (f *fakeFFmpeg) Write(p ffmpeg.Packet) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return ffmpeg.ErrClosed
	}
	f.frames = append(f.frames, p.PTS)
	if f.mute {
		return nil
	}
	at := time.Now().Add(f.delay)
	if f.pace > 0 {
		if f.next.After(at) {
			at = f.next
		}
		f.next = at.Add(f.pace)
	}
	f.tasks.Go(func() {
		select {
		case <-time.After(time.Until(at)):
		case <-f.done:
			return
		}
		for i := range f.o.Outputs {
			f.o.OnPacket(i, ffmpeg.Stream{}, ffmpeg.Packet{PTS: p.PTS, Key: p.Key})
		}
	})
	return nil
}

func (f *fakeFFmpeg) Reconfigure([]byte) error { return nil }

// end is the end of the process.
func (f *fakeFFmpeg) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		f.over, f.err = true, err
		close(f.done)
	}
}

func (f *fakeFFmpeg) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeFFmpeg) CloseInput() {
	go func() {
		f.tasks.Wait()
		f.end(nil)
	}()
}

func (f *fakeFFmpeg) PID() int { return 1 }

func (f *fakeFFmpeg) Done() <-chan struct{} { return f.done }

func (f *fakeFFmpeg) Wait() error {
	<-f.done
	f.tasks.Wait()
	return f.err
}

func (f *fakeFFmpeg) Stats() ffmpeg.QueueStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return ffmpeg.QueueStats{Taken: uint64(len(f.frames))}
}

// A bench is a Supervisor of fakes, and what it calls back.
type bench struct {
	*testing.T
	s      *ffmpeg.Supervisor
	cancel context.CancelCauseFunc
	began  time.Time
	log    bytes.Buffer // its handler has a lock

	mu     sync.Mutex // protects what follows
	fakes  []*fakeFFmpeg
	starts []time.Duration
	refuse error // what starting one returns
	fresh  func(*fakeFFmpeg)
	out    []int64 // PTS of the first rung's packets
	lost   []int64
	given  []error
}

// interval of the source's frames, in ticks: 25 frames a second. A keyframe comes each second.
const interval = 3600

func newBench(t *testing.T, change func(*ffmpeg.SupervisorOptions)) *bench {
	t.Helper()
	b := &bench{T: t, began: time.Now()}
	o := ffmpeg.SupervisorOptions{Options: options(t)}
	o.Config = config
	o.Logger = slog.New(slog.NewTextHandler(&b.log, nil))
	o.OnPacket = func(_ int, _ ffmpeg.Stream, p ffmpeg.Packet) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.out = append(b.out, p.PTS)
	}
	o.OnLost = func(until int64) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.lost = append(b.lost, until)
	}
	o.OnGivenUp = func(err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.given = append(b.given, err)
	}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	b.cancel = cancel
	var err error
	if b.s, err = ffmpeg.SuperviseBy(ctx, o, b.launch); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) launch(ctx context.Context, o ffmpeg.Options) (ffmpeg.Encoder, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return nil, b.refuse
	}
	f := &fakeFFmpeg{ctx: ctx, o: o, done: make(chan struct{}), delay: 5 * time.Millisecond}
	if b.fresh != nil {
		b.fresh(f)
	}
	b.fakes = append(b.fakes, f)
	b.starts = append(b.starts, time.Since(b.began))
	context.AfterFunc(ctx, func() { // SIGTERM, and a little later SIGKILL
		select {
		case <-time.After(300 * time.Millisecond):
			f.end(context.Cause(ctx))
		case <-f.done:
		}
	})
	return f, nil
}

// last is the newest fake.
func (b *bench) last() *fakeFFmpeg {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fakes[len(b.fakes)-1]
}

// source writes the frames from one second to another, at their times, as long as they are taken.
func (b *bench) source(from, to float64) {
	b.Helper()
	for i := int64(from * 25); i < int64(to*25); i++ {
		time.Sleep(time.Until(b.began.Add(time.Duration(i) * 40 * time.Millisecond)))
		switch err := b.s.Write(ffmpeg.Packet{PTS: i * interval, Key: i%25 == 0, Data: []byte{0}}); {
		case err == nil, errors.Is(err, ffmpeg.ErrDown):
		case errors.Is(err, ffmpeg.ErrClosed):
			return
		default:
			b.Fatalf("frame %d: %v", i, err)
		}
	}
	time.Sleep(20 * time.Millisecond)
}

func (b *bench) finish() error {
	b.s.CloseInput()
	err := b.s.Wait()
	b.cancel(nil)
	synctest.Wait()
	return err
}

// missing are the seconds, rounded, that no packet came for: from the last in front of a hole to the first
// behind it.
func (b *bench) missing() [][2]float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var holes [][2]float64
	for i := 1; i < len(b.out); i++ {
		if b.out[i] != b.out[i-1]+interval {
			holes = append(holes, [2]float64{float64(b.out[i-1]) / 90_000, float64(b.out[i]) / 90_000})
		}
	}
	return holes
}

func TestSupervisor_CrashIsMendedAtTheNextKeyframe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.source(0, 3.48)
		b.last().end(&ffmpeg.ExitError{Err: errors.New("signal: killed")})
		b.source(3.48, 6)
		if err := b.finish(); err != nil {
			t.Errorf("Wait: %v", err)
		}
		if diff := cmp.Diff([][2]float64{{3.44, 4}}, b.missing()); diff != "" {
			t.Errorf("holes (-want +got):\n%s", diff)
		}
		// At once all that was given, and then each frame up to the keyframe.
		var want []int64
		for i := int64(86); i < 100; i++ {
			want = append(want, i*interval)
		}
		if diff := cmp.Diff(want, b.lost); diff != "" {
			t.Errorf("lost (-want +got):\n%s", diff)
		}
		got := b.s.Stats()
		if got.Starts != 2 || got.Crashes != 1 || got.Lost != 13 || got.Taken != 137 {
			t.Errorf("stats are %+v, want 2 starts, 1 crash, 13 lost and 137 taken", got)
		}
		if n := strings.Count(b.log.String(), "ffmpeg has failed"); n != 1 || !strings.Contains(b.log.String(), "signal: killed") {
			t.Errorf("the log has %d lines of the failure, want one that says why:\n%s", n, &b.log)
		}
	})
}

func TestSupervisor_StallIsMended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.source(0, 3)
		f := b.last()
		f.set(func() { f.mute = true })
		b.source(3, 10)
		if err := b.finish(); err != nil {
			t.Errorf("Wait: %v", err)
		}
		// Frames at 3.00 and 3.04 are owed; found at 5.25, ended at 5.55, and then a keyframe comes.
		if diff := cmp.Diff([][2]float64{{2.96, 6}}, b.missing()); diff != "" {
			t.Errorf("holes (-want +got):\n%s", diff)
		}
		if first := float64(b.lost[0]) / 90_000; first < 5.4 || first > 5.6 {
			t.Errorf("told at %v s first, want when ffmpeg has ended", first)
		}
		if !slices.IsSorted(b.lost) || b.lost[len(b.lost)-1] != 149*interval {
			t.Errorf("lost last up to %d, want %d, in order", b.lost[len(b.lost)-1], 149*interval)
		}
		if got := b.s.Stats(); got.Stalls != 1 || got.Crashes != 0 || got.Starts != 2 {
			t.Errorf("stats are %+v, want one stall", got)
		}
		if !strings.Contains(b.log.String(), "frames went in, and nothing came out of 360p30 for") {
			t.Errorf("the log does not say what stalled:\n%s", &b.log)
		}
	})
}

func TestSupervisor_SlownessIsMendedAndNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.fresh = func(f *fakeFFmpeg) { f.pace = 80 * time.Millisecond } // half the pace that is needed
		b.fresh(b.last())
		b.source(0, 60)
		if err := b.finish(); err != nil {
			t.Errorf("Wait: %v", err)
		}
		got := b.s.Stats()
		if got.Slow < 5 || got.Slow > 9 || got.Stalls+got.Crashes != 0 || len(b.given) != 0 {
			t.Errorf("stats are %+v, given up %v; want to be slow each 8 s, and nothing else", got, b.given)
		}
		if n := strings.Count(b.log.String(), "slower than its source"); n < 3 || n > 6 {
			t.Errorf("the log says %d times that it is slow, want it seldom:\n%s", n, &b.log)
		}
		if !strings.Contains(b.log.String(), "suppressed=") {
			t.Errorf("the log does not count what it left out:\n%s", &b.log)
		}
	})
}

func TestSupervisor_NothingEverCameEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.last().set(func() { b.last().mute = true })
		cause := &ffmpeg.ExitError{Err: errors.New("exit status 1"), Lines: []string{"Unknown encoder"}}
		b.last().end(cause)
		synctest.Wait()
		if err := b.s.Wait(); !errors.Is(err, error(cause)) {
			t.Errorf("Wait: got %v, want %v", err, cause)
		}
		if err := b.s.Write(ffmpeg.Packet{Key: true, Data: []byte{0}}); !errors.Is(err, ffmpeg.ErrClosed) {
			t.Errorf("Write: got %v, want ErrClosed", err)
		}
		b.cancel(nil)
	})
}

func TestSupervisor_StallFromTheStartEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		f := b.last()
		f.set(func() { f.mute = true })
		b.source(0, 10)
		err := b.s.Wait()
		if took := time.Since(b.began); err == nil || !strings.Contains(err.Error(), "stalled") || took < 5*time.Second || took > 6*time.Second {
			t.Errorf("Wait: %v after %v, want a stall after 5 s", err, took)
		}
		b.cancel(nil)
		synctest.Wait()
	})
}

func TestSupervisor_FailuresPauseLongerAndAreGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.source(0, 2)
		b.fresh = func(f *fakeFFmpeg) { f.end(errors.New("it is broken")) }
		b.last().end(errors.New("it is broken"))
		b.source(2, 100)
		b.mu.Lock()
		b.fresh = nil
		b.mu.Unlock()
		b.source(100, 140)
		if err := b.finish(); err != nil {
			t.Errorf("Wait: %v", err)
		}
		// The first pause is none, the second a second; then it is given up, and tried twice a minute.
		var got []int
		for _, at := range b.starts {
			got = append(got, int(at.Round(time.Second)/time.Second))
		}
		if want := []int{0, 2, 3, 33, 63, 93, 123}; !slices.Equal(got, want) {
			t.Errorf("begun at %v s, want %v", got, want)
		}
		if len(b.given) != 1 || !strings.Contains(b.given[0].Error(), "it is broken") {
			t.Errorf("given up %v, want once, with the cause", b.given)
		}
		if last := b.out[len(b.out)-1]; last != 140*25*interval-interval {
			t.Errorf("the last packet is at %d, want the source's last", last)
		}
		if n := strings.Count(b.log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d lines say that it is given up, want one:\n%s", n, &b.log)
		}
	})
}

func TestSupervisor_OneThatCannotBeStartedIsAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.source(0, 2)
		b.mu.Lock()
		b.refuse = errors.New("too many processes")
		b.mu.Unlock()
		b.last().end(errors.New("killed"))
		b.source(2, 3)
		b.mu.Lock()
		b.refuse = nil
		b.mu.Unlock()
		b.source(3, 6)
		if err := b.finish(); err != nil {
			t.Errorf("Wait: %v", err)
		}
		if diff := cmp.Diff([][2]float64{{1.96, 3}}, b.missing()); diff != "" {
			t.Errorf("holes (-want +got):\n%s", diff)
		}
		if got := b.s.Stats(); got.Crashes != 2 || got.Starts != 2 {
			t.Errorf("stats are %+v, want 2 crashes, 2 starts", got)
		}
	})
}

func TestSupervisor_OpenGOPBeginsWithItsKeyframe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		write := func(pts int64, key bool) {
			_ = b.s.Write(ffmpeg.Packet{PTS: pts, Key: key, Data: []byte{0}})
			time.Sleep(40 * time.Millisecond)
		}
		write(0, true)
		b.last().end(errors.New("killed"))
		synctest.Wait()
		write(40_000, true)
		write(20_000, false) // shown in front of the keyframe, with references that are lost
		write(60_000, false)
		if err := b.finish(); err != nil {
			t.Errorf("Wait: %v", err)
		}
		if want := []int64{0, 40_000, 60_000}; !slices.Equal(b.out, want) {
			t.Errorf("packets at %v, want %v", b.out, want)
		}
	})
}

func TestSupervisor_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	for _, down := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, nil)
			b.source(0, 1.5)
			if down {
				b.last().end(errors.New("killed"))
				synctest.Wait()
			}
			cause := errors.New("the test says so")
			b.cancel(cause)
			if err := b.s.Wait(); !errors.Is(err, cause) {
				t.Errorf("down %v: got %v, want %v in its chain", down, err, cause)
			}
			synctest.Wait()
		})
	}
}

func TestSupervisor_EndOfInputIsNotMended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.source(0, 1.5)
		b.last().end(errors.New("killed"))
		synctest.Wait()
		if err := b.finish(); err != nil { // while none runs
			t.Errorf("Wait: %v", err)
		}
		if got := b.s.Stats(); got.Starts != 1 {
			t.Errorf("%d were started, want 1", got.Starts)
		}
	})
}

func TestSupervisor_NeedsOnLost(t *testing.T) {
	t.Parallel()
	if _, err := ffmpeg.Supervise(t.Context(), ffmpeg.SupervisorOptions{Options: options(t)}); err == nil || !strings.Contains(err.Error(), "OnLost") {
		t.Errorf("got %v, want an error that names OnLost", err)
	}
}

// TestSupervisor_ReconfigureWhileItIsDown has the format change while no ffmpeg runs: of whatever codec.
func TestSupervisor_ReconfigureWhileItIsDown(t *testing.T) {
	t.Parallel()
	hevc := append([]byte{1}, make([]byte, 20)...)
	hevc = append(hevc, 0x0f, 3, 0xa0, 0, 1, 0, 2, 0x40, 1, 0xa1, 0, 1, 0, 2, 0x42, 1, 0xa2, 0, 1, 0, 2, 0x44, 1)
	for codec, record := range map[string][]byte{ffmpeg.CodecH264: config, ffmpeg.CodecH265: hevc} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, func(o *ffmpeg.SupervisorOptions) { o.Codec, o.Config = codec, record })
			b.source(0, 1.48)
			b.last().end(&ffmpeg.ExitError{Err: errors.New("signal: killed")})
			synctest.Wait()
			if err := b.s.Reconfigure(record); err != nil {
				t.Errorf("%s: %v", codec, err)
			}
			if err := b.s.Reconfigure([]byte{1, 2, 3}); err == nil {
				t.Errorf("%s: what is no record was taken", codec)
			}
			b.source(1.48, 3)
			if err := b.finish(); err != nil {
				t.Errorf("%s: Wait: %v", codec, err)
			}
		})
	}
}
