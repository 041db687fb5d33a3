package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// probeTimeout is for all that Probe does: a driver may take seconds to wake its card.
const probeTimeout = 10 * time.Second

// Probe tells whether the ffmpeg at path ("" = "ffmpeg" in PATH) can encode rungs by b on this machine, with
// h265 their H.265 twins too, and make stills, by having it do so: the clip that is decoded is a tiny one,
// everything else is as in a broadcast of a 16:9 source, all rungs at once and in their sizes. Its error is
// one line that says what is missing and how to mend it. Without rungs no ffmpeg is needed, but with h265 for
// a source in H.265: see [DefaultRung]. Probe returns nil at once where none is; otherwise it blocks for
// about 0.3 s, at most 10 s.
func Probe(ctx context.Context, path string, b Backend, rungs []Rung, h265 bool) error {
	twins := h265 && len(rungs) > 0
	if h265 && !twins {
		rungs = []Rung{DefaultRung(Source{Width: 1280, Height: 720, FPS: defaultFPS})}
	}
	if len(rungs) == 0 {
		return nil
	}
	file, err := find(path)
	if err != nil {
		return err
	}
	outputs, err := probeOutputs(b, rungs)
	if err != nil {
		return err
	}
	if twins {
		outputs = WithH265(outputs)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	t := &trial{errs: make([]error, len(outputs))}
	for i, o := range outputs {
		t.errs[i] = fmt.Errorf("%s gave nothing of %s in a test encode by %s", file, o.Name(), b)
	}
	switch err := t.run(ctx, file, b, outputs); {
	case err == nil:
		if err := t.first(); err != nil {
			return err
		}
		return probeStills(ctx, file)
	case context.Cause(ctx) != nil:
		return fmt.Errorf("test encode by %s with %s: %w", b, file, context.Cause(ctx))
	default:
		return blame(ctx, file, b, outputs, err)
	}
}

// find looks for the program.
func find(path string) (file string, err error) {
	if path == "" {
		path = "ffmpeg"
	}
	file, err = exec.LookPath(path)
	switch {
	case err != nil && !strings.Contains(path, "/"):
		return "", fmt.Errorf("%s not found in PATH: install ffmpeg, or leave TRANSCODE empty", path)
	case err != nil:
		return "", fmt.Errorf("%s cannot be run: %w", path, err)
	}
	return file, nil
}

// probeOutputs are the rungs in their sizes, or what keeps b from making one of them.
func probeOutputs(b Backend, rungs []Rung) ([]Output, error) {
	src := Source{}
	for _, r := range rungs {
		src.Height = max(src.Height, r.Height)
	}
	src.Width = (src.Height*16 + 8) / 9
	outputs := b.Fit(rungs, src)
	for _, r := range rungs {
		fits := false
		for _, o := range outputs {
			fits = fits || o.Rung == r
		}
		if !fits {
			return nil, fmt.Errorf("rung %s is too large for %s, whose sides are %d pixels at most: leave it out of TRANSCODE", r.Name(), b, b.limits().longest)
		}
	}
	return outputs, nil
}

// A trial is one test encode.
type trial struct {
	mu   sync.Mutex // protects errs
	errs []error    // what is wrong with each rung; nil once its first frame was good
	seen map[int]bool
}

// run has the clip encoded. Its error is of ffmpeg as a whole.
func (t *trial) run(ctx context.Context, file string, b Backend, outputs []Output) error {
	p, err := Start(ctx, Options{
		Spec:     Spec{Source: clipSource, Outputs: outputs, Backend: b},
		Config:   clipConfig,
		Path:     file,
		OnPacket: func(i int, s Stream, p Packet) { t.take(i, outputs[i], s, p) },
	})
	if err != nil {
		return err
	}
	for i, frame := range clipFrames {
		// ErrClosed is for Wait to explain.
		if err := p.Write(Packet{PTS: int64(i) * clipInterval, Key: i == 0, Data: frame}); err != nil && !errors.Is(err, ErrClosed) {
			p.CloseInput()
			return errors.Join(err, p.Wait())
		}
	}
	p.CloseInput()
	return p.Wait()
}

// take judges the first frame of a rung.
func (t *trial) take(i int, o Output, s Stream, p Packet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen[i] {
		return
	}
	if t.seen == nil {
		t.seen = map[int]bool{}
	}
	t.seen[i] = true
	isIDR, err := IsIDR, error(nil)
	if o.codec() == CodecH265 {
		isIDR = IsIDR265
	} else {
		_, _, err = ParameterSets(s.Extradata)
	}
	if err == nil && (!p.Key || !isIDR(p.Data)) {
		err = errors.New("the first frame is no keyframe")
	}
	if err != nil {
		err = fmt.Errorf("read ffmpeg's test encode of %s: %w", o.Name(), err)
	}
	t.errs[i] = err
}

// first is what is wrong with the first rung that something is wrong with.
func (t *trial) first() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, err := range t.errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// command is a short run of ffmpeg, as guarded as the long one.
func command(ctx context.Context, file string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, file, args...) //nolint:gosec // The operator says which ffmpeg.
	cmd.Env = environ(os.Environ())
	cmd.WaitDelay = DefaultGrace
	return cmd
}
