package ffmpeg

import (
	"context"
	"fmt"
	"strings"
)

// A Choice is the backend to encode with.
type Choice struct {
	Backend Backend   // never Auto
	Refused []Refusal // what Auto tried before it, in order
}

// A Refusal says why a backend was not chosen.
type Refusal struct {
	Backend Backend
	Err     error
}

// Why is the refusals in one line; "" without any.
func (c Choice) Why() string {
	var all []string
	for _, r := range c.Refused {
		all = append(all, fmt.Sprintf("%s: %v", r.Backend, r.Err))
	}
	return strings.Join(all, "; ")
}

// Choose finds the backend that encodes rungs on this machine, with h265 their twins too, by [Probe]. Any but Auto must work itself:
// its error is Probe's. Auto is the first of [Backends] that works, software in the end; where not even
// that does, the error is of that. Without rungs nothing is tried, and Auto is Software. It blocks as Probe
// does, for each backend that it tries.
func Choose(ctx context.Context, path string, b Backend, rungs []Rung, h265 bool) (Choice, error) {
	switch {
	case b != Auto:
		return Choice{Backend: b}, Probe(ctx, path, b, rungs, h265)
	case len(rungs) == 0 && !h265:
		return Choice{Backend: Software}, nil
	}
	var c Choice
	for _, b := range Backends() {
		err := Probe(ctx, path, b, rungs, h265)
		if err == nil {
			c.Backend = b
			return c, nil
		}
		c.Refused = append(c.Refused, Refusal{b, err})
	}
	return c, c.Refused[len(c.Refused)-1].Err
}
