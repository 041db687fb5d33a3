package packager_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

var (
	testSPS = []byte{
		0x67, 0x64, 0x00, 0x0c, 0xac, 0x3b, 0x50, 0xb0, 0x4b, 0x42, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x3d, 0x08,
	}
	otherSPS = []byte{
		0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20,
	}
	testPPS   = []byte{0x68, 0xee, 0x3c, 0x80}
	stereo48k = []byte{0x11, 0x90}
	stereo44k = []byte{0x12, 0x10}
)

func testConfig() packager.Config {
	return packager.Config{
		Broadcast: "b", Term: 7,
		Segment: 2 * time.Second, TargetDuration: 4 * time.Second, Part: 333 * time.Millisecond, Window: time.Minute,
		Anchor: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func sourceVideo() *packager.Video {
	return &packager.Video{SPS: testSPS, PPS: testPPS, FrameRate: 30}
}

// errGone ends a rig's packager before its time.
var errGone = errors.New("gone")

// A rig is a packager in a bubble, with a store and a model of what viewers see.
type rig struct {
	t     *testing.T
	p     *packager.Packager
	store *store
	model *hls.Broadcast

	mu     sync.Mutex // protects all below
	events []hls.Event
	older  []hls.Segment
	err    error           // from the model
	heard  func(hls.Event) // may be nil; called with mu held

	cancel context.CancelCauseFunc
	done   chan error
	began  time.Time
}

// newRig starts a packager. It must be called in a bubble; change may be nil.
func newRig(t *testing.T, tracks packager.Tracks, predictors []packager.Predictor, change func(*packager.Config, *packager.Options)) *rig {
	t.Helper()
	r := &rig{t: t, store: newStore(), model: hls.NewBroadcast("b"), done: make(chan error, 1), began: time.Now()}
	c, o := testConfig(), packager.Options{Announce: r.announce, Older: r.record, Predictors: predictors}
	if change != nil {
		change(&c, &o)
	}
	var err error
	if r.p, err = packager.New(c, tracks, r.store, o); err != nil {
		t.Fatalf("New: %v", err)
	}
	for i := range tracks.Rungs {
		if err := r.p.SetRung(i, testSPS, testPPS); err != nil {
			t.Fatalf("SetRung: %v", err)
		}
	}
	<-r.p.Ready()
	take := hls.Take{Renditions: r.p.Renditions(), TargetDuration: c.TargetDuration, PartTarget: c.PartTarget(), Window: c.Window, Anchor: c.Anchor}
	if err := r.model.Apply(take); err != nil {
		t.Fatalf("apply take: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	r.cancel = cancel
	go func() { r.done <- r.p.Run(ctx) }()
	r.p.Start()
	return r
}

func (r *rig) announce(_ context.Context, events ...hls.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.model.Apply(events...); err != nil {
		r.err = cmp.Or(r.err, err)
	}
	r.events = append(r.events, events...)
	for _, e := range events {
		if r.heard != nil {
			r.heard(e)
		}
	}
	return nil
}

func (r *rig) record(_ context.Context, s hls.Segment) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.older = append(r.older, s)
	return nil
}

// at sleeps until a time of the bubble, counted from its begin.
func (r *rig) at(d time.Duration) { time.Sleep(time.Until(r.began.Add(d))) }

// finish ends the input and waits for Run.
func (r *rig) finish() {
	r.t.Helper()
	r.p.End()
	if err := <-r.done; err != nil {
		r.t.Errorf("Run: %v", err)
	}
	r.cancel(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		r.t.Errorf("the model refuses what was announced: %v", r.err)
	}
}

// stop cancels Run and waits for it.
func (r *rig) stop() {
	r.t.Helper()
	r.cancel(errGone)
	if err := <-r.done; !errors.Is(err, errGone) {
		r.t.Errorf("Run returned %v, want %v", err, errGone)
	}
}

// of returns the events of a rendition so far.
func (r *rig) of(rendition int) []hls.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []hls.Event
	for _, e := range r.events {
		if renditionOf(e) == rendition {
			out = append(out, e)
		}
	}
	return out
}

func renditionOf(e hls.Event) int {
	switch e := e.(type) {
	case hls.Part:
		return e.Rendition
	case hls.Gap:
		return e.Rendition
	case hls.Close:
		return e.Rendition
	case hls.Object:
		return e.Rendition
	}
	return -1
}

// parts returns the parts and gaps of a rendition, and which are gaps.
func (r *rig) parts(rendition int) (parts []hls.Part, gaps map[uint64]bool) {
	gaps = map[uint64]bool{}
	for _, e := range r.of(rendition) {
		switch e := e.(type) {
		case hls.Part:
			parts = append(parts, e)
		case hls.Gap:
			parts, gaps[e.Number] = append(parts, hls.Part(e)), true
		}
	}
	return parts, gaps
}

// starts returns the times at which the segments of a rendition begin, in milliseconds.
func (r *rig) starts(rendition int) []int64 {
	parts, _ := r.parts(rendition)
	var out []int64
	for i, p := range parts {
		if i == 0 || p.MSN != parts[i-1].MSN {
			out = append(out, p.Start.Round(time.Millisecond).Milliseconds())
		}
	}
	return out
}

// sample is a frame as it stands in an object, with its times in ticks.
type sample struct {
	dts, duration, pts int64
	key                bool
	data               []byte
}

// body parses a part's object.
func (r *rig) body(name string, p hls.Part) []sample {
	r.t.Helper()
	body, ok := r.store.get(hls.PartKey("b", name, p.Number, p.Term))
	if !ok {
		r.t.Fatalf("part %d of %s has no object", p.Number, name)
	}
	if int64(len(body)) != p.Size {
		r.t.Errorf("part %d of %s: size is %d, object has %d bytes", p.Number, name, p.Size, len(body))
	}
	return parse(r.t, body)
}

// parse reads fragments by mediacommon, which knows nothing of our writer.
func parse(t *testing.T, body []byte) []sample {
	t.Helper()
	var fragments fmp4.Parts
	if err := fragments.Unmarshal(body); err != nil {
		t.Fatalf("parse part: %v", err)
	}
	var out []sample
	for _, f := range fragments {
		at := int64(f.Tracks[0].BaseTime)
		for _, s := range f.Tracks[0].Samples {
			out = append(out, sample{
				dts: at, duration: int64(s.Duration), pts: at + int64(s.PTSOffset),
				key: !s.IsNonSyncSample, data: s.Payload,
			})
			at += int64(s.Duration)
		}
	}
	return out
}

// An input is a frame of a track at the time at which it comes.
type input struct {
	at   int64 // ms
	feed func() error
}

// video feeds source frames and, later by lag, the rungs' frames: those that keep says yes to.
func (r *rig) video(frames []frame) []input {
	var out []input
	for i, f := range frames {
		out = append(out, input{f.dts, func() error {
			return r.p.Source(packager.Sample{
				DTS: f.dts * 90, PTS: f.pts * 90, Key: f.key,
				Data: payload(i, 200), Seq: uint64(i + 1),
			})
		}})
	}
	return out
}

// rung feeds a rung made of frames, lag ms late; predictor says which there are.
func (r *rig) rung(i int, frames []frame, predictor packager.Predictor, lag int64) []input {
	shown := slices.Clone(frames)
	slices.SortStableFunc(shown, func(a, b frame) int { return cmp.Compare(a.pts, b.pts) })
	var out []input
	for n, f := range shown {
		leaves, idr := predictor.Frame(time.Duration(f.pts)*time.Millisecond, f.key)
		if !leaves {
			continue
		}
		out = append(out, input{f.pts + lag, func() error {
			return r.p.Rung(i, packager.Sample{DTS: f.pts * 90, PTS: f.pts * 90, Key: idr, Data: payload(n, 100)})
		}})
	}
	return out
}

// firstSound numbers audio frames; video frames count from 1.
const firstSound = 1_000_000

// sound feeds AAC frames at a rate from one time to another, timestamps cut to milliseconds.
func (r *rig) sound(rate, from, to int64) []input {
	var out []input
	for i := int64(0); ; i++ {
		ms := from + i*1024*1000/rate
		if ms >= to {
			return out
		}
		out = append(out, input{ms, func() error {
			return r.p.Audio(packager.Sample{DTS: ms * 90, PTS: ms * 90, Data: payload(int(i), 50), Seq: firstSound + uint64(i)})
		}})
	}
}

// feed lets inputs come at their times.
func (r *rig) feed(tracks ...[]input) {
	r.t.Helper()
	all := slices.Concat(tracks...)
	slices.SortStableFunc(all, func(a, b input) int { return cmp.Compare(a.at, b.at) })
	for _, in := range all {
		r.at(time.Duration(in.at) * time.Millisecond)
		if err := in.feed(); err != nil {
			r.t.Fatalf("input at %d ms: %v", in.at, err)
		}
	}
}

// payload is a frame that carries its number.
func payload(i, size int) []byte {
	b := bytes.Repeat([]byte{byte(i)}, size)
	binary.BigEndian.PutUint32(b, uint32(i))
	return b
}
