package broadcast_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/memhttp"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/registry/registrytest"
	"github.com/pharos-live/pharos/internal/wire"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/proto/pharos/broadcast/v1/broadcastv1connect"
	"github.com/pharos-live/pharos/runner/broadcast"
)

// Configurations as x264 and an AAC encoder write them: 640x360 at 30 fps, and 48 kHz stereo.
var (
	avcC = []byte{
		1, 0x42, 0xc0, 0x1e, 0xff, 0xe1,
		0, 0x19, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x58, 0xb6, 0x58,
		1, 0, 4, 0x68, 0xce, 0x0f, 0xc8,
	}
	asc = []byte{0x11, 0x90}
)

// backlog is how many entries wait for Redis: those of half a minute.
const backlog = 256

// A rig is a Service with one job on it, and a publisher of frames.
type rig struct {
	*testing.T
	store *objstore.Memory
	redis *registrytest.Redis
	link  *registrytest.Link // of the service
	edge  *registry.Registry
	svc   *broadcast.Service
	http  *memhttp.Server
	log   *lines

	spec   *broadcastv1.Spec
	cancel context.CancelCauseFunc // of the job
	ready  chan struct{}
	ended  chan struct{} // the job has returned
	err    error         // what it returned, once ended
}

// newRig makes a Service. The caller closes it.
func newRig(t *testing.T, o broadcast.Options) *rig {
	t.Helper()
	// Last of all: the Redis client's dialler looks each second whether it was closed.
	t.Cleanup(func() { time.Sleep(2 * time.Second) })
	r := &rig{T: t, store: &objstore.Memory{}, redis: registrytest.Mini(t), log: &lines{}}
	r.link = r.redis.Link()
	r.edge = r.redis.Registry(t, registry.Options{})
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	r.svc = broadcast.New(r.store, r.link.Registry(t, registry.Options{Logger: o.Logger, Backlog: backlog}), o)
	_, frames := broadcast.NewHandler(r.svc)
	r.http = memhttp.New(frames)
	r.spec = &broadcastv1.Spec{
		BroadcastId: "b", Channel: "news", Epoch: 5, Term: 7, Server: "a",
		Packaging: &broadcastv1.Packaging{
			SegmentNs: int64(2 * time.Second), TargetDurationNs: int64(4 * time.Second),
			PartNs: int64(333 * time.Millisecond), WindowNs: int64(time.Minute),
		},
		Transcoding: &broadcastv1.Transcoding{IncludeSource: true},
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
	})
	return r
}

// run starts the job and waits until it is ready or has failed.
func (r *rig) run() {
	ctx, cancel := context.WithCancelCause(context.Background())
	r.cancel, r.ready, r.ended = cancel, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(r.ended)
		r.err = r.svc.Run(ctx, r.spec, func(*broadcastv1.Started) { close(r.ready) })
	}()
	select {
	case <-r.ready:
	case <-r.ended:
	}
}

// close ends what still runs.
func (r *rig) close() {
	if r.cancel != nil {
		r.cancel(nil)
		<-r.ended
	}
	r.http.Close()
}

// wait waits for the job's end.
func (r *rig) wait(limit time.Duration) error {
	r.Helper()
	select {
	case <-r.ended:
	case <-time.After(limit):
		r.Fatalf("the job has not ended within %v", limit)
	}
	return r.err
}

// end is the reason of the feed's End entry; "" where there is none.
func (r *rig) end() string {
	r.Helper()
	snap, err := r.edge.Snapshot(context.Background(), "b")
	if errors.Is(err, registry.ErrNone) {
		return ""
	}
	if err != nil {
		r.Fatal(err)
	}
	last, err := wire.DecodeEvent(snap.Entries[len(snap.Entries)-1].Data)
	if err != nil {
		r.Fatal(err)
	}
	end, _ := last.(hls.End)
	return end.Reason
}

// free says whether the channel's lease is gone.
func (r *rig) free() bool {
	_, err := r.edge.Live(context.Background(), "news")
	return errors.Is(err, registry.ErrNone)
}

// A publisher sends frames as ingest does.
type publisher struct {
	*rig
	stream *connect.BidiStreamForClient[broadcastv1.PublishRequest, broadcastv1.PublishResponse]
	seq    uint64
	began  time.Time
	leave  context.CancelFunc
	acks   sync.WaitGroup

	mu  sync.Mutex // protects ack
	ack *broadcastv1.PublishResponse
}

// publish opens the stream and sends both configurations.
func (r *rig) publish() *publisher {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &publisher{rig: r, leave: cancel, began: time.Now()}
	p.stream = broadcastv1connect.NewFramesServiceClient(r.http.Client(), r.http.URL()).Publish(ctx)
	p.send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Open{
		Open: &broadcastv1.Open{BroadcastId: "b", Epoch: r.spec.GetEpoch()},
	}})
	p.acks.Go(p.receive)
	p.frame(&broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_VIDEO, Codec: broadcastv1.Codec_CODEC_H264, Config: true, Payload: avcC})
	p.frame(&broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_AUDIO, Codec: broadcastv1.Codec_CODEC_AAC, Config: true, Payload: asc})
	return p
}

func (p *publisher) receive() {
	for {
		ack, err := p.stream.Receive()
		if err != nil {
			_ = p.stream.CloseResponse()
			return
		}
		p.mu.Lock()
		p.ack = ack
		p.mu.Unlock()
	}
}

// last is the newest acknowledgement.
func (p *publisher) last() *broadcastv1.PublishResponse {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ack
}

func (p *publisher) send(m *broadcastv1.PublishRequest) {
	p.Helper()
	if err := p.stream.Send(m); err != nil && !errors.Is(err, io.EOF) {
		p.Fatalf("send: %v", err)
	}
}

func (p *publisher) frame(f *broadcastv1.Frame) {
	p.Helper()
	p.seq++
	f.Sequence, f.Epoch = p.seq, p.spec.GetEpoch()
	p.send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Frame{Frame: f}})
}

// media sends pictures of 30 fps, keyframes each two seconds, and their sound, from one time of the
// publish to another, at the pace of their timestamps.
func (p *publisher) media(from, to time.Duration) {
	p.Helper()
	const interval, aacFrame = 3000, 1920 // ticks
	const tick = time.Second / 90_000
	sounds := int64(from/tick) / aacFrame
	for i := int64(from/tick) / interval; time.Duration(i*interval)*tick < to; i++ {
		time.Sleep(time.Until(p.began.Add(time.Duration(i*interval) * tick)))
		for ; sounds*aacFrame <= i*interval; sounds++ {
			p.frame(&broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_AUDIO, Codec: broadcastv1.Codec_CODEC_AAC, Dts: sounds * aacFrame, Payload: make([]byte, 300)})
		}
		key, nal := i%60 == 0, byte(0x41)
		if key {
			nal = 0x65
		}
		p.frame(&broadcastv1.Frame{
			Kind: broadcastv1.Kind_KIND_VIDEO, Codec: broadcastv1.Codec_CODEC_H264, Dts: i * interval, Keyframe: key,
			Payload: append([]byte{0, 0, 0, 100, nal}, make([]byte, 99)...),
		})
	}
}

// unpublish ends the publish well.
func (p *publisher) unpublish(reason string) {
	p.Helper()
	p.send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_End{End: &broadcastv1.End{Reason: reason}}})
}

// close ends the stream, as ingest does once it knows of the job's end.
func (p *publisher) close() {
	p.leave()
	_ = p.stream.CloseRequest() // whatever it says, the stream is over
	p.acks.Wait()
}

// lines is a log that can be searched.
type lines struct {
	mu  sync.Mutex // protects buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
