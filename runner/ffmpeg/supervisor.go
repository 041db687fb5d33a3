package ffmpeg

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	checkEvery = 250 * time.Millisecond // how often a gauge is asked
	firstPause = time.Second            // after the second failure in a row; doubled by each further one
	mostPause  = 30 * time.Second
)

// ErrDown says that a frame was left out because no ffmpeg runs at this moment. Nothing is to be done:
// writing goes on, and the next keyframe that may begin one does.
var ErrDown = errors.New("no ffmpeg runs: frame left out")

// An encoder is what a Supervisor needs of a [Process].
type encoder interface {
	Write(f Packet) error
	Reconfigure(config []byte) error
	CloseInput()
	Wait() error
	Done() <-chan struct{}
	Stats() QueueStats
	PID() int
}

// A Supervisor keeps a broadcast's rungs coming, with one ffmpeg after another:
//
//	        crash, stall, slow               keyframe
//	running ──────────────────▶ ending ─▶ down ─────▶ running
//	   │                                   ▲ │ pause
//	   └─ failed before the first packet   └─┘
//	      ever: Wait returns the error
//
// An ffmpeg that ends by itself, that lets frames in and none out (Stall), or that falls behind its source
// (Lag) is ended, by SIGTERM and then SIGKILL, and the next one begins with the next keyframe. What lies
// between is lost, and OnLost says so. PTS, picture sizes and options stay the same, so the rungs go on in
// the same format, and with an IDR.
//
// A crash or a stall is a failure: after the second one in a row the next ffmpeg waits, and longer
// after each further one, up to 30 s. Slowness is none, as nothing is broken: a machine too small for its
// ladder goes on with holes. An ffmpeg that fails before any packet has ever come would fail again, and
// ends the Supervisor.
//
// Methods may be called from several goroutines at once; frames come in order only from one.
type Supervisor struct {
	o     SupervisorOptions
	ctx   context.Context
	start func(o Options) (encoder, context.CancelCauseFunc, error) // an ffmpeg that ends with ctx, or by the function
	works atomic.Bool                                               // a packet has come out of some ffmpeg
	tasks sync.WaitGroup
	done  chan struct{}

	mu        sync.Mutex // protects what follows
	current   *attempt   // nil: none runs
	config    []byte     // the configuration record in force
	closing   bool       // CloseInput was called
	over      bool       // done is closed
	err       error      // what Wait returns
	newest    int64      // the greatest PTS written since the last keyframe
	failures  []time.Time
	streak    int  // failures in a row
	givenUp   bool // OnGivenUp was told, and it has not worked for long since
	notBefore time.Time
	ended     QueueStats // of those that have ended
	stats     SupervisorStats
	slowLog   seldom
	behindLog seldom
}

// Supervise starts the first ffmpeg; its error is Start's. The Supervisor ends when ctx does, or once
// CloseInput was called and everything is encoded. In any case, call Wait.
func Supervise(ctx context.Context, o SupervisorOptions) (*Supervisor, error) {
	return supervise(ctx, o, func(ctx context.Context, o Options) (encoder, error) { return Start(ctx, o) })
}

func supervise(ctx context.Context, o SupervisorOptions, launch func(context.Context, Options) (encoder, error)) (*Supervisor, error) {
	if o.OnLost == nil {
		return nil, errors.New("supervise ffmpeg: no OnLost: nobody hears what is lost")
	}
	s := &Supervisor{
		o: o.withDefaults(), ctx: ctx, done: make(chan struct{}), config: o.Config, newest: math.MinInt64,
	}
	s.start = func(o Options) (encoder, context.CancelCauseFunc, error) {
		ctx, stop := context.WithCancelCause(ctx)
		e, err := launch(ctx, o)
		if err != nil {
			stop(nil)
		}
		return e, stop, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.beginLocked(math.MinInt64); err != nil {
		return nil, err
	}
	s.tasks.Go(s.watchContext)
	return s, nil
}

// watchContext ends a Supervisor whose ctx ends while no ffmpeg runs.
func (s *Supervisor) watchContext() {
	select {
	case <-s.done:
	case <-s.ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.current == nil {
			s.finishLocked(fmt.Errorf("ffmpeg was stopped: %w", context.Cause(s.ctx)))
		}
	}
}

// beginLocked starts an ffmpeg, whose first frame is the one at from.
func (s *Supervisor) beginLocked(from int64) error {
	a := &attempt{
		from: from, began: time.Now(),
		gauge: &gauge{
			stall: s.o.Stall, first: s.o.First, lag: s.o.Lag, holds: s.o.ReorderDepth,
			rungs: make([]rungGauge, len(s.o.Outputs)),
		},
	}
	o := s.o.Options
	o.Config = s.config
	o.OnPacket = func(rung int, st Stream, p Packet) {
		a.gauge.got(rung, p.PTS)
		s.works.Store(true)
		if p.PTS >= a.from { // else a picture of an open GOP, whose references are lost
			s.o.OnPacket(rung, st, p)
		}
	}
	var err error
	if a.encoder, a.stop, err = s.start(o); err != nil {
		return err
	}
	s.current = a
	s.stats.Starts++
	s.tasks.Go(func() { s.watch(a) })
	return nil
}

// watch lives as long as a does.
func (s *Supervisor) watch(a *attempt) {
	defer a.stop(nil)
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-a.Done():
			s.handle(a)
			return
		case <-tick.C:
			if err := a.gauge.check(time.Now(), func(i int) string { return s.o.Outputs[i].Name() }); err != nil {
				s.end(a, err)
			}
		}
	}
}

// end has a end, because of cause. At the end of the input nothing is mended: how long that may take is
// for whoever closed it to say.
func (s *Supervisor) end(a *attempt, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.cause == nil && !s.closing {
		a.cause = cause
		a.stop(cause)
	}
}

// handle is what follows from the end of a, all of whose packets have been handed on.
func (s *Supervisor) handle(a *attempt) {
	err := a.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil
	st := a.Stats()
	s.ended.Taken += st.Taken
	s.ended.Dropped += st.Dropped
	switch {
	case s.ctx.Err() != nil, !s.works.Load():
		s.finishLocked(err)
	case s.closing && a.cause != nil: // it was to be mended, but there is no next keyframe
		s.finishLocked(nil)
	case s.closing:
		s.finishLocked(err)
	default:
		if time.Since(a.began) >= s.o.Within {
			s.streak, s.givenUp = 0, false
		}
		s.mendLocked(cmp.Or(a.cause, err))
	}
}

// mendLocked notes that an ffmpeg has ended because of err, and when the next one may begin.
func (s *Supervisor) mendLocked(err error) {
	now := time.Now()
	defer s.o.OnLost(s.newest)
	if errors.Is(err, errSlow) {
		s.stats.Slow++
		s.slowLog.warn(s.o.Logger, now, "ffmpeg is begun anew at the next keyframe", "error", err)
		return
	}
	if errors.Is(err, errStalled) {
		s.stats.Stalls++
	} else {
		s.stats.Crashes++
	}
	s.streak++
	for len(s.failures) > 0 && now.Sub(s.failures[0]) >= s.o.Within {
		s.failures = s.failures[1:]
	}
	s.failures = append(s.failures, now)
	news := len(s.failures) >= s.o.Failures && !s.givenUp
	s.givenUp = s.givenUp || news
	pause := s.pauseLocked()
	s.notBefore = now.Add(pause)
	s.o.Logger.Warn("ffmpeg has failed: it is begun anew at the next keyframe",
		"error", err, "failures", s.streak, "pause", pause.String(), "starts", s.stats.Starts)
	if news {
		s.o.Logger.Error("ffmpeg keeps failing: the rungs are gaps until it works again",
			"error", err, "failures", len(s.failures), "within", s.o.Within.String())
		s.o.OnGivenUp(err)
	}
}

// pauseLocked is how long the next ffmpeg has to wait: not at all after one failure, which may be the source's.
// Broadcasts that fail together, as when a card resets, come back apart, as their keyframes are.
func (s *Supervisor) pauseLocked() time.Duration {
	switch {
	case s.givenUp:
		return mostPause
	case s.streak < 2:
		return 0
	default:
		return min(firstPause<<min(s.streak-2, 10), mostPause)
	}
}

func (s *Supervisor) finishLocked(err error) {
	if s.over {
		return
	}
	s.over, s.err = true, err
	close(s.done)
}

// Write hands one frame to ffmpeg; it never waits for it, though a frame that begins an ffmpeg takes as
// long as the system needs to start a process. Frames come in decoding order, and their NAL units stand
// behind their lengths. The Supervisor keeps f.Data: do not change it. Errors: ErrBehind and ErrDown,
// after which writing goes on; ErrClosed; and one for a frame that NUT cannot carry.
func (s *Supervisor) Write(f Packet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.over {
		return ErrClosed
	}
	if f.Key {
		s.newest = f.PTS
	}
	s.newest = max(s.newest, f.PTS)
	if s.current == nil && !s.resumeLocked(f) {
		s.stats.Lost++
		s.o.OnLost(s.newest)
		return ErrDown
	}
	a := s.current
	if a.cause != nil {
		s.stats.Lost++ // told once it has ended
		return ErrDown
	}
	err := a.Write(f)
	if errors.Is(err, ErrClosed) { // it has ended just now
		s.stats.Lost++
		return ErrDown
	}
	s.noteLocked(a, f, err)
	return err
}

// resumeLocked begins an ffmpeg with f, if one may begin with it.
func (s *Supervisor) resumeLocked(f Packet) bool {
	if !f.Key || s.ctx.Err() != nil || time.Now().Before(s.notBefore) {
		return false
	}
	if err := s.beginLocked(f.PTS); err != nil {
		s.mendLocked(err)
		return false
	}
	s.o.Logger.Info("ffmpeg is begun anew", "pid", s.current.PID(), "starts", s.stats.Starts, "lost", s.stats.Lost)
	return true
}

// noteLocked keeps count of what a did with f.
func (s *Supervisor) noteLocked(a *attempt, f Packet, err error) {
	switch {
	case err == nil:
		a.fed = true
		a.gauge.put(time.Now(), f)
		if a.behind {
			s.o.Logger.Debug("ffmpeg takes frames again", "left_out", a.left)
			a.behind, a.left = false, 0
		}
	case errors.Is(err, ErrBehind) && a.fed:
		a.left++
		if !a.behind {
			a.behind = true
			s.stats.Behind++
			st := a.Stats()
			s.behindLog.warn(s.o.Logger, time.Now(), "ffmpeg is behind: pictures are left out of the rungs until a keyframe", "frames", st.Frames, "bytes", st.Bytes)
		}
	}
}

// Reconfigure is [Process.Reconfigure], of this ffmpeg and those to come.
func (s *Supervisor) Reconfigure(config []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		if err := s.current.Reconfigure(config); err != nil {
			return err
		}
	} else if _, err := parseConfig(s.o.Codec, config); err != nil {
		return fmt.Errorf("reconfigure ffmpeg: %w", err)
	}
	s.config = bytes.Clone(config)
	return nil
}

// CloseInput ends the input. What an ffmpeg that runs was given is still encoded and handed to OnPacket. It
// may be called again.
func (s *Supervisor) CloseInput() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	if s.current != nil {
		s.current.CloseInput()
		return
	}
	s.finishLocked(nil)
}

// Wait blocks until the Supervisor has ended, and everything that it started; nothing is called back
// afterwards. It returns nil if the input was closed and all that could be encoded was, an error with the
// cause of the context in its chain if that ended first, else how the ffmpeg failed that ended it.
func (s *Supervisor) Wait() error {
	<-s.done
	s.tasks.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Done is closed when the Supervisor has ended.
func (s *Supervisor) Done() <-chan struct{} { return s.done }

// PID is the process id of the ffmpeg that runs; 0 while none does.
func (s *Supervisor) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0
	}
	return s.current.PID()
}

// Stats tells what happened so far.
func (s *Supervisor) Stats() SupervisorStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.QueueStats = s.ended
	if s.current != nil {
		q := s.current.Stats()
		st.Frames, st.Bytes = q.Frames, q.Bytes
		st.Taken += q.Taken
		st.Dropped += q.Dropped
	}
	return st
}
