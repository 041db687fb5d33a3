package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pharos-live/pharos/internal/registry"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner"
)

// releaseTime bounds the release of the channel's lease: where Redis does not
// answer, the lease expires by itself.
const releaseTime = time.Second

// Why a broadcast ends: in words, as they reach the encoder and the log.
var (
	errNoPublish = errors.New("no publish came")
	errNoMedia   = errors.New("the publish ended before any media came")
	errReplaced  = errors.New("a newer publish of this channel has begun")
	errShutdown  = errors.New("the runner of this broadcast is shutting down")
	errFlush     = errors.New("the end of the broadcast could not be written in time")
	errAlone     = errors.New("parent and registry are gone: stopped without an end")
)

// A session is one broadcast on this runner. Its run goroutine owns all of it
// but the intake.
type session struct {
	service *Service
	spec    *broadcastv1.Spec
	log     *slog.Logger

	*intake
	line atomic.Pointer[pipeline] // nil until the tracks are known
	over *ending                  // nil unless every playlist has its end

	done chan struct{} // closed when the session has ended
}

// Run carries one broadcast: the implementation of the broadcast job. It calls
// ready once frames may come, and returns when the broadcast has ended and all
// of it is flushed. When ctx ends, the broadcast ends in good order, bounded by
// Options.Flush.
//
// It returns nil when the publish ended or the job was told to stop, and
// otherwise why the broadcast ended or what of its end went wrong.
func (s *Service) Run(ctx context.Context, spec *broadcastv1.Spec, ready func(*broadcastv1.Started)) error {
	se := &session{
		service: s,
		spec:    spec,
		log:     s.o.Logger.With("broadcast", spec.GetBroadcastId(), "channel", spec.GetChannel()),
		intake:  newIntake(spec.GetEpoch()),
		done:    make(chan struct{}),
	}
	if err := s.add(se); err != nil {
		return err
	}
	defer s.remove(se)
	defer close(se.done)
	return se.run(ctx, ready)
}

// run is the broadcast from top to bottom.
func (se *session) run(ctx context.Context, ready func(*broadcastv1.Started)) error {
	plan, err := se.service.planFor(ctx, se.spec)
	if err != nil {
		return err
	}
	ctx, lease, release := se.hold(ctx)
	defer se.record(ctx) // after the release: the next publish of the channel need not wait for it
	defer release()
	ready(&broadcastv1.Started{Machine: se.service.o.Machine})
	if err := se.awaitOpen(ctx); err != nil {
		return wording(err)
	}
	tracks, err := collect(ctx, se.frames, se.service.o.Tally)
	if err != nil {
		return wording(err)
	}
	line, err := se.startPipeline(ctx, plan, tracks, func(line *pipeline) {
		lease.Update(func(l *registry.Live) {
			l.State, l.Renditions = registry.StateLive, line.names()
			l.Video, l.Audio = tracks.describe()
		})
		line.pictures.told(func(number uint64) {
			lease.Update(func(l *registry.Live) { l.Poster = number })
		})
		se.log.InfoContext(ctx, "broadcast is live", "renditions", line.names())
	})
	if err != nil {
		return err
	}
	defer line.abort() // nothing is left by then, unless of a panic
	se.line.Store(line)
	cause := se.pump(ctx, line, tracks)
	return se.finish(ctx, line, cause)
}

// hold takes the channel's lease and returns a context that ends, with
// errReplaced, when the lease is lost. The lease outlives ctx: whoever waits for
// the channel waits until release, when this broadcast has ended.
func (se *session) hold(ctx context.Context) (work context.Context, lease *registry.Lease, release func()) {
	lease = se.service.registry.HoldLive(context.WithoutCancel(ctx), se.live())
	work, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-lease.Done():
			cancel(errReplaced)
		case <-work.Done():
		}
	})
	return work, lease, func() {
		cancel(nil)
		watch.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
		defer cancel()
		_ = lease.Release(ctx) // it expires by itself otherwise
	}
}

func (se *session) live() registry.Live {
	return registry.Live{
		Channel:   se.spec.GetChannel(),
		Broadcast: se.spec.GetBroadcastId(),
		Epoch:     se.spec.GetEpoch(),
		Term:      se.spec.GetTerm(),
		Machine:   se.service.o.Machine,
		Server:    se.spec.GetServer(),
		Started:   time.Now(),
		State:     registry.StateStarting,
	}
}

// keep is the first frame that a successor would need.
func (se *session) keep() uint64 {
	if line := se.line.Load(); line != nil {
		return line.packager.Keep()
	}
	return 1
}

func (se *session) awaitOpen(ctx context.Context) error {
	timer := time.NewTimer(se.service.o.Open)
	defer timer.Stop()
	select {
	case <-se.opened:
		return nil
	case <-timer.C:
		return fmt.Errorf("wait %v for the publish: %w", se.service.o.Open, errNoPublish)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pump carries frames until the publish, ctx or the pipeline ends; it says why.
// A nil cause is a publish that ended.
func (se *session) pump(ctx context.Context, line *pipeline, tracks *tracks) error {
	for _, f := range tracks.head {
		if err := line.frame(f); err != nil {
			return err
		}
	}
	tracks.head = nil
	for {
		select {
		case f, ok := <-se.frames:
			if !ok {
				return nil
			}
			if err := line.frame(f); err != nil {
				return err
			}
		case <-line.faulty:
			return line.fault()
		case <-line.ended():
			return line.why()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// flushing is the time of the end, which is its own: job may be what ended the
// broadcast. It is cut short when the parent is gone and the registry cannot be
// reached, as when that was embedded in the parent: nobody can be told then.
func (se *session) flushing(job context.Context) (ctx context.Context, cancel func()) {
	ctx, timeout := context.WithTimeoutCause(context.WithoutCancel(job), se.service.o.Flush,
		fmt.Errorf("%w (%v)", errFlush, se.service.o.Flush))
	ctx, cut := context.WithCancelCause(ctx)
	asked := make(chan struct{})
	stop := context.AfterFunc(job, func() {
		defer close(asked)
		if errors.Is(context.Cause(job), runner.ErrOrphaned) && se.alone(ctx) {
			cut(errAlone)
		}
	})
	return ctx, func() {
		cut(nil)
		timeout()
		if !stop() {
			<-asked
		}
	}
}

// alone says that the registry cannot be reached.
func (se *session) alone(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return se.service.registry.Check(ctx) != nil && !errors.Is(ctx.Err(), context.Canceled)
}

// askTime is what the registry gets to answer an orphan.
const askTime = 500 * time.Millisecond

// finish ends the broadcast in good order: last parts out, every playlist
// ended. A fenced session only stops: the broadcast is another's.
func (se *session) finish(ctx context.Context, line *pipeline, cause error) error {
	ctx, cancel := se.flushing(ctx)
	defer cancel()
	if errors.Is(cause, registry.ErrFenced) {
		line.abort()
		se.log.WarnContext(ctx, "broadcast is another term's now: stopped without an end", "error", cause)
		return cause
	}
	reason := se.endReason()
	if cause != nil {
		reason = reasonOf(cause)
	}
	err := line.finish(ctx, reason)
	if err == nil {
		deadline, _ := ctx.Deadline()
		if errors.Is(cause, errReplaced) { // the newer publish may be waiting for this slot
			deadline = time.Now().Add(journalTime)
		}
		se.over = &ending{reason: reason, deadline: deadline}
	}
	if cause == nil {
		cause = line.fault() // of the encoder, in its last frames
	}
	if !errors.Is(err, cause) { // what broke the pipeline comes out of both
		err = errors.Join(wording(cause), err)
	}
	if err != nil && !errors.Is(err, errReplaced) {
		se.log.WarnContext(ctx, "broadcast has ended", "reason", reason, "error", err)
	} else {
		se.log.InfoContext(ctx, "broadcast has ended", "reason", reason)
	}
	return err
}

// An ending is the end of a broadcast all of whose playlists have theirs.
type ending struct {
	reason   string
	deadline time.Time // for what is written after it
}

// record writes what is left of the journal and, where the broadcast has ended well,
// the replay, within what is left of Options.Flush. It fails nothing: a keeper does
// what does not get done.
func (se *session) record(ctx context.Context) {
	line := se.line.Load()
	if line == nil || !line.known() {
		return // nothing was ever shown
	}
	ctx = context.WithoutCancel(ctx)
	if se.over == nil {
		ctx, cancel := context.WithTimeout(ctx, journalTime)
		defer cancel()
		_ = line.recorder.flush(ctx) // the keeper finds out what is missing
		return
	}
	ctx, cancel := context.WithDeadline(ctx, se.over.deadline)
	defer cancel()
	index, err := line.recorder.finish(ctx, se.over.reason)
	if err != nil {
		se.log.WarnContext(ctx, "the replay is left to the keeper", "error", err)
		return
	}
	se.log.InfoContext(ctx, "replay is there", "state", index.State, "seconds", index.Duration, "renditions", index.Renditions)
}

// wording is what the job answers for the cause of its end: nothing where it
// was told to end, which is no fault, and an error that its streamer
// understands where the runner goes.
func wording(cause error) error {
	switch {
	case errors.Is(cause, runner.ErrStopped), errors.Is(cause, runner.ErrOrphaned):
		return nil
	case errors.Is(cause, runner.ErrShutdown):
		return errShutdown
	default:
		return cause
	}
}

// reasonOf is the cause of an end as the feed's last entry says it.
func reasonOf(cause error) string {
	switch {
	case errors.Is(cause, runner.ErrStopped):
		return "the app server told the broadcast to end"
	case errors.Is(cause, runner.ErrOrphaned):
		return "the app server that took the publish is gone"
	case errors.Is(cause, runner.ErrShutdown):
		return errShutdown.Error()
	default:
		return cause.Error()
	}
}
