package bubble_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/pool"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/proto/pharos/broadcast/v1/broadcastv1connect"
	"github.com/pharos-live/pharos/runner/broadcast"
)

// placed places a broadcast of a new epoch without a publish.
func (a *app) placed(channel string) (*ingest.Placement, *broadcastv1.Spec) {
	a.Helper()
	ctx := context.Background()
	epoch, err := a.registry.NextEpoch(ctx, channel)
	if err != nil {
		a.Fatal(err)
	}
	spec := &broadcastv1.Spec{
		BroadcastId: "b-" + channel, Channel: channel, Epoch: epoch, Term: epoch,
		Packaging: &broadcastv1.Packaging{
			SegmentNs: int64(segment), TargetDurationNs: int64(target), PartNs: int64(part), WindowNs: int64(time.Minute),
		},
		Transcoding: &broadcastv1.Transcoding{IncludeSource: true},
	}
	pl, err := a.place(ctx, spec)
	if err != nil {
		a.Fatal(err)
	}
	return pl, spec
}

type stream = connect.BidiStreamForClient[broadcastv1.PublishRequest, broadcastv1.PublishResponse]

// frames opens a frame stream that begins with first, and ends with the cluster.
func (a *app) frames(pl *ingest.Placement, first *broadcastv1.PublishRequest) *stream {
	a.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client, url := pl.Client()
	s := broadcastv1connect.NewFramesServiceClient(client, url).Publish(ctx)
	if err := s.Send(first); err != nil {
		a.Fatal(err)
	}
	a.atEnd(func() {
		cancel()
		_, _ = s.CloseRequest(), s.CloseResponse()
	})
	return s
}

func open(id string, epoch uint64) *broadcastv1.PublishRequest {
	return &broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Open{Open: &broadcastv1.Open{BroadcastId: id, Epoch: epoch}}}
}

func frame(f *broadcastv1.Frame) *broadcastv1.PublishRequest {
	return &broadcastv1.PublishRequest{Message: &broadcastv1.PublishRequest_Frame{Frame: f}}
}

func TestNoPublishAfterPlacement_FreesTheSlot(t *testing.T) {
	bubble(t, settings{broadcast: broadcast.Options{Open: 7 * time.Second}}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		began := time.Now()
		pl, _ := a.placed("void")
		err := pl.Wait(context.Background())
		var remote *pool.RemoteError
		if !errors.As(err, &remote) || !strings.Contains(remote.Message, "no publish came") {
			t.Errorf("the job ended with %v, want that no publish came", err)
		}
		if took := time.Since(began); took < 7*time.Second || took > 8*time.Second {
			t.Errorf("it ended after %v, want 7s", took)
		}
		a.slotFree(0)
		if _, err := c.edge.Live(context.Background(), "void"); !errors.Is(err, registry.ErrNone) {
			t.Errorf("the channel's lease: got %v, want none", err)
		}
	})
}

func TestPublish_IsRefused(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		pl, spec := a.placed("news")
		id, epoch := spec.GetBroadcastId(), spec.GetEpoch()
		refused := func(name string, first *broadcastv1.PublishRequest, code connect.Code, want string) {
			t.Helper()
			_, err := a.frames(pl, first).Receive()
			if connect.CodeOf(err) != code || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %v that says %q", name, err, code, want)
			}
		}
		refused("a stream that does not open", frame(&broadcastv1.Frame{Sequence: 1}), connect.CodeInvalidArgument, "begins with open")
		refused("another broadcast", open("another", epoch), connect.CodeNotFound, "no such broadcast")
		refused("an older epoch", open(id, epoch-1), connect.CodeFailedPrecondition, newer)

		first := a.frames(pl, open(id, epoch))
		if _, err := first.Receive(); err != nil { // an acknowledgement: it is open
			t.Fatal(err)
		}
		refused("a second stream", open(id, epoch), connect.CodeFailedPrecondition, "published already")
		if _, err := first.Receive(); err != nil {
			t.Errorf("the first stream ended with %v, want that it goes on", err)
		}
	})
}

func TestFramesOfAnotherEpoch_AreLeftOut(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		pl, spec := a.placed("news")
		s := a.frames(pl, open(spec.GetBroadcastId(), spec.GetEpoch()))
		send := func(f *broadcastv1.Frame) {
			t.Helper()
			if err := s.Send(frame(f)); err != nil {
				t.Fatal(err)
			}
		}
		send(&broadcastv1.Frame{Sequence: 1, Epoch: spec.GetEpoch(), Kind: broadcastv1.Kind_KIND_AUDIO, Codec: broadcastv1.Codec_CODEC_AAC, Payload: []byte{1}})
		for _, epoch := range []uint64{0, spec.GetEpoch() - 1, spec.GetEpoch() + 1} {
			// Were it taken, it would end the broadcast: it is of no known codec.
			send(&broadcastv1.Frame{Sequence: 2, Epoch: epoch, Config: true})
		}
		time.Sleep(time.Second)
		for range 5 {
			ack, err := s.Receive()
			if err != nil {
				t.Fatalf("the stream ended: %v", err)
			}
			if got := ack.GetReceived(); got > 1 {
				t.Errorf("frame %d is acknowledged, want none after 1", got)
			}
		}
	})
}

// TestSenderWhoGoesOn_IsReadUntilItEnds has a sender that does not heed the job's end: it is held up
// by nothing, and the runner's side ends with it.
func TestSenderWhoGoesOn_IsReadUntilItEnds(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		pl, spec := a.placed("news")
		s := a.frames(pl, open(spec.GetBroadcastId(), spec.GetEpoch()))
		if _, err := s.Receive(); err != nil {
			t.Fatal(err)
		}
		if err := pl.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := pl.Wait(context.Background()); err != nil {
			t.Errorf("the job ended with %v, want nil: it was told to", err)
		}
		began := time.Now()
		for i := range 2000 { // 20 MB, far more than flow control lets wait
			f := &broadcastv1.Frame{Sequence: uint64(i), Epoch: spec.GetEpoch(), Kind: broadcastv1.Kind_KIND_VIDEO, Payload: make([]byte, 10_000)}
			if err := s.Send(frame(f)); err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("sending took %v, want that nothing holds it up", took)
		}
		if err := s.CloseRequest(); err != nil {
			t.Fatal(err)
		}
		for err := error(nil); !errors.Is(err, io.EOF); _, err = s.Receive() {
			if err != nil {
				t.Fatalf("the stream ended with %v, want io.EOF", err)
			}
		}
	})
}

// TestRunnerCannotBeReached_ThePublishIsRefused has frames find no way to a runner that the pool
// still reaches.
func TestRunnerCannotBeReached_ThePublishIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		hang bool
		took time.Duration
	}{"refused": {false, 0}, "hangs": {true, 5 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, settings{}, func(c *cluster) {
				a := c.server("a", 2, settings{})
				a.publish("first", both)
				c.live("first", promised)
				a.path.block(test.hang)
				began := time.Now()
				_, err := a.tryPublish(context.Background(), "second", both)
				if err == nil || !strings.Contains(err.Error(), "the runner of this broadcast cannot be reached; try again soon") {
					t.Errorf("got %v, want that the runner cannot be reached", err)
				}
				if took := time.Since(began).Round(time.Second); took != test.took {
					t.Errorf("refused after %v, want %v", took, test.took)
				}
				c.eventually(time.Second, "its slot is free again", func() bool { return a.used() == 1 })
				if _, err := c.edge.Publish(context.Background(), "second"); !errors.Is(err, registry.ErrNone) {
					t.Errorf("the publish's lease: got %v, want none", err)
				}
			})
		})
	}
}
