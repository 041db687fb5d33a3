package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/pool"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/proto/pharos/broadcast/v1/broadcastv1connect"
)

const (
	// opening bounds what the frame stream may take to reach the runner.
	opening = 5 * time.Second
	// farewell bounds what the end of a publish may take: the runner closes the last part, uploads
	// it and ends the feed in this time.
	farewell = 15 * time.Second
)

// Why a publish ends from the far side, in words for its streamer. What is behind them is logged.
var (
	errReplaced   = errors.New("a newer publish of this channel has begun")
	errRunnerLost = errors.New("the runner of this broadcast was lost; reconnect")
	errOver       = errors.New("the broadcast has ended")
)

// errLate says that a runner did not end its broadcast within farewell.
var errLate = errors.New("the broadcast did not end in time")

type frameStream = connect.BidiStreamForClient[broadcastv1.PublishRequest, broadcastv1.PublishResponse]

// A forwarder carries the frames of one publish to its runner. It is the publish's Sink.
//
//	Write ─▶ queue ─send─▶ stream ─▶ runner     the publish ends from the far side when
//	                         │                    receive: the stream is refused or breaks
//	           acks ◀─receive┘                    watch:   the job has ended
//	                                              guard:   a newer publish has begun
//
// Whether the job has ended, and how, the pool alone says. The runner keeps reading until then, and
// Close ends the stream.
type forwarder struct {
	registry  *registry.Registry
	lease     *registry.PublishLease
	placement *Placement
	spec      *broadcastv1.Spec
	log       *slog.Logger

	queue    *frameQueue
	stream   *frameStream
	sent     atomic.Uint64 // frames
	received atomic.Uint64 // of these, what the runner has acknowledged
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	done chan struct{} // closed when the publish is to end

	mu      sync.Mutex // protects err and closing
	err     error      // why done is closed
	closing bool       // Close has begun: nobody waits for done any more
}

var _ Sink = (*forwarder)(nil)

// newForwarder opens the frame stream, for at most opening or until ctx ends. What it starts lives
// until Close, whatever becomes of ctx, and Close releases the lease. When it fails, the placement is
// told to stop.
func newForwarder(ctx context.Context, r *registry.Registry, lease *registry.PublishLease, placement *Placement, spec *broadcastv1.Spec, log *slog.Logger) (*forwarder, error) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	client, url := placement.Client()
	f := &forwarder{
		registry: r, lease: lease, placement: placement, spec: spec, log: log,
		queue:  newFrameQueue(queueBytes, queueSpan),
		stream: broadcastv1connect.NewFramesServiceClient(hangUp{client}, url).Publish(work),
		cancel: cancel,
		done:   make(chan struct{}),
	}
	if err := f.open(ctx); err != nil {
		cancel()
		_, _ = f.stream.CloseRequest(), f.stream.CloseResponse() // it never began
		_ = placement.Stop(context.WithoutCancel(ctx))           // where that fails, the job waits for its publish in vain, and ends
		return nil, err
	}
	f.wg.Go(f.send)
	f.wg.Go(func() { f.receive(work) })
	f.wg.Go(func() { f.watch(work) })
	f.wg.Go(func() { f.guard(work) })
	return f, nil
}

// hangUp is a client whose requests end with their context. Go's HTTP/2 heeds a context only between
// the steps of sending a body: not while it waits for more of it, nor for flow control, as where the
// runner has stopped reading.
type hangUp struct{ connect.HTTPClient }

// Do implements connect.HTTPClient.
func (c hangUp) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.HTTPClient.Do(r)
	if err == nil {
		context.AfterFunc(r.Context(), func() { _ = resp.Body.Close() }) // aborts the stream both ways
	}
	return resp, err
}

// open sends the first message, which makes the connection.
func (f *forwarder) open(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, opening)
	defer stop()
	defer context.AfterFunc(ctx, f.cancel)()
	err := f.stream.Send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Open{
		Open: &broadcastv1.Open{BroadcastId: f.spec.GetBroadcastId(), Epoch: f.spec.GetEpoch()},
	}})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF): // the answer says why
		_, err = f.stream.Receive()
	}
	return err
}

// Write queues one frame and never blocks. When the runner is behind by more than the queue's bound,
// frames are dropped; that is logged and counted.
func (f *forwarder) Write(frame Frame) error {
	if dropped := f.queue.push(frame); dropped > 0 {
		f.log.Warn("the runner is behind: frames dropped", "frames", dropped,
			"sent", f.sent.Load(), "received", f.received.Load())
	}
	return nil
}

// Done is closed when the publish is to end.
func (f *forwarder) Done() <-chan struct{} { return f.done }

// Err says why, after Done.
func (f *forwarder) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Close ends the publish: what is queued goes out, the runner is told, and when Close returns the
// broadcast has ended and its slot is free. A runner that was lost, or does not end the broadcast
// within farewell, has the end of its playlists written here.
func (f *forwarder) Close(reason error) {
	f.mu.Lock()
	f.closing = true
	f.mu.Unlock()
	text := "the streamer stopped"
	if reason != nil {
		text = reason.Error()
	}
	began := time.Now()
	f.queue.close(text)
	err := f.await()
	f.cancel()
	f.wg.Wait()
	release(f.lease)
	f.report(text, time.Since(began), err)
	if err != nil {
		f.settle(text, err)
	}
}

// report is the one log line of a broadcast's end. That the job failed its runner has told already.
func (f *forwarder) report(reason string, took time.Duration, err error) {
	facts := []any{
		"reason", reason, "took", took,
		"sent", f.sent.Load(), "received", f.received.Load(), "dropped", f.queue.lost(),
	}
	var remote *pool.RemoteError
	switch {
	case err == nil:
		f.log.Info("broadcast ended", facts...)
	case errors.As(err, &remote):
		f.log.Info("broadcast ended", append(facts, "error", err)...)
	default:
		f.log.Warn("broadcast lost its runner", append(facts, "error", err)...)
	}
}

// await waits for the job's end: nil, *pool.RemoteError, *pool.LostError or errLate.
func (f *forwarder) await() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), farewell, errLate)
	defer cancel()
	err := f.placement.Wait(ctx)
	if errors.Is(err, errLate) {
		_ = f.placement.Stop(context.Background()) // bounded by the pool; the job may heed it yet
	}
	return err
}

// finish has the publish end, unless it ends already.
func (f *forwarder) finish(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing || f.err != nil {
		return
	}
	f.err = err
	close(f.done)
}

// watch ends the publish when the job has ended by itself.
func (f *forwarder) watch(ctx context.Context) {
	err := f.placement.Wait(ctx)
	var remote *pool.RemoteError
	var lost *pool.LostError
	switch {
	case errors.As(err, &remote):
		f.finish(errors.New(remote.Message))
	case errors.As(err, &lost):
		f.finish(errRunnerLost)
	case err == nil:
		f.finish(errOver)
	default: // ctx has ended
	}
}

// guard ends the publish when a newer one of the channel begins: by the doorbell, and at the latest
// by the lease's next renewal.
func (f *forwarder) guard(ctx context.Context) {
	select {
	case <-f.lease.Done():
		f.finish(errReplaced)
	case <-ctx.Done():
	}
}

// send drains the queue into the stream until the queue is closed.
func (f *forwarder) send() {
	defer f.stream.CloseRequest() //nolint:errcheck // receive sees the same fault
	for {
		frame, ok := f.queue.pop()
		if !ok {
			break
		}
		if err := f.stream.Send(f.request(frame, f.sent.Add(1))); err != nil {
			return // receive says why
		}
	}
	end := &broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_End{
		End: &broadcastv1.End{Reason: f.queue.reason()},
	}}
	_ = f.stream.Send(end) // receive sees the same fault
}

// receive takes acknowledgements until the stream ends. A stream that ends well is no news: it
// followed the publish's own end.
func (f *forwarder) receive(ctx context.Context) {
	for {
		ack, err := f.stream.Receive()
		if err == nil {
			f.received.Store(ack.GetReceived())
			continue
		}
		_ = f.stream.CloseResponse()
		if !errors.Is(err, io.EOF) && ctx.Err() == nil {
			f.log.Warn("the frame stream broke", "error", err)
			f.finish(streamFault(err))
		}
		return
	}
}

// streamFault is what the streamer hears of a stream that broke: the runner's own words where it
// refused the publish.
func streamFault(err error) error {
	var ce *connect.Error
	if connect.IsWireError(err) && errors.As(err, &ce) && ce.Code() == connect.CodeFailedPrecondition {
		return errors.New(ce.Message())
	}
	return errRunnerLost
}

func (f *forwarder) request(frame Frame, sequence uint64) *broadcastv1.PublishRequest {
	return &broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Frame{Frame: &broadcastv1.Frame{
		Sequence:          sequence,
		Epoch:             f.spec.GetEpoch(),
		Kind:              kindToProto(frame.Kind),
		Codec:             codecToProto(frame.Codec),
		Dts:               frame.DTS,
		CompositionOffset: frame.CTS,
		Keyframe:          frame.Key,
		Config:            frame.Config,
		Payload:           frame.Payload,
	}}}
}

func kindToProto(k Kind) broadcastv1.Kind {
	if k == Audio {
		return broadcastv1.Kind_KIND_AUDIO
	}
	return broadcastv1.Kind_KIND_VIDEO
}

func codecToProto(codec string) broadcastv1.Codec {
	switch codec {
	case CodecAAC:
		return broadcastv1.Codec_CODEC_AAC
	case CodecH265:
		return broadcastv1.Codec_CODEC_H265
	default:
		return broadcastv1.Codec_CODEC_H264
	}
}
