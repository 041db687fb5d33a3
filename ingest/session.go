package ingest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"net"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/yutopp/go-rtmp"
	"github.com/yutopp/go-rtmp/message"
)

// maxKeptScratch is the largest buffer that a session keeps for the next message.
const maxKeptScratch = 2 << 20

// session is one connection: what go-rtmp calls back. All its methods but finish run on the
// connection's one goroutine.
type session struct {
	rtmp.DefaultHandler

	server *Server
	guard  *guard
	ctx    context.Context // ends with the connection, or when the client leaves before
	cancel context.CancelCauseFunc
	log    *slog.Logger
	remote string

	conn    *rtmp.Conn // nil until the handshake is done
	app     string
	encoder string

	sink        Sink // nil until a publish was allowed
	publishing  Publish
	demux       demuxer
	scratch     bytes.Buffer
	resets      int // of the encoder's clock, that were logged
	refused     bool
	unpublished bool
	failure     error // the first reason that a callback found to end

	watching sync.WaitGroup // the goroutine that waits for the Sink's Done
	over     chan struct{}  // closed when that need not wait any more
}

// newSession starts nothing. finished is called last, when go-rtmp is through with the connection.
// The end of ctx is not the session's: the server tells it, and why.
func newSession(ctx context.Context, server *Server, conn net.Conn, finished func()) *session {
	s := &session{
		server: server,
		remote: conn.RemoteAddr().String(),
		demux:  demuxer{h265: server.o.H265},
		over:   make(chan struct{}),
	}
	s.log = server.o.Logger.With("remote", s.remote)
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.guard = newGuard(conn, server.o,
		func(n int) { server.stats.Bytes.Add(int64(n)) },
		func() { s.finish(); finished() })
	return s
}

// config is how go-rtmp serves the connection.
func (s *session) config() *rtmp.ConnConfig {
	return &rtmp.ConnConfig{
		Handler:                   s,
		SkipHandshakeVerification: true, // some encoders echo nothing, and it secures nothing
		ReaderBufferSize:          inputSize,
		ControlState: rtmp.StreamControlStateConfig{
			MaxChunkStreams:            maxChunkStreams,
			MaxMessageStreams:          publishStream + 1, // the control stream is the other one
			DefaultAckWindowSize:       defaultAckWindow,
			DefaultBandwidthWindowSize: defaultAckWindow,
			DefaultBandwidthLimitType:  message.LimitTypeDynamic,
		},
	}
}

// protect runs a callback's work. An error, or a panic of a Handler or Sink, ends this connection
// only; the first one is kept as the reason.
func (s *session) protect(work func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = s.caught(r)
		}
		if err != nil && s.failure == nil {
			s.failure = err
		}
	}()
	return work()
}

// caught logs a recovered panic and makes an error of it.
func (s *session) caught(r any) error {
	stack := debug.Stack()
	s.log.Error("panic while serving an RTMP connection", "panic", fmt.Sprint(r), "stack", string(stack))
	return &PanicError{Value: r, Stack: stack}
}

// OnServe is called after the handshake.
func (s *session) OnServe(conn *rtmp.Conn) {
	s.conn = conn
	// The guard acknowledges: go-rtmp compares half of this, as a uint32, with the bytes it has
	// read, so that it never sees a reason to. The value passes its only check.
	_ = conn.GetChunkStreamer().PeerState().SetAckWindowSize(-2)
}

// OnConnect remembers who connects. A wrong app is refused at the publish, as go-rtmp answers a
// refused connect with a text of its own.
func (s *session) OnConnect(_ uint32, cmd *message.NetConnectionConnect) error {
	s.app, s.encoder = cmd.Command.App, clip(cmd.Command.FlashVer, 128)
	return nil
}

// OnPublish decides about the publish.
func (s *session) OnPublish(_ *rtmp.StreamContext, _ uint32, cmd *message.NetStreamPublish) error {
	return s.protect(func() error { return s.publish(cmd.PublishingName) })
}

// OnPlay refuses: viewers come by HTTP.
func (s *session) OnPlay(*rtmp.StreamContext, uint32, *message.NetStreamPlay) error {
	return s.protect(func() error {
		err := fault(FaultUnsupported, "this server takes streams in by RTMP; it plays them by HLS alone")
		s.tell(codePlayFailed, err)
		return err
	})
}

// OnUnknownCommandMessage gets the commands that do not fit the connection's state. Of the guard's
// dialect that is a second publish or play: refused, and the first goes on.
func (s *session) OnUnknownCommandMessage(_ uint32, cmd *message.CommandMessage) error {
	return s.protect(func() error {
		switch cmd.CommandName {
		case "publish":
			s.tell(CodeBadName, errors.New("already publishing on this connection; it can carry one stream"))
		case "play":
			s.tell(codePlayFailed, errors.New("this connection is publishing; it cannot play too"))
		}
		return nil
	})
}

// OnSetDataFrame logs what the encoder says of itself. Nothing is built on it: parameter sets are
// the truth.
func (s *session) OnSetDataFrame(_ uint32, data *message.NetStreamSetDataFrame) error {
	return s.protect(func() error {
		m, err := parseMetadata(data.Payload)
		if err != nil {
			return err
		}
		s.log.Debug("stream metadata", "metadata", m)
		return nil
	})
}

// OnVideo takes one FLV video tag body.
func (s *session) OnVideo(timestamp uint32, payload io.Reader) error {
	return s.protect(func() error { return s.media(payload, timestamp, s.demux.takeVideo) })
}

// OnAudio takes one FLV audio tag body.
func (s *session) OnAudio(timestamp uint32, payload io.Reader) error {
	return s.protect(func() error { return s.media(payload, timestamp, s.demux.takeAudio) })
}

func (s *session) media(payload io.Reader, timestamp uint32, parse func(uint32, []byte) (Frame, bool, error)) error {
	if s.scratch.Cap() > maxKeptScratch {
		s.scratch = bytes.Buffer{}
	}
	s.scratch.Reset()
	if _, err := s.scratch.ReadFrom(payload); err != nil {
		return err
	}
	frame, ok, err := parse(timestamp, s.scratch.Bytes())
	if err != nil || !ok {
		return err
	}
	s.noteResets(timestamp)
	if err := s.sink.Write(frame); err != nil {
		return err
	}
	switch {
	case frame.Config:
		s.log.Info("stream format", "format", s.demux.describe(frame.Kind))
		return nil // a configuration alone is no media: it must not keep a connection alive
	case frame.Kind == Video:
		s.server.stats.VideoFrames.Add(1)
	default:
		s.server.stats.AudioFrames.Add(1)
	}
	s.guard.touch()
	return nil
}

// noteResets logs that the encoder's clock was set anew: the 1st, 2nd, 4th … time, as one that is broken
// does nothing else.
func (s *session) noteResets(timestamp uint32) {
	resets := s.demux.clock.resets
	if resets == s.resets {
		return
	}
	if s.resets = resets; bits.OnesCount(uint(resets)) == 1 {
		s.log.Warn("the encoder's clock was set anew: the stream goes on where it stood", "timestamp", timestamp, "times", resets)
	}
}

// OnFCUnpublish is a clean stop, by whichever command the encoder said it.
func (s *session) OnFCUnpublish(uint32, *message.NetStreamFCUnpublish) error {
	s.unpublished = true
	s.guard.linger = true // for what else it says before it closes
	return io.EOF
}

// OnClose is called once, whatever ended the connection, while go-rtmp can still write.
func (s *session) OnClose() {
	_ = s.protect(func() error { s.end(); return nil })
}

// end tells the encoder and the Sink.
func (s *session) end() {
	reason := s.reason()
	s.cancel(reason)
	defer func() {
		close(s.over)
		s.watching.Wait()
	}()
	if s.sink == nil {
		s.endUnpublished(reason)
		return
	}
	if reason != nil && !errors.Is(reason, ErrLeft) {
		s.tell(statusCode(reason, CodeFailed), reason)
	}
	s.server.stats.Publishing.Add(-1)
	s.server.stats.ended(reason)
	level := slog.LevelWarn
	if reason == nil || errors.Is(reason, ErrStopping) {
		level = slog.LevelInfo // nobody's fault
	}
	s.log.Log(s.ctx, level, "publish ended", "reason", reasonText(reason))
	s.sink.Close(reason)
}

// endUnpublished logs the end of a connection that never came to send.
func (s *session) endUnpublished(reason error) {
	if s.refused {
		return // counted and logged then
	}
	s.server.stats.ended(reason)
	level := slog.LevelWarn
	if errors.Is(reason, ErrLeft) || errors.Is(reason, ErrStopping) {
		level = slog.LevelDebug // health checks and port scans
	}
	if skipped, ok := s.server.noise.allow(); ok {
		s.log.Log(s.ctx, level, "RTMP connection closed before a publish",
			"reason", reasonText(reason), "not_logged", skipped)
	}
}

// reason is why the connection ends: nil for a clean unpublish.
func (s *session) reason() error {
	switch {
	case s.unpublished:
		return nil
	case s.failure != nil:
		return s.failure
	case s.guard.err == nil:
		return cmp.Or(s.guard.stopped(), errLibrary)
	}
	var guard *GuardError
	if errors.As(s.guard.err, &guard) && guard.Fault == FaultTimeout {
		if hint := s.demux.hint(); hint != "" {
			return fault(FaultTimeout, "%s: %s", guard.Detail, hint)
		}
	}
	return s.guard.err
}

func reasonText(reason error) string {
	if reason == nil {
		return "unpublished"
	}
	return strings.TrimSpace(reason.Error())
}

// finish runs when go-rtmp has closed the connection. It waits for the library's writer.
func (s *session) finish() {
	if s.conn != nil {
		<-s.conn.GetChunkStreamer().Done()
	}
}
