package ffmpeg

import (
	"log/slog"
	"time"
)

// A seldom logs a line, and then for logWindow only counts how often it would have.
type seldom struct {
	last       time.Time
	suppressed int
}

func (l *seldom) warn(log *slog.Logger, now time.Time, text string, attrs ...any) {
	if !l.last.IsZero() && now.Sub(l.last) < logWindow {
		l.suppressed++
		return
	}
	if l.suppressed > 0 {
		attrs = append(attrs, "suppressed", l.suppressed)
	}
	l.last, l.suppressed = now, 0
	log.Warn(text, attrs...)
}
