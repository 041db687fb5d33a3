package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/reap"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner/ffmpeg"
	"github.com/pharos-live/pharos/runner/packager"
)

// A pipeline is what a live broadcast consists of: the packager, the encoder of
// the rungs if there are any, and the feed. Its goroutines all belong to group
// and end by finish or abort.
//
// It fails in two ways. A fault (the encoder cannot go on, or made what cannot be
// read) leaves all that is needed to end the broadcast in good order: faulty is
// closed, and everything goes on. An error of the packager or the feed ends ctx:
// nothing can be announced any more.
type pipeline struct {
	log         *slog.Logger
	packager    *packager.Packager
	encoder     *ffmpeg.Supervisor // nil without rungs
	stopEncoder context.CancelCauseFunc
	outputs     []ffmpeg.Output // the rungs
	feed        *feed
	reaper      *reap.Live
	recorder    *recorder
	onLive      func(*pipeline)
	source      source
	keyed       bool      // a keyframe has come
	pictures    *pictures // nil: there are none

	ctx    context.Context // of the work: outlives the job's, until the end is flushed
	cancel context.CancelCauseFunc
	group  *errgroup.Group
	packed chan struct{} // closed once everything is announced

	faulty chan struct{} // closed by the first fault
	mu     sync.Mutex    // protects first
	first  error         // the first fault
}

var (
	errAborted = errors.New("the broadcast was aborted")
	errBehind  = errors.New("the encoder is too far behind to be waited for")
)

const (
	// drainTime is what the encoder gets at the end for what it still holds: it
	// is gone two seconds after the publish, whatever it was given to do.
	drainTime = time.Second
	// measureTime is how long the take waits for a second of each track, which
	// tells the bit rates.
	measureTime = 2 * time.Second
	// encoderLag is how far the encoder may fall behind before it leaves frames
	// out, in time of the source.
	encoderLag = 5 * time.Second
	// encoderGrace is what an ffmpeg that is no longer wanted gets to end by
	// itself: the next one waits for that.
	encoderGrace = 500 * time.Millisecond
)

// startPipeline starts all that turns frames into a broadcast. The feed is
// opened, and onLive called, as soon as every rendition's format is known.
func (se *session) startPipeline(ctx context.Context, p plan, t *tracks, onLive func(*pipeline)) (*pipeline, error) {
	outputs := p.outputs(t.video)
	p.packaging.Anchor = t.anchor
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	group, work := errgroup.WithContext(work)
	l := &pipeline{
		log:    se.log,
		feed:   newFeed(se.service.registry.Feed(p.packaging.Broadcast, p.packaging.Term), p.packaging, se.log),
		onLive: onLive,
		source: t.source(),
		ctx:    work,
		cancel: cancel,
		group:  group,
		packed: make(chan struct{}),
		faulty: make(chan struct{}),
	}
	l.pictures = se.newPictures(p, t, len(outputs), l.feed)
	l.recorder = newRecorder(se.service.store, journal.Object{
		Broadcast: p.packaging.Broadcast, Channel: se.spec.GetChannel(), Started: t.anchor, Term: p.packaging.Term,
	}, se.log)
	l.feed.noted = l.recorder.note
	var err error
	l.packager, err = packager.New(p.packaging, p.tracks(t, outputs), se.service.store, packager.Options{
		Announce:   l.announce,
		Older:      l.older,
		Encode:     l.encode,
		Predictors: predictors(p, t, outputs),
		Logger:     se.log,
	})
	if err != nil {
		cancel(errAborted)
		return nil, fmt.Errorf("start packaging: %w", err)
	}
	if err := l.startEncoder(work, p, t, outputs, se.service.o.FFmpeg); err != nil {
		cancel(errAborted)
		return nil, err
	}
	l.reaper = l.newReaper(se.service.store, p.packaging)
	l.recorder.start(context.WithoutCancel(ctx))
	group.Go(l.pack)
	group.Go(l.open)
	group.Go(func() error { return l.reaper.Run(l.ctx) })
	group.Go(func() error { l.pictures.decode(l.ctx); return nil })
	return l, nil
}

// pack uploads and announces until the end of the packager.
func (l *pipeline) pack() error {
	defer close(l.packed)
	return l.packager.Run(l.ctx)
}

func predictors(p plan, t *tracks, outputs []ffmpeg.Output) []packager.Predictor {
	var all []packager.Predictor
	for _, o := range outputs {
		all = append(all, ffmpeg.NewIDRPredictor(t.video.source(), o, p.packaging.Segment))
	}
	return all
}

// startEncoder starts the encoder of the broadcast, one ffmpeg after another, if it has rungs.
func (l *pipeline) startEncoder(ctx context.Context, p plan, t *tracks, outputs []ffmpeg.Output, path string) error {
	if len(outputs) == 0 {
		return nil
	}
	l.outputs = outputs
	formats := make([]string, len(outputs)) // each is its rung's goroutine's own
	ctx, stop := context.WithCancelCause(ctx)
	stills, onStill := l.pictures.stills(t.video.source())
	lost := newLosses()
	encoder, err := ffmpeg.Supervise(ctx, ffmpeg.SupervisorOptions{
		Options: ffmpeg.Options{
			Spec: ffmpeg.Spec{
				Codec: t.video.encoded(), Source: t.video.source(), Outputs: outputs,
				Segment: p.packaging.Segment, Backend: p.backend, Stills: stills,
			},
			OnStill:      onStill,
			Config:       t.video.record,
			ReorderDepth: t.reorderDepth(),
			Path:         path,
			QueueFrames:  int(encoderLag.Seconds() * max(t.video.FPS, usualRate)),
			Grace:        encoderGrace,
			Logger:       l.log,
			OnPacket: func(rung int, s ffmpeg.Stream, pkt ffmpeg.Packet) {
				if f := string(s.Extradata); f != formats[rung] {
					formats[rung] = f
					l.format(rung, s.Extradata)
				}
				l.rung(rung, pkt)
			},
		},
		OnLost: lost.note,
		OnGivenUp: func(err error) {
			// As long as viewers have the source, the rungs may stay gaps.
			if !p.listsSource(outputs) || !l.known() {
				l.fail(fmt.Errorf("encode the rungs: %w", err))
			}
		},
	})
	if err != nil {
		stop(err)
		return fmt.Errorf("start the encoder of %d rungs: %w", len(outputs), err)
	}
	l.encoder, l.stopEncoder = encoder, stop
	l.group.Go(func() error {
		lost.run(ctx, func(until int64) {
			for rung := range outputs {
				_ = l.packager.LoseRung(rung, until) // after the end nothing is left to lose
			}
		})
		return nil
	})
	l.group.Go(func() error {
		defer stop(nil)
		if err := encoder.Wait(); err != nil && !errors.Is(err, errBehind) {
			l.fail(fmt.Errorf("encode the rungs: %w", err))
		}
		return nil
	})
	return nil
}

// fail notes a fault, by which the broadcast is to end.
func (l *pipeline) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = err
		close(l.faulty)
	}
}

// fault is the first fault; nil if there was none.
func (l *pipeline) fault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

func (l *pipeline) format(rung int, extradata []byte) {
	if err := l.setRung(rung, extradata); err != nil {
		l.fail(fmt.Errorf("read the format of rung %d: %w", rung, err))
	}
}

func (l *pipeline) rung(rung int, pkt ffmpeg.Packet) {
	s := packager.Sample{DTS: pkt.PTS, PTS: pkt.PTS, Key: pkt.Key, Data: l.units(rung, pkt.Data)}
	if err := l.packager.Rung(rung, s); err != nil {
		l.fail(fmt.Errorf("package rung %d: %w", rung, err))
	}
}

// open appends the take once every rendition is known, and the source's bit rates
// with it: a playlist waits for its first whole segment anyway. Until then
// uploads go on, but nothing is announced.
func (l *pipeline) open() error {
	select {
	case <-l.packager.Ready():
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
	timer := time.NewTimer(measureTime)
	defer timer.Stop()
	select {
	case <-l.packager.Measured():
	case <-timer.C: // a track that comes late stays a guess
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
	if err := l.feed.take(l.ctx, l.packager.Renditions()); err != nil {
		return err
	}
	l.group.Go(func() error { return l.feed.run(l.ctx) })
	l.packager.Start()
	l.onLive(l)
	if l.pictures != nil {
		l.group.Go(func() error { l.pictures.run(l.ctx); return nil })
	}
	return nil
}

// names are the renditions that viewers get.
func (l *pipeline) names() []string {
	var names []string
	for _, r := range l.packager.Renditions() {
		names = append(names, r.Name)
	}
	return names
}

// frame takes one source frame. Where the pipeline has ended, its error says
// why that is.
func (l *pipeline) frame(f *broadcastv1.Frame) error {
	err := l.take(f)
	if err != nil && l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	return err
}

func (l *pipeline) take(f *broadcastv1.Frame) error {
	switch {
	case f.GetConfig():
		return l.reconfigure(f)
	case f.GetKind() == broadcastv1.Kind_KIND_AUDIO:
		return l.packager.Audio(sampleOf(f))
	default:
		s := sampleOf(f)
		if s.Key && !l.keyed {
			l.keyed = true
			// Nothing that refers to what came before is left behind a CRA picture that the publish
			// begins with. Browsers start at IDRs alone in H.264.
			s.Open = s.Open && f.GetCodec() != broadcastv1.Codec_CODEC_H265
		}
		return l.packager.Source(s)
	}
}

// encode gives the rungs' encoder a frame, and says whether it takes it. An
// encoder that is behind mends itself at a keyframe, and counts; that it has
// ended Wait tells.
func (l *pipeline) encode(s packager.Sample) (taken bool) {
	if s.Key {
		l.pictures.keyframe(s.PTS, s.Data)
	}
	if l.encoder == nil {
		return false
	}
	err := l.encoder.Write(ffmpeg.Packet{PTS: max(s.PTS, 0), Key: s.Key, Data: s.Data})
	if err != nil && !errors.Is(err, ffmpeg.ErrBehind) && !errors.Is(err, ffmpeg.ErrDown) && !errors.Is(err, ffmpeg.ErrClosed) {
		l.fail(fmt.Errorf("encode the rungs: %w", err))
	}
	return err == nil
}

// reconfigure takes a configuration in mid-stream: the source's own init
// section changes at the next keyframe, the rungs keep theirs.
func (l *pipeline) reconfigure(f *broadcastv1.Frame) error {
	switch ignore, err := l.source.admit(f); {
	case err != nil:
		return err
	case ignore:
		l.log.Warn("video has come too late: the broadcast stays without; a new publish would have it")
		return nil
	}
	if f.GetKind() == broadcastv1.Kind_KIND_AUDIO {
		return l.packager.SetAudio(f.GetPayload())
	}
	v, err := readVideo(f.GetCodec(), f.GetPayload())
	if err != nil {
		return err
	}
	l.pictures.configure(v)
	if l.encoder != nil {
		if err := l.encoder.Reconfigure(v.record); err != nil {
			return fmt.Errorf("change the encoder's input: %w", err)
		}
	}
	return l.setSource(v)
}

func sampleOf(f *broadcastv1.Frame) packager.Sample {
	return packager.Sample{
		DTS: f.GetDts(), PTS: f.GetDts() + f.GetCompositionOffset(),
		Key: f.GetKeyframe(), Open: f.GetKeyframe() && opensGOP(f),
		Data: f.GetPayload(), Seq: f.GetSequence(),
	}
}

// finish ends the broadcast: what the encoder holds comes out, the last parts
// are closed, uploaded and announced, and every playlist ends. ctx bounds it.
// Where no rendition was ever known, nobody has seen anything, and nothing is
// written.
func (l *pipeline) finish(ctx context.Context, reason string) error {
	defer l.abort()
	stop := context.AfterFunc(ctx, func() { l.cancel(context.Cause(ctx)) })
	defer stop()
	l.drainEncoder()
	l.pictures.close()
	l.packager.End()
	if !l.known() {
		return nil
	}
	select {
	case <-l.packed:
		l.reaper.Close()
		l.pictures.settle(ctx)
		l.group.Go(func() error { return l.feed.end(l.ctx, reason) })
	case <-l.ctx.Done():
	}
	return l.group.Wait()
}

// drainEncoder lets the encoder end by itself. One that is far behind, as on a
// machine too small for its ladder, is stopped: the rungs then end early, and
// the source has everything.
func (l *pipeline) drainEncoder() {
	if l.encoder == nil {
		return
	}
	l.encoder.CloseInput()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-l.encoder.Done():
	case <-timer.C:
		l.log.Warn("the encoder is behind at the end: its rungs end early", "waited", drainTime.String(), "frames", l.encoder.Stats().Frames)
		l.stopEncoder(errBehind)
		<-l.encoder.Done() // ctx's end kills it within its grace
	}
}

// ended is closed when the work was cut short, and why says by what.
func (l *pipeline) ended() <-chan struct{} { return l.ctx.Done() }

func (l *pipeline) why() error { return context.Cause(l.ctx) }

// known says whether the format of every rendition is known, and so announced
// or about to be.
func (l *pipeline) known() bool {
	select {
	case <-l.packager.Ready():
		return true
	default:
		return false
	}
}

// abort stops what still runs, at once, and waits for it. It may be called
// again.
func (l *pipeline) abort() {
	l.cancel(errAborted)
	_ = l.group.Wait() // its cause is known to the caller
	l.recorder.stop()
}
