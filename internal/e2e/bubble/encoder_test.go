package bubble_test

import (
	"context"
	"errors"
	"time"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/ingest/rtmptest"
)

// tracks are what an encoder sends.
type tracks struct {
	video, audio bool
	after        time.Duration // in which nothing is sent
}

var both = tracks{video: true, audio: true}

const (
	second   = 90_000                 // ticks
	interval = second / 30            // of pictures
	gop      = 60                     // pictures
	aacFrame = 1024 * second / 48_000 // ticks
	tick     = time.Second / second   // short by a tenth of a millisecond each second
)

// An encoder publishes to an app server, as the RTMP session of a real one does: what ends the
// session closes its Sink.
type encoder struct {
	sink   ingest.Sink
	end    chan error    // why the streamer ends it
	closed chan struct{} // Close has returned
	reason error         // why it ended, once closed
	took   time.Duration // what Close took, once closed
}

// publish begins to publish a channel, or fails the test.
func (a *app) publish(channel string, t tracks) *encoder {
	a.Helper()
	e, err := a.tryPublish(context.Background(), channel, t)
	if err != nil {
		a.Fatalf("publish: %v", err)
	}
	return e
}

// publishSoon is publish for another goroutine than the test's.
func (a *app) publishSoon(channel string) {
	if _, err := a.tryPublish(context.Background(), channel, both); err != nil {
		a.Errorf("publish: %v", err)
	}
}

func (a *app) tryPublish(ctx context.Context, channel string, t tracks) (*encoder, error) {
	sink, err := a.locator.Publish(ctx, ingest.Publish{App: ingest.App, Key: channel, Remote: "192.0.2.1:1234"})
	if err != nil {
		if sink != nil {
			a.Errorf("got the sink %#v beside the error %v, want none", sink, err)
		}
		return nil, err
	}
	e := &encoder{sink: sink, end: make(chan error, 1), closed: make(chan struct{})}
	go e.run(t)
	a.atEnd(func() { e.stop(ingest.ErrStopping) })
	return e, nil
}

// run writes frames at the pace of their timestamps.
func (e *encoder) run(t tracks) {
	defer close(e.closed)
	e.reason = e.send(t)
	began := time.Now()
	e.sink.Close(e.reason)
	e.took = time.Since(began)
}

func (e *encoder) send(t tracks) error {
	began := time.Now().Add(t.after)
	time.Sleep(t.after)
	if t.video {
		_ = e.sink.Write(ingest.Frame{Kind: ingest.Video, Codec: ingest.CodecH264, Config: true, Payload: rtmptest.AVCConfig(rtmptest.SPS, rtmptest.PPS)})
	}
	if t.audio {
		_ = e.sink.Write(ingest.Frame{Kind: ingest.Audio, Codec: ingest.CodecAAC, Config: true, Payload: rtmptest.ASC})
	}
	if !t.video && !t.audio {
		select {
		case reason := <-e.end:
			return reason
		case <-e.sink.Done():
			return e.sink.Err()
		}
	}
	pictures, sounds := int64(0), int64(0)
	for {
		f := ingest.Frame{Kind: ingest.Video, Codec: ingest.CodecH264, DTS: pictures * interval}
		switch {
		case t.video && (!t.audio || f.DTS <= sounds*aacFrame):
			f.Key = pictures%gop == 0
			f.Payload = picture(f.Key)
			pictures++
		default:
			f = ingest.Frame{Kind: ingest.Audio, Codec: ingest.CodecAAC, DTS: sounds * aacFrame, Payload: rtmptest.Sound(300)[2:]}
			sounds++
		}
		select {
		case <-time.After(time.Until(began.Add(time.Duration(f.DTS) * tick))):
		case reason := <-e.end:
			return reason
		case <-e.sink.Done():
			return e.sink.Err()
		}
		if err := e.sink.Write(f); err != nil {
			return err
		}
	}
}

func picture(key bool) []byte {
	if key {
		return rtmptest.NALU(0x65, 5000)
	}
	return rtmptest.NALU(0x41, 1000)
}

// stop ends the publish for that reason, nil being a clean unpublish, and waits for it. It may be
// called again.
func (e *encoder) stop(reason error) {
	select {
	case e.end <- reason:
	default:
	}
	<-e.closed
}

// ended waits for an end that the far side brought about, and says why.
func (c *cluster) ended(e *encoder, wait time.Duration) error {
	c.Helper()
	select {
	case <-e.closed:
	case <-time.After(wait):
		c.Fatalf("the publish has not ended within %v", wait)
	}
	if e.reason == nil || errors.Is(e.reason, ingest.ErrStopping) {
		c.Errorf("the publish ended by itself (%v), want by the far side", e.reason)
	}
	return e.reason
}
