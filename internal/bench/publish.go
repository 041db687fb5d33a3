package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/pharos-live/pharos/ingest"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/proto/pharos/broadcast/v1/broadcastv1connect"
)

type frameStream = connect.BidiStreamForClient[broadcastv1.PublishRequest, broadcastv1.PublishResponse]

// packaging is the settings' defaults.
var packaging = &broadcastv1.Packaging{
	SegmentNs:        int64(2 * time.Second),
	TargetDurationNs: int64(4 * time.Second),
	PartNs:           int64(333 * time.Millisecond),
	WindowNs:         int64(15 * time.Minute),
}

// A publish is one broadcast to be: its frames go out at their own pace.
type publish struct {
	socket    string
	broadcast string
	epoch     uint64
	term      uint64 // once it runs
	frames    []ingest.Frame
	sent      []time.Time // when each frame was handed to the stream; read it once the publish is over
}

func newPublish(socket string, frames []ingest.Frame) *publish {
	return &publish{
		socket: socket, broadcast: ulid.Make().String(), epoch: 1,
		frames: frames, sent: make([]time.Time, len(frames)),
	}
}

// run carries one broadcast without a ladder from its first frame to its end.
func (p *publish) run(ctx context.Context, r *rig) error {
	var err error
	if p.epoch, err = r.registry.NextEpoch(ctx, p.broadcast); err != nil {
		return err
	}
	if p.term, err = r.registry.NextTerm(ctx, p.broadcast); err != nil {
		return err
	}
	spec := &broadcastv1.Spec{
		BroadcastId: p.broadcast, Channel: p.broadcast, Epoch: p.epoch, Term: p.term, Server: "bench",
		Packaging:   packaging,
		Transcoding: &broadcastv1.Transcoding{IncludeSource: true},
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- r.service.Run(ctx, spec, func(*broadcastv1.Started) { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		return fmt.Errorf("start broadcast %s: %w", p.broadcast, err)
	}
	err = p.send(ctx)
	return errors.Join(err, <-ended)
}

// send carries the frames over a connection of their own, as the pool's placements have it, and
// returns when the far side has seen the end.
func (p *publish) send(ctx context.Context) error {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols: &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", p.socket)
		},
	}
	defer transport.CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx) // a fault of either direction ends the stream, and so the other
	stream := broadcastv1connect.NewFramesServiceClient(&http.Client{Transport: transport}, "http://runner").Publish(ctx)
	group.Go(func() error { return p.feed(ctx, stream) })
	group.Go(func() error { return drain(stream) })
	return errors.Join(group.Wait(), stream.CloseResponse())
}

// feed sends everything, each frame when it is due.
func (p *publish) feed(ctx context.Context, stream *frameStream) error {
	open := &broadcastv1.Open{BroadcastId: p.broadcast, Epoch: p.epoch}
	if err := stream.Send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Open{Open: open}}); err != nil {
		return fmt.Errorf("open the publish: %w", err)
	}
	began := time.Now()
	for i, f := range p.frames {
		if err := sleepUntil(ctx, began.Add(at(f))); err != nil {
			return err
		}
		p.sent[i] = time.Now()
		if err := stream.Send(p.request(uint64(i)+1, f)); err != nil {
			return fmt.Errorf("send frame %d: %w", i, err)
		}
	}
	end := &broadcastv1.End{Reason: "the clip is over"}
	if err := stream.Send(&broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_End{End: end}}); err != nil {
		return fmt.Errorf("end the publish: %w", err)
	}
	return stream.CloseRequest()
}

// drain takes acknowledgements until the far side ends the stream.
func drain(stream *frameStream) error {
	for {
		if _, err := stream.Receive(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("receive acknowledgements: %w", err)
		}
	}
}

func (p *publish) request(sequence uint64, f ingest.Frame) *broadcastv1.PublishRequest {
	kind, codec := broadcastv1.Kind_KIND_VIDEO, broadcastv1.Codec_CODEC_H264
	if f.Kind == ingest.Audio {
		kind, codec = broadcastv1.Kind_KIND_AUDIO, broadcastv1.Codec_CODEC_AAC
	}
	return &broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Frame{Frame: &broadcastv1.Frame{
		Sequence: sequence, Epoch: p.epoch, Kind: kind, Codec: codec,
		Dts: f.DTS, CompositionOffset: f.CTS, Keyframe: f.Key, Config: f.Config, Payload: f.Payload,
	}}}
}

// sleepUntil returns at t, or with the cause when ctx ends first.
func sleepUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
