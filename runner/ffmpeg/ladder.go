package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"
)

// What a rung of a ladder may ask for.
const (
	MaxRungs   = 8
	MinHeight  = 2
	MaxHeight  = 4320
	MinFPS     = 1
	MaxFPS     = 120
	MinBitrate = 10_000      // bits per second
	MaxBitrate = 200_000_000 // bits per second
)

// A Rung is one rendition that an operator asked for.
type Rung struct {
	Height  int // pixels of the picture's shorter side; [Fit] makes it even
	FPS     int // frames per second at most
	Bitrate int // bits per second
}

// Name is how the rendition is called in URLs, such as "720p30".
func (r Rung) Name() string { return fmt.Sprintf("%dp%d", r.Height, r.FPS) }

// String is the rung as [ParseLadder] reads it, such as "720p30@2000000".
func (r Rung) String() string { return fmt.Sprintf("%s@%d", r.Name(), r.Bitrate) }

// ParseLadder reads rungs written as <height>p<fps>@<bits/s> and joined by "|", without blanks, in any
// order. An empty string is a ladder without rungs. An error names the bad rung, its position from 1, and what is allowed.
func ParseLadder(s string) ([]Rung, error) {
	if s == "" {
		return nil, nil
	}
	parts := strings.Split(s, "|")
	if len(parts) > MaxRungs {
		return nil, fmt.Errorf("%d rungs; at most %d are allowed", len(parts), MaxRungs)
	}
	rungs := make([]Rung, 0, len(parts))
	taken := make(map[string]int, len(parts))
	for i, part := range parts {
		r, err := parseRung(part)
		if err != nil {
			return nil, fmt.Errorf("rung %d, %q: %w", i+1, part, err)
		}
		if first, ok := taken[r.Name()]; ok {
			return nil, fmt.Errorf("rung %d, %q: rung %d is %s already; height and frame rate together must differ",
				i+1, part, first, r.Name())
		}
		taken[r.Name()] = i + 1
		rungs = append(rungs, r)
	}
	return rungs, nil
}

func parseRung(s string) (Rung, error) {
	size, rate, ok := strings.Cut(s, "@")
	height, fps, ok2 := strings.Cut(size, "p")
	if !ok || !ok2 {
		return Rung{}, fmt.Errorf("want <height>p<fps>@<bits/s>, such as 720p30@2000000")
	}
	var r Rung
	for _, f := range []struct {
		name, text string
		min, max   int
		to         *int
	}{
		{"height", height, MinHeight, MaxHeight, &r.Height},
		{"frame rate", fps, MinFPS, MaxFPS, &r.FPS},
		{"bit rate", rate, MinBitrate, MaxBitrate, &r.Bitrate},
	} {
		n, err := parseDigits(f.text)
		if err != nil || n < f.min || n > f.max {
			return Rung{}, fmt.Errorf("%s %q: want a whole number from %d to %d", f.name, f.text, f.min, f.max)
		}
		*f.to = n
	}
	return r, nil
}

// parseDigits is Atoi without signs and leading zeros, so that a ladder has one spelling only.
func parseDigits(s string) (int, error) {
	if strings.ContainsAny(s, "+-") || len(s) > 1 && s[0] == '0' {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(s)
}
