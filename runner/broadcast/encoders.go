package broadcast

import (
	"context"
	"fmt"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// encoders are what this machine was found to encode with. A machine is probed once for each ladder, and
// again only after a probe that failed: a card may come back.
type encoders struct {
	turn  chan struct{} // holds one token: whoever has it may probe, and use found
	found map[string]ffmpeg.Backend
}

func newEncoders() encoders {
	e := encoders{turn: make(chan struct{}, 1), found: map[string]ffmpeg.Backend{}}
	e.turn <- struct{}{}
	return e
}

// planFor reads a job's spec, and finds out whether this machine can encode as it says: no other can
// know. It blocks for as long as a probe does, the first time. Software is not probed: the app server did
// that, with the same ffmpeg, and what fails all the same is told by the first frame.
func (s *Service) planFor(ctx context.Context, spec *broadcastv1.Spec) (plan, error) {
	p, err := planOf(spec)
	if err != nil || p.backend == ffmpeg.Software || len(p.rungs) == 0 && !p.h265 {
		return p, err
	}
	select {
	case <-s.encoders.turn:
		defer func() { s.encoders.turn <- struct{}{} }()
	case <-ctx.Done():
		return p, context.Cause(ctx)
	}
	p.backend, err = s.chooseEncoder(ctx, p)
	return p, err
}

// chooseEncoder is called by whoever has the turn.
func (s *Service) chooseEncoder(ctx context.Context, p plan) (ffmpeg.Backend, error) {
	key := fmt.Sprint(p.backend, p.rungs, p.h265)
	if b, ok := s.encoders.found[key]; ok {
		return b, nil
	}
	c, err := ffmpeg.Choose(ctx, s.o.FFmpeg, p.backend, p.rungs, p.h265)
	if err != nil {
		return p.backend, fmt.Errorf("TRANSCODE_BACKEND=%s on this runner: %w", p.backend, err)
	}
	s.o.Logger.InfoContext(ctx, "encoder chosen", "asked", string(p.backend), "backend", string(c.Backend), "refused", c.Why())
	s.encoders.found[key] = c.Backend
	return c.Backend, nil
}
