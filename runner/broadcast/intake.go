package broadcast

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

// ackEvery is how often the runner acknowledges frames: often enough that
// ingest knows within a tenth of a second what a successor would need, seldom
// enough to cost nothing.
const ackEvery = 100 * time.Millisecond

// queueFrames bounds the frames between the stream and the session. Beyond it
// the stream is not read, and HTTP/2 flow control holds the sender back, which
// drops by its own policy.
const queueFrames = 512

type publishStream = connect.BidiStream[broadcastv1.PublishRequest, broadcastv1.PublishResponse]

// An intake is where the frames of a publish enter a session. Its frames
// channel is closed, once, when the publish is over.
type intake struct {
	frames   chan *broadcastv1.Frame
	opened   chan struct{} // closed when a publish has opened
	received atomic.Uint64 // the newest sequence number that came

	mu     sync.Mutex // protects all below
	epoch  uint64     // the newest seen
	isOpen bool
	reason string // why the publish ended
}

func newIntake(epoch uint64) *intake {
	return &intake{
		frames: make(chan *broadcastv1.Frame, queueFrames),
		opened: make(chan struct{}),
		epoch:  epoch,
	}
}

// open admits the session's one publish, unless a newer epoch is known.
func (in *intake) open(epoch uint64) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if epoch < in.epoch {
		return fmt.Errorf("epoch %d after %d: %w", epoch, in.epoch, errEpoch)
	}
	if in.isOpen {
		return errTaken
	}
	in.isOpen, in.epoch = true, epoch
	close(in.opened)
	return nil
}

// end notes why the publish is over: the first word counts.
func (in *intake) end(reason string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.reason == "" {
		in.reason = reason
	}
}

func (in *intake) endReason() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.reason
}

// receive reads the stream until its end and passes the frames of epoch on. It
// blocks while the session is behind. Once done is closed, what still comes is
// read and left out, until the sender has heard of the session's end.
func (in *intake) receive(stream *publishStream, epoch uint64, done <-chan struct{}) error {
	defer close(in.frames)
	for {
		m, err := stream.Receive()
		switch {
		case errors.Is(err, io.EOF):
			in.end("the app server ended the publish without saying why")
			return nil
		case err != nil:
			in.end(fmt.Sprintf("the app server's connection broke: %v", err))
			return err
		}
		if end := m.GetEnd(); end != nil {
			in.end(end.GetReason())
			return nil
		}
		f := m.GetFrame()
		if f == nil || f.GetEpoch() != epoch {
			continue // a frame of another publish, or a kind of message that this build does not know
		}
		select {
		case in.frames <- f:
			in.received.Store(f.GetSequence())
		case <-done:
		}
	}
}

// carry takes one publish that was opened: frames in, acknowledgements out. It
// returns when the sender has ended the stream, which it does once it knows
// that the job has ended: nothing here touches the stream after that.
func (se *session) carry(stream *publishStream, epoch uint64) error {
	over := make(chan struct{})
	var acks sync.WaitGroup
	acks.Go(func() { se.acknowledge(stream, over) })
	defer acks.Wait()
	defer close(over)
	return se.receive(stream, epoch, se.done)
}

// acknowledge tells the sender how far frames have come, until the publish or
// the session is over.
func (se *session) acknowledge(stream *publishStream, over <-chan struct{}) {
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			ack := &broadcastv1.PublishResponse{Received: se.received.Load(), Keep: se.keep()}
			if err := stream.Send(ack); err != nil {
				return // receive sees the same end
			}
		case <-over:
			return
		case <-se.done:
			return
		}
	}
}
