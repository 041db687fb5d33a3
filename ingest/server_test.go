package ingest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/ingest/rtmptest"
	"github.com/pharos-live/pharos/internal/memhttp"
)

func TestPublish_FramesArriveInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		var asked ingest.Publish
		r := serve(t, ingest.HandlerFunc(func(_ context.Context, p ingest.Publish) (ingest.Sink, error) {
			asked = p
			return s, nil
		}), ingest.Options{})
		c := r.dial()
		must(t, c.Command(0, "connect", 1, map[string]any{
			"app": "live", "flashVer": "FMLE/3.0 (test)", "fourCcList": []any{"av01", "hvc1", "avc1"},
		}))
		_, err := c.ReadCommand("_result")
		must(t, err)
		must(t, c.Command(0, "releaseStream", 2, nil, "news_key"))
		must(t, c.Command(0, "FCPublish", 3, nil, "news_key"))
		must(t, c.CreateStream())
		must(t, c.Command(0, "_checkbw", 5, nil))
		must(t, c.Command(rtmptest.Stream, "publish", 4, nil, "news_key?token=abc", "live"))
		status, err := c.ReadStatus()
		must(t, err)
		if want := "NetStream.Publish.Start"; status.Code != want {
			t.Fatalf("got status %+v, want %s", status, want)
		}

		must(t, c.SetChunkSize(300))
		must(t, c.WriteMessage(5, rtmptest.TypeData, 1, 0, rtmptest.AMF0("@setDataFrame", "onMetaData", map[string]any{"width": 1.0})))
		must(t, c.Video(0, rtmptest.VideoConfig()))
		must(t, c.Audio(0, rtmptest.AudioConfig()))
		must(t, c.Video(0, rtmptest.Picture(true, 66, 5000)))
		must(t, c.Audio(21, rtmptest.Sound(100)))
		must(t, c.Video(0, rtmptest.VideoConfig())) // the same again
		must(t, c.Video(33, rtmptest.Picture(false, 0, 900)))
		must(t, c.Video(66, rtmptest.Picture(false, -33, 800)))
		must(t, c.Unpublish())
		if err := s.reason(t); err != nil {
			t.Errorf("got reason %v, want a clean unpublish", err)
		}

		want := []string{
			"video dts=0 cts=0 45 bytes config",
			"audio dts=0 cts=0 2 bytes config",
			"video dts=0 cts=5940 5004 bytes key",
			"audio dts=1890 cts=0 100 bytes",
			"video dts=2970 cts=0 904 bytes",
			"video dts=5940 cts=-2970 804 bytes",
		}
		if diff := cmp.Diff(want, summaries(s.got())); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		wantAsked := ingest.Publish{
			App: "live", Key: "news_key", Query: "token=abc", Remote: c.LocalAddr().String(),
			Encoder: "FMLE/3.0 (test)", FourCC: []string{"av01", "hvc1", "avc1"},
		}
		if diff := cmp.Diff(wantAsked, asked); diff != "" {
			t.Errorf("publish (-want +got):\n%s", diff)
		}
		if got := r.log.String(); strings.Contains(got, "news_key") {
			t.Errorf("the log has a whole stream key:\n%s", got)
		}
	})
}

func TestPublish_PayloadIsTheEncoders(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		c := serve(t, take(s), ingest.Options{}).publish()
		body := rtmptest.Picture(true, 0, 200_000)
		must(t, c.Video(0, rtmptest.VideoConfig()))
		must(t, c.Video(0, body))
		must(t, c.Unpublish())
		_ = s.reason(t)
		frames := s.got()
		if len(frames) != 2 {
			t.Fatalf("got %v", summaries(frames))
		}
		if !bytes.Equal(frames[1].Payload, body[5:]) {
			t.Error("the payload is not what was sent")
		}
		config, err := ingest.ParseVideoConfig(frames[0].Payload)
		must(t, err)
		if config.Width != 1280 || config.Height != 720 || config.FPS != 30 {
			t.Errorf("got %v", config)
		}
	})
}

func TestPublish_Refusals(t *testing.T) {
	t.Parallel()
	refuse := func(err error) ingest.Handler {
		return ingest.HandlerFunc(func(context.Context, ingest.Publish) (ingest.Sink, error) { return nil, err })
	}
	long := strings.Repeat("a reason ", 40) // many chunks of 128 bytes: the library's own text is shorter
	for _, test := range []struct {
		name, app, key string
		handler        ingest.Handler
		want           rtmptest.Status
	}{
		{
			"by the handler, with a code", "live", "news_key", refuse(&ingest.Refusal{Code: ingest.CodeDenied, Text: "stream key revoked"}),
			rtmptest.Status{Level: "error", Code: ingest.CodeDenied, Description: "stream key revoked"},
		},
		{
			"by the handler, with any error", "live", "news_key", refuse(errors.New(long)),
			rtmptest.Status{Level: "error", Code: ingest.CodeRejected, Description: long},
		},
		{
			"wrong app", "stream", "news_key", take(newSink()),
			rtmptest.Status{Level: "error", Code: ingest.CodeRejected, Description: `unknown application "stream": the server URL is rtmp://HOST/live, with the stream key as stream name`},
		},
		{
			"empty key", "live", "", take(newSink()),
			rtmptest.Status{Level: "error", Code: ingest.CodeDenied, Description: "the stream key is empty: set it as stream key, or publish to rtmp://HOST/live/KEY"},
		},
		{
			"a handler's panic", "live", "news_key", ingest.HandlerFunc(func(context.Context, ingest.Publish) (ingest.Sink, error) { panic("boom") }),
			rtmptest.Status{Level: "error", Code: ingest.CodeRejected, Description: "internal error"},
		},
		{
			"a handler that gives nothing", "live", "news_key", refuse(nil),
			rtmptest.Status{Level: "error", Code: ingest.CodeRejected, Description: "internal error: no place for the stream"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := serve(t, test.handler, ingest.Options{})
				c := r.dial()
				var got rtmptest.Status
				if err := c.Publish(test.app, test.key); !errors.As(err, &got) {
					t.Fatalf("got %v, want a status", err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("status (-want +got):\n%s", diff)
				}
				mustClose(t, c)
				r.mustLog(`msg="publish refused"`)
				if got := r.Stats().Refused.Load(); got != 1 {
					t.Errorf("got %d refusals, want 1", got)
				}
			})
		})
	}
}

func TestPublish_ClientLeavesWhileTheHandlerDecides(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		cause := make(chan error, 1)
		r := serve(t, ingest.HandlerFunc(func(ctx context.Context, _ ingest.Publish) (ingest.Sink, error) {
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return s, nil // too late
		}), ingest.Options{})
		c := r.dial()
		must(t, c.Connect("live"))
		must(t, c.CreateStream())
		must(t, c.Command(rtmptest.Stream, "publish", 3, nil, "news_key", "live"))
		time.Sleep(25 * time.Second) // longer than Setup: it is not the client's turn
		must(t, c.Close())
		if err := <-cause; !errors.Is(err, ingest.ErrLeft) {
			t.Errorf("got cause %v, want ErrLeft", err)
		}
		if err := s.reason(t); !errors.Is(err, ingest.ErrLeft) {
			t.Errorf("Sink closed with %v, want ErrLeft", err)
		}
	})
}

func TestPublish_SlowHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		r := serve(t, ingest.HandlerFunc(func(context.Context, ingest.Publish) (ingest.Sink, error) {
			time.Sleep(30 * time.Second)
			return s, nil
		}), ingest.Options{})
		c := r.dial()
		must(t, c.Connect("live"))
		must(t, c.CreateStream())
		must(t, c.Command(rtmptest.Stream, "publish", 3, nil, "news_key", "live"))
		// An encoder that does not wait for the answer loses nothing, as long as it is little.
		must(t, c.Video(0, rtmptest.VideoConfig()))
		must(t, c.Video(0, rtmptest.Picture(true, 0, 3000)))
		status, err := c.ReadStatus()
		must(t, err)
		if status.Code != "NetStream.Publish.Start" {
			t.Fatalf("got %+v", status)
		}
		must(t, c.Video(33, rtmptest.Picture(false, 0, 300)))
		must(t, c.Unpublish())
		_ = s.reason(t)
		if got := len(s.got()); got != 3 {
			t.Errorf("got %v, want 3 frames", summaries(s.got()))
		}
	})
}

func TestPublish_EncoderVanishes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		c := serve(t, take(s), ingest.Options{}).publish()
		must(t, c.Video(0, rtmptest.VideoConfig()))
		must(t, c.Close())
		if err := s.reason(t); !errors.Is(err, ingest.ErrLeft) {
			t.Errorf("got %v, want ErrLeft", err)
		}
	})
}

// TestPublish_LastWords holds that what an encoder said before it closed counts, though it is not
// there any more to take an answer.
func TestPublish_LastWords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		c := serve(t, take(s), ingest.Options{}).publish()
		block := make(chan struct{})
		s.write = func(ingest.Frame) error { <-block; return nil }
		must(t, c.Video(0, rtmptest.VideoConfig()))
		synctest.Wait()
		must(t, c.WriteMessage(2, rtmptest.TypeUserControl, 0, 0, []byte{0, 6, 1, 2, 3, 4})) // to be answered
		must(t, c.Unpublish())
		must(t, c.Close())
		close(block)
		if err := s.reason(t); err != nil {
			t.Errorf("got %v, want a clean unpublish", err)
		}
	})
}

func TestSink_EndsThePublish(t *testing.T) {
	t.Parallel()
	write := func(s *sink, err error) { s.write = func(ingest.Frame) error { return err } }
	for _, test := range []struct {
		name string
		act  func(*sink)
		want rtmptest.Status
	}{
		{
			"by Done", func(s *sink) { s.why = errors.New("a newer publish of this channel has begun"); close(s.done) },
			rtmptest.Status{Level: "error", Code: ingest.CodeFailed, Description: "a newer publish of this channel has begun"},
		},
		{
			"by Done without a reason", func(s *sink) { close(s.done) },
			rtmptest.Status{Level: "error", Code: ingest.CodeFailed, Description: "the broadcast has ended"},
		},
		{
			"by Write", func(s *sink) { write(s, errors.New("the runner died")) },
			rtmptest.Status{Level: "error", Code: ingest.CodeFailed, Description: "the runner died"},
		},
		{
			"by Write with a code", func(s *sink) { write(s, &ingest.Refusal{Code: ingest.CodeDenied, Text: "banned"}) },
			rtmptest.Status{Level: "error", Code: ingest.CodeDenied, Description: "banned"},
		},
		{
			"by a panic in Write", func(s *sink) { s.write = func(ingest.Frame) error { panic("boom") } },
			rtmptest.Status{Level: "error", Code: ingest.CodeFailed, Description: "internal error"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSink()
				c := serve(t, take(s), ingest.Options{}).publish()
				test.act(s)
				must(t, c.Video(0, rtmptest.VideoConfig()))
				got, err := c.ReadStatus()
				must(t, err)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("status (-want +got):\n%s", diff)
				}
				mustClose(t, c)
				if err := s.reason(t); err == nil {
					t.Error("Sink closed without a reason")
				}
			})
		})
	}
}

func TestPanic_OthersGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		good, bad := newSink(), newSink()
		bad.write = func(ingest.Frame) error { panic("boom") }
		r := serve(t, ingest.HandlerFunc(func(_ context.Context, p ingest.Publish) (ingest.Sink, error) {
			if p.Key == "bad_key" {
				return panicky{bad}, nil
			}
			return good, nil
		}), ingest.Options{})
		c := r.publish()
		must(t, c.Video(0, rtmptest.VideoConfig()))
		b := r.dial()
		must(t, b.Publish("live", "bad_key"))
		must(t, b.Video(0, rtmptest.VideoConfig()))
		mustClose(t, b)
		must(t, c.Video(0, rtmptest.Picture(true, 0, 100)))
		must(t, c.Unpublish())
		if err := good.reason(t); err != nil {
			t.Errorf("got %v", err)
		}
		if got := len(good.got()); got != 2 {
			t.Errorf("got %d frames, want 2", got)
		}
		r.mustLog("boom")
		r.mustLog("another boom")
	})
}

// panicky panics in Close too.
type panicky struct{ *sink }

func (panicky) Close(error) { panic("another boom") }

func TestServe_StopTellsThePublishers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		r := serve(t, take(s), ingest.Options{})
		c := r.publish()
		idle := r.conn()
		stopped := make(chan error, 1)
		go func() { stopped <- r.stop() }()
		got, err := c.ReadStatus()
		must(t, err)
		want := rtmptest.Status{Level: "error", Code: ingest.CodeFailed, Description: ingest.ErrStopping.Error()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		mustClose(t, c)
		mustClose(t, idle)
		must(t, <-stopped)
		if err := s.reason(t); !errors.Is(err, ingest.ErrStopping) {
			t.Errorf("got reason %v, want ErrStopping", err)
		}
		if open := r.Stats().Open.Load(); open != 0 {
			t.Errorf("%d connections are open after Serve returned", open)
		}
	})
}

func TestServe_StopWhileTheHandlerDecides(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := serve(t, ingest.HandlerFunc(func(ctx context.Context, _ ingest.Publish) (ingest.Sink, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}), ingest.Options{})
		c := r.dial()
		must(t, c.Connect("live"))
		must(t, c.CreateStream())
		must(t, c.Command(rtmptest.Stream, "publish", 3, nil, "news_key", "live"))
		synctest.Wait()
		go func() { _ = r.stop() }()
		got, err := c.ReadStatus()
		must(t, err)
		if got.Description != ingest.ErrStopping.Error() {
			t.Errorf("got %+v", got)
		}
	})
}

func TestServe_SecondPublishAndPlay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		r := serve(t, take(s), ingest.Options{})
		c := r.publish()
		must(t, c.Command(rtmptest.Stream, "publish", 4, nil, "other_key", "live"))
		got, err := c.ReadStatus()
		must(t, err)
		want := rtmptest.Status{Level: "error", Code: ingest.CodeBadName, Description: "already publishing on this connection; it can carry one stream"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("second publish (-want +got):\n%s", diff)
		}
		must(t, c.Video(0, rtmptest.VideoConfig())) // the first goes on
		must(t, c.Unpublish())
		if err := s.reason(t); err != nil || len(s.got()) != 1 {
			t.Errorf("got %v and %v", err, summaries(s.got()))
		}

		p := r.dial()
		must(t, p.Connect("live"))
		must(t, p.CreateStream())
		must(t, p.Command(rtmptest.Stream, "play", 4, nil, "news_key"))
		got, err = p.ReadStatus()
		must(t, err)
		if got.Code != "NetStream.Play.Failed" || !strings.Contains(got.Description, "plays them by HLS alone") {
			t.Errorf("got %+v", got)
		}
		mustClose(t, p)
	})
}

func TestServe_AcceptErrorsDoNotSpin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bad := &failing{}
		s := newSink()
		r := serveOn(t, take(s), ingest.Options{}, memhttp.NewListener(), func(ln net.Listener) net.Listener {
			bad.Listener, bad.left = ln, 20
			return bad
		})
		c := r.publish() // after all of them
		must(t, c.Unpublish())
		must(t, s.reason(t))
		if got := r.Stats().AcceptErrs.Load(); got != 20 {
			t.Errorf("got %d accept errors, want 20", got)
		}
		if got := time.Since(bad.first); got < 10*time.Second {
			t.Errorf("20 accept errors took %s: no back-off", got)
		}
	})
}

// failing is a listener whose first Accepts fail.
type failing struct {
	net.Listener
	left  int
	first time.Time
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left == 0 {
		return f.Listener.Accept()
	}
	if f.first.IsZero() {
		f.first = time.Now()
	}
	f.left--
	return nil, errors.New("too many open files")
}

func TestServe_BrokenListener(t *testing.T) {
	bubble(t, func(t *testing.T) {
		server, err := ingest.NewServer(take(newSink()), ingest.Options{})
		must(t, err)
		ln := memhttp.NewListener()
		must(t, ln.Close())
		if err := server.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	})
}

func TestServe_AcknowledgesAndAnswersPings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		c := serve(t, take(s), ingest.Options{}).publish()
		must(t, c.WriteMessage(2, rtmptest.TypeWindowAck, 0, 0, binary.BigEndian.AppendUint32(nil, 1))) // floor: 64 KiB
		must(t, c.WriteMessage(2, rtmptest.TypeUserControl, 0, 0, []byte{0, 6, 1, 2, 3, 4}))
		m, err := c.ReadMessage()
		must(t, err)
		if want := (rtmptest.Message{Type: rtmptest.TypeUserControl, Body: []byte{0, 7, 1, 2, 3, 4}}); !cmp.Equal(m, want) {
			t.Errorf("got %+v, want %+v", m, want)
		}
		must(t, c.SetChunkSize(60_000))
		must(t, c.Video(0, rtmptest.VideoConfig()))
		must(t, c.Video(0, rtmptest.Picture(true, 0, 50_000)))
		m, err = c.ReadMessage()
		must(t, err)
		if m.Type != rtmptest.TypeAck || binary.BigEndian.Uint32(m.Body) < 32<<10 {
			t.Errorf("got %+v, want an acknowledgement of 32 KiB or more", m)
		}
		must(t, c.Unpublish())
		for m, err = c.ReadMessage(); err == nil; m, err = c.ReadMessage() {
			t.Errorf("got one more message, %+v: go-rtmp counts its own bytes", m)
		}
		must(t, s.reason(t))
	})
}

func TestNewServer_NamesBadOptions(t *testing.T) {
	t.Parallel()
	_, err := ingest.NewServer(take(newSink()), ingest.Options{Idle: -1, MaxConns: -1})
	if err == nil || !strings.Contains(err.Error(), "Idle") || !strings.Contains(err.Error(), "MaxConns") {
		t.Errorf("got %v", err)
	}
	if _, err := ingest.NewServer(nil, ingest.Options{}); err == nil {
		t.Error("a nil handler is accepted")
	}
}
