package ffmpeg

import (
	"bytes"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	keptLines = 20
	maxLine   = 1024 // bytes; the rest of a longer line is left out
	logBurst  = 10   // lines that are logged in each logWindow; the others are counted
	logWindow = 10 * time.Second
)

// A lineLog takes ffmpeg's standard error: it logs lines at level warn, no more than logBurst in each
// logWindow, and keeps the last ones for the error that may follow.
type lineLog struct {
	log *slog.Logger

	mu         sync.Mutex // protects what follows
	part       []byte     // line that has not ended yet
	last       []string
	window     time.Time // when the window began
	logged     int       // in the window
	suppressed int       // since the last line that was logged
}

// Write never fails.
func (l *lineLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	for {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		l.part = append(l.part, line[:min(len(line), maxLine-len(l.part))]...)
		if !ended {
			return n, nil
		}
		l.lineLocked()
		b = rest
	}
}

func (l *lineLog) lineLocked() {
	line := string(bytes.TrimRight(l.part, "\r"))
	l.part = l.part[:0]
	if line == "" {
		return
	}
	if len(l.last) == keptLines {
		l.last = slices.Delete(l.last, 0, 1)
	}
	l.last = append(l.last, line)
	if now := time.Now(); now.Sub(l.window) >= logWindow {
		l.window, l.logged = now, 0
	}
	if l.logged == logBurst {
		l.suppressed++
		return
	}
	l.logged++
	l.log.Warn("ffmpeg says", append(l.suppressedLocked(), slog.String("line", line))...)
}

// suppressedLocked tells how many lines were not logged, if any, and forgets them.
func (l *lineLog) suppressedLocked() []any {
	if l.suppressed == 0 {
		return nil
	}
	n := l.suppressed
	l.suppressed = 0
	return []any{slog.Int("suppressed", n)}
}

// finish logs what is left and returns the last lines. Call it once ffmpeg has ended.
func (l *lineLog) finish() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lineLocked()
	if attrs := l.suppressedLocked(); attrs != nil {
		l.log.Warn("ffmpeg said more", attrs...)
	}
	return slices.Clone(l.last)
}
