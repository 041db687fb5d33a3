package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/yutopp/go-rtmp"
	"github.com/yutopp/go-rtmp/message"
)

const (
	// tellTime bounds the wait for an encoder to take an earlier message before its last one.
	tellTime = 500 * time.Millisecond
	// maxStatusText bounds an onStatus description.
	maxStatusText = 1024
)

// publish asks the Handler, and starts the publish or refuses it.
func (s *session) publish(name string) error {
	key, query, _ := strings.Cut(name, "?")
	s.log = s.log.With("key", RedactKey(key))
	if err := checkName(s.app, key); err != nil {
		return s.refuse(err)
	}
	s.publishing = Publish{
		App: s.app, Key: key, Query: query,
		Remote: s.remote, Encoder: s.encoder, FourCC: s.guard.talk.fourCC,
	}
	sink, err := s.ask()
	if gone := context.Cause(s.ctx); gone != nil {
		if sink != nil {
			sink.Close(gone)
		}
		return s.refuse(gone)
	}
	if err == nil && sink == nil {
		err = errors.New("internal error: no place for the stream")
	}
	if err != nil {
		return s.refuse(err)
	}
	s.start(sink)
	return nil
}

// checkName judges what the streamer typed.
func checkName(app, key string) error {
	if app != App {
		return &Refusal{Code: CodeRejected, Text: fmt.Sprintf(
			"unknown application %q: the server URL is rtmp://HOST/%s, with the stream key as stream name", clip(app, 64), App)}
	}
	if key == "" {
		return &Refusal{Code: CodeDenied, Text: "the stream key is empty: set it as stream key, or publish to rtmp://HOST/" + App + "/KEY"}
	}
	return nil
}

// ask calls the Handler while the guard watches for the client's leaving.
func (s *session) ask() (sink Sink, err error) {
	s.guard.decide()
	stop := s.guard.watch(func(err error) { s.cancel(err) })
	defer stop()
	defer func() {
		if r := recover(); r != nil {
			err = s.caught(r)
		}
	}()
	return s.server.handler.Publish(s.ctx, s.publishing)
}

// start makes the connection live.
func (s *session) start(sink Sink) {
	s.sink = sink
	s.guard.goLive()
	s.server.stats.Publishing.Add(1)
	s.watching.Go(func() {
		select {
		case <-sink.Done():
			s.server.stats.SinkEnded.Add(1)
			s.guard.interrupt(sinkReason(sink))
		case <-s.over:
		}
	})
	s.log.Info("publish started", "encoder", s.encoder)
}

func sinkReason(sink Sink) error {
	if err := sink.Err(); err != nil {
		return err
	}
	return errors.New("the broadcast has ended")
}

// refuse tells the encoder why, and returns err to end the connection.
func (s *session) refuse(err error) error {
	s.refused = true
	log := s.log.With("app", clip(s.app, 64), "encoder", s.encoder)
	if errors.Is(err, ErrLeft) {
		log.Info("encoder left before its publish was allowed")
		return err
	}
	s.server.stats.Refused.Add(1)
	log.Warn("publish refused", "reason", err.Error())
	s.tell(statusCode(err, CodeRejected), err)
	return err
}

func statusCode(err error, code string) string {
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Code != "" {
		return refusal.Code
	}
	return code
}

// tell writes an onStatus of level error, as far as the encoder still reads. It goes on the chunk
// stream that go-rtmp will answer on, so that the library's own text cannot overtake it.
func (s *session) tell(code string, reason error) {
	if s.conn == nil {
		return
	}
	s.guard.linger = true
	body := appendAMFStrings([]byte{amfNull},
		"level", "error", "code", code, "description", clip(reason.Error(), maxStatusText))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), tellTime)
	defer cancel()
	err := s.conn.Write(ctx, commandChunks, 0, &rtmp.ChunkMessage{
		StreamID: publishStream,
		Message: &message.CommandMessage{
			CommandName: "onStatus", Encoding: message.EncodingTypeAMF0, Body: bytes.NewReader(body),
		},
	})
	if err != nil {
		s.log.Debug("tell the encoder", "error", err)
	}
}
