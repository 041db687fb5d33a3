package packager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pharos-live/pharos/internal/hls"
)

var (
	// ErrEnded is what input methods return after End, and after Run has returned.
	ErrEnded = errors.New("the packager has ended")
	// ErrNoFormat is what Rung returns before SetRung.
	ErrNoFormat = errors.New("the rung has no format yet")
)

// Options are what a Packager tells, and what it is told. Announce and Older are required.
type Options struct {
	// Announce is told of what has happened in a rendition: Part, Gap, Close and Object, in order,
	// from one goroutine for each rendition. It may block; only its rendition then waits. An error
	// stops the packager.
	Announce func(ctx context.Context, events ...hls.Event) error
	// Older is told of each segment that is done with, durable or lost, in order for each rendition,
	// after its Object has been announced. An error stops the packager.
	Older func(ctx context.Context, s hls.Segment) error
	// Encode is offered each source frame that has a place in media time, in decode order, and says
	// whether the encoder of the rungs takes it. It must not block, nor call the Packager; what it makes
	// is given to Rung from another goroutine. nil means that somebody else feeds an encoder that takes
	// every frame.
	Encode func(s Sample) (taken bool)
	// Predictors say where the rungs' IDRs will be, one for each of Tracks.Rungs. None at all means
	// that long GOPs are cut without regard to the rungs.
	Predictors []Predictor
	// Logger is told of gaps and losses; nil means nothing.
	Logger *slog.Logger
}

// A Packager makes parts and segments of the frames of one broadcast, uploads and announces them.
// All methods are safe for concurrent use; none but Run blocks.
type Packager struct {
	config  Config
	tracks  Tracks
	options Options
	stats   Stats

	outboxes []*outbox
	start    sync.Once
	started  chan struct{} // closed by start
	ready    chan struct{}
	measured chan struct{}

	mu         sync.Mutex // protects all below
	renditions []hls.Rendition
	missing    int      // rungs without a format
	meters     [2]meter // of the source's video and of its audio
	ended      bool

	axis   axis
	cutter *Cutter
	ledger ledger
	ends   ends
	source *videoLane // nil: not listed
	rungs  []*videoLane
	lanes  []*videoLane // source and rungs
	audio  *audioLane
	sets   videoFormat // the source's
	head   []Sample    // audio before media time 0 is known
}

// New makes a Packager, which does nothing until Run. Its error says what is wrong with the
// settings or with the tracks.
func New(c Config, t Tracks, store Store, o Options) (*Packager, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := t.validate(); err != nil {
		return nil, fmt.Errorf("package broadcast %s: %w", c.Broadcast, err)
	}
	if n := len(o.Predictors); n != 0 && n != len(t.Rungs) {
		return nil, fmt.Errorf("package broadcast %s: %d predictors for %d rungs", c.Broadcast, n, len(t.Rungs))
	}
	if o.Announce == nil || o.Older == nil {
		panic("packager: Options.Announce and Options.Older are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Packager{
		config: c, tracks: t, options: o,
		started: make(chan struct{}),
		ready:   make(chan struct{}),

		measured: make(chan struct{}),
		missing:  len(t.Rungs),
	}
	if err := p.build(store); err != nil {
		return nil, fmt.Errorf("package broadcast %s: %w", c.Broadcast, err)
	}
	if p.missing == 0 {
		close(p.ready)
	}
	return p, nil
}

// build makes the lanes, in the order of the renditions: source, rungs, audio.
func (p *Packager) build(store Store) error {
	if p.tracks.Source == nil {
		p.cutter = NewAudioCutter(p.config, &p.stats)
		return p.buildAudio(store)
	}
	if err := p.buildSource(store); err != nil {
		return err
	}
	for _, r := range p.tracks.Rungs {
		out := p.addOutbox(store, rungRendition(p.config, r))
		p.rungs = append(p.rungs, newVideoLane(p.config, len(p.outboxes)-1, r.FrameRate, &p.ends, out))
	}
	p.lanes = append(p.lanes, p.rungs...)
	return p.buildAudio(store)
}

func (p *Packager) buildSource(store Store) error {
	v := *p.tracks.Source
	f, err := v.format()
	if err != nil {
		return err
	}
	r := sourceRendition(v, f)
	p.sets = f
	p.cutter = NewCutter(p.config, r.FrameRate, p.options.Predictors, &p.stats)
	if !p.tracks.ListSource {
		return nil
	}
	init, err := videoSection(p.config.Broadcast, SourceName, f)
	if err != nil {
		return err
	}
	out := p.addOutbox(store, r)
	out.addSection(init)
	p.source = newVideoLane(p.config, len(p.outboxes)-1, r.FrameRate, &p.ends, out)
	p.source.init = init
	p.lanes = append(p.lanes, p.source)
	return nil
}

func (p *Packager) buildAudio(store Store) error {
	asc, absent := silentConfig, true
	if p.tracks.Audio != nil {
		asc, absent = p.tracks.Audio.Config, false
	}
	f, err := newAudioFormat(p.config.Broadcast, asc)
	if err != nil {
		return err
	}
	out := p.addOutbox(store, audioRendition(f))
	out.addSection(f.init)
	p.audio = newAudioLane(p.config, len(p.outboxes)-1, f, absent, out)
	return nil
}

func (p *Packager) addOutbox(store Store, r hls.Rendition) *outbox {
	out := newOutbox(r.Name, p.config, store, &p.stats, p.options.Logger)
	p.outboxes = append(p.outboxes, out)
	p.renditions = append(p.renditions, r)
	return out
}

// Ready is closed once every rung has its format, so that Renditions is complete.
func (p *Packager) Ready() <-chan struct{} { return p.ready }

// Renditions is what the Take says of the renditions; events name them by their index. Numbers begin
// at 0. Before Ready the codecs of rungs may be missing, before Measured bit rates are guesses.
func (p *Packager) Renditions() []hls.Rendition {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]hls.Rendition(nil), p.renditions...)
}

// Stats counts what p does.
func (p *Packager) Stats() *Stats { return &p.stats }

// Start lets announcements out, which are held back until then: the Take comes first.
func (p *Packager) Start() {
	p.start.Do(func() { close(p.started) })
}

// Run uploads and announces. It returns nil once all is out after Start and End; else the first
// error of Options.Announce or Older, or at once the cause of ctx's end. Call it once, before parts
// come: their time to become durable runs from when they are closed.
func (p *Packager) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, out := range p.outboxes {
		a := announcer{outbox: out, started: p.started, announce: p.options.Announce, older: p.options.Older}
		g.Go(func() error { return out.run(ctx, a) })
	}
	err := g.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	return err
}

// Keep is the number of the first source frame of the oldest segment that is not durable in every
// rendition: whoever goes on in place of this packager needs the frames from there on. 0 until a
// segment has begun. Segments whose objects were lost are not waited for.
func (p *Packager) Keep() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut := p.openCutLocked()
	for _, out := range p.outboxes {
		if oldest, ok := out.oldest(); ok {
			cut = min(cut, oldest)
		}
	}
	return p.ledger.keep(cut)
}

// openCutLocked is the oldest segment that any rendition is still building.
func (p *Packager) openCutLocked() uint64 {
	cut := p.audio.segment.cut
	for _, l := range p.lanes {
		cut = min(cut, l.segment.cut)
	}
	return cut
}
