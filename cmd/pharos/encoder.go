package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// chooseEncoder finds out what encodes the ladder, where runners are processes of this machine: a start
// whose broadcasts would all fail ends here, with one line that says what is missing. Runners on other
// machines find out for themselves, when their first broadcast comes.
func (s *server) chooseEncoder(ctx context.Context) error {
	s.backend = s.c.transcodeBackend
	if s.c.webOnly() || s.c.flameBackend != "local" {
		return nil
	}
	rungs, err := ffmpeg.ParseLadder(s.c.transcode)
	if err != nil || len(rungs) == 0 && !s.c.supportsH265 {
		return err
	}
	asked, err := ffmpeg.ParseBackend(s.c.transcodeBackend)
	if err != nil {
		return err
	}
	choice, err := ffmpeg.Choose(ctx, "ffmpeg", asked, rungs, s.c.supportsH265)
	if err != nil {
		return fmt.Errorf("TRANSCODE_BACKEND=%s, TRANSCODE=%q, SUPPORTS_H265=%t: %w", asked, s.c.transcode, s.c.supportsH265, err)
	}
	s.backend = string(choice.Backend)
	if asked != ffmpeg.Software {
		s.log.InfoContext(ctx, "encoder chosen", "asked", string(asked), "backend", s.backend, "refused", choice.Why())
	}
	return nil
}

// deviceEnv is what local runners are told of this machine's cards: it found an encoder with them.
func (c *config) deviceEnv() []string {
	if c.flameBackend != "local" {
		return nil
	}
	var env []string
	for _, name := range ffmpeg.DeviceVariables() {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
