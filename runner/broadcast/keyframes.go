package broadcast

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"time"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// Stills is what decodes keyframes and makes pictures of them. *ffmpeg.Process is
// one; see there for the methods.
type Stills interface {
	WriteKeyframe(f ffmpeg.Packet, held int) error
	Reconfigure(config []byte) error
	CloseInput()
	Done() <-chan struct{}
	Wait() error
}

// StartStills starts a Stills, which ends with ctx at the latest; ffmpeg.Start in
// the form that Options wants.
type StartStills func(ctx context.Context, o ffmpeg.Options) (Stills, error)

// FindStills gives what makes pictures of sources that no encoder decodes: the
// ffmpeg at path, "" = "ffmpeg" in PATH. Such sources do without it, so that it
// being missing is no error: it is told to log, and the result is nil.
func FindStills(path string, log *slog.Logger) StartStills {
	if path == "" {
		path = "ffmpeg"
	}
	if _, err := exec.LookPath(path); err != nil {
		log.Info("no thumbnails of broadcasts without a ladder: there is no ffmpeg", "error", err)
		return nil
	}
	return func(ctx context.Context, o ffmpeg.Options) (Stills, error) {
		p, err := ffmpeg.Start(ctx, o)
		if err != nil {
			return nil, err
		}
		return p, nil
	}
}

// How a keyframer deals with a process that dies.
const (
	stillsTries  = 5           // processes that die one after another, and then no more
	stillsPause  = time.Second // behind the first that dies; doubled each time
	stillsSteady = time.Minute // a process that lived for so long makes all before it forgotten
	stillsBehind = 3           // keyframes that a process does not take any more, one after another, and it is ended
	queueKeys    = 2           // keyframes that wait; beyond, the newest is left out
	queueCopies  = 40          // of keyframes, in the process's own queue
)

var errStuck = errors.New("it takes no more keyframes")

// A keyframer has stills made of a source that no encoder decodes: it picks the
// first keyframe of each step of the raster, and gives it to a small process of
// low priority, which has little else to do than decode it.
//
//	offer ─keys─▶ run ─▶ ffmpeg ─▶ album
//
// A process that dies is started anew, with pauses that double, and given up
// quietly after some times. The broadcast never learns of it.
type keyframer struct {
	start   StartStills
	options ffmpeg.Options // of the process, but for Config
	log     *slog.Logger

	keys chan keyframe // closed by end

	// The feeding goroutine's own.
	record []byte // the configuration in force
	held   int    // pictures that a decoder of it holds back
	began  bool
	zero   int64 // PTS of the first keyframe, in ticks
	step   int64 // of the raster, of the last keyframe that was passed on
	ended  bool
}

// A keyframe is one with what is needed to decode it.
type keyframe struct {
	ffmpeg.Packet
	record []byte
	held   int
}

func newKeyframer(start StartStills, o ffmpeg.Options, log *slog.Logger) *keyframer {
	return &keyframer{start: start, options: o, log: log, keys: make(chan keyframe, queueKeys)}
}

// configure says what the keyframes from now on depend on. It, offer and end are
// for one goroutine, and never block.
func (k *keyframer) configure(record []byte, held int) { k.record, k.held = record, held }

// offer takes a keyframe of the source, and passes it on where a picture of it is
// wanted. One that finds no room is left out, and the next is tried.
func (k *keyframer) offer(p ffmpeg.Packet) {
	if k.ended {
		return
	}
	if !k.began {
		k.began, k.zero, k.step = true, p.PTS, -1
	}
	step := (p.PTS - k.zero) / ffmpeg.Ticks(stillEvery)
	if step <= k.step {
		return
	}
	select {
	case k.keys <- keyframe{Packet: p, record: k.record, held: k.held}:
		k.step = step
	default:
	}
}

// end says that no keyframe comes any more.
func (k *keyframer) end() {
	if !k.ended {
		k.ended = true
		close(k.keys)
	}
}

// run lives until end, the end of ctx, or until it gives up. To be called once.
func (k *keyframer) run(ctx context.Context) {
	pause := stillsPause
	for tries := 1; ; tries++ {
		lived, err := k.decode(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if lived >= stillsSteady {
			tries, pause = 1, stillsPause
		}
		if tries == stillsTries {
			k.log.WarnContext(ctx, "no more pictures of this broadcast: their process keeps dying", "times", tries, "error", err)
			return
		}
		k.log.InfoContext(ctx, "the process that makes pictures has ended: it is started again", "error", err)
		select {
		case <-time.After(pause + rand.N(pause/4)):
		case <-ctx.Done():
			return
		}
		pause *= 2
	}
}

// decode is the life of one process, from the first keyframe on. A nil error means
// that all is over.
func (k *keyframer) decode(ctx context.Context) (lived time.Duration, err error) {
	key, ok := k.first(ctx)
	if !ok {
		return 0, nil
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	o := k.options
	o.Config = key.record
	process, err := k.start(ctx, o)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = k.feed(ctx, process, key)
	if err != nil {
		stop(err)
		if last := process.Wait(); last != nil {
			err = last
		}
		return time.Since(began), err
	}
	k.drain(process, stop)
	return time.Since(began), nil
}

// first waits for a keyframe.
func (k *keyframer) first(ctx context.Context) (keyframe, bool) {
	select {
	case key, ok := <-k.keys:
		return key, ok
	case <-ctx.Done():
		return keyframe{}, false
	}
}

// feed gives a process keyframes until the last one, and otherwise says why not.
func (k *keyframer) feed(ctx context.Context, process Stills, key keyframe) error {
	record, behind := key.record, 0
	for {
		if !bytes.Equal(record, key.record) {
			if err := process.Reconfigure(key.record); err != nil {
				return fmt.Errorf("take another configuration: %w", err)
			}
			record = key.record
		}
		switch err := process.WriteKeyframe(key.Packet, key.held); {
		case err == nil:
			behind = 0
		case errors.Is(err, ffmpeg.ErrBehind):
			if behind++; behind == stillsBehind {
				return errStuck
			}
		case errors.Is(err, ffmpeg.ErrClosed): // it has ended, and says so below
		default:
			k.log.DebugContext(ctx, "no picture of a keyframe", "error", err)
		}
		var ok bool
		select {
		case key, ok = <-k.keys:
			if !ok {
				return nil
			}
		case <-process.Done():
			return errEndedEarly
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// errEndedEarly stands for what the process itself says.
var errEndedEarly = errors.New("it ended")

// drain lets the process end by itself, for a while.
func (k *keyframer) drain(process Stills, stop context.CancelCauseFunc) {
	process.CloseInput()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-process.Done():
	case <-timer.C:
		stop(errBehind)
	}
	_ = process.Wait() // its last word concerns nobody
}
