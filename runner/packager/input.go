package packager

import (
	"bytes"
	"fmt"
)

// maxHead bounds the audio frames that are kept while no keyframe has come.
const maxHead = 512

// Source takes the next video frame of the source, in decode order. Frames before the first keyframe
// are left out, and so are all where Tracks has no video: the set of renditions is fixed. ErrJump is
// final.
func (p *Packager) Source(s Sample) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok, err := p.admitLocked(s); !ok {
		return err
	}
	if p.tracks.Source == nil {
		p.stats.DroppedFrames.Add(1)
		return nil
	}
	before, known := p.axis, max(p.cutter.Known(), p.axis.last)
	at, ok := p.axis.place(s)
	if !ok {
		p.stats.Headless.Add(1)
		return nil
	}
	p.meterLocked(videoMeter, s)
	if err := jump(at.t, known); before.started && err != nil {
		p.axis = before // the end comes next, and all renditions end at the same time
		return fmt.Errorf("package frame of %s: %w", SourceName, err)
	}
	p.ledger.add(at.t, s.Seq)
	encoded := p.options.Encode == nil || p.options.Encode(s)
	p.cutLocked(p.cutter.Video(at.t, s.Key, encoded && !at.leading))
	p.ends.pace(p.cutter.pace.mean())
	if p.source != nil {
		p.source.push(videoFrame{t: at.t, pts: at.pts, key: s.Key, sync: s.Key && !s.Open, data: s.Data})
	}
	p.headLocked()
	p.audio.keepUp(at.t + p.cutter.pace.mean())
	p.drainLocked()
	return nil
}

// Audio takes the next audio frame of the source. ErrJump is final.
func (p *Packager) Audio(s Sample) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok, err := p.admitLocked(s); !ok {
		return err
	}
	p.meterLocked(audioMeter, s)
	if !p.axis.started && p.tracks.Source != nil {
		if p.head = append(p.head, s); len(p.head) > maxHead {
			p.head = p.head[1:]
		}
		return nil
	}
	if err := p.audioLocked(s); err != nil {
		return fmt.Errorf("package frame of %s: %w", AudioName, err)
	}
	p.drainLocked()
	return nil
}

// headLocked takes the audio that came before the first keyframe.
func (p *Packager) headLocked() {
	for _, s := range p.head {
		_ = p.audioLocked(s) // no jump: all of it came within seconds before the keyframe
	}
	p.head = nil
}

func (p *Packager) audioLocked(s Sample) error {
	if !p.axis.started { // without video, audio makes the axis
		p.axis.started, p.axis.zero = true, s.PTS
	}
	pts := s.PTS - p.axis.zero
	f := p.audio.clock.format
	if err := jump(pts, max(p.cutter.Known(), p.axis.last, f.end(p.audio.clock.next))); err != nil {
		return err
	}
	p.audio.push(pts, s.Data, s.Seq)
	if p.tracks.Source == nil {
		// The count knows better than the timestamps where the frame is.
		p.cutLocked(p.cutter.Audio(f.middle(p.audio.clock.next - f.samples)))
		return nil
	}
	p.cutLocked(p.cutter.Audio(pts + videoScale.from(f.samples, f.rate)))
	p.stallLocked()
	return nil
}

// stallLocked lets the video renditions go on with gaps where audio has moved the clock beyond the
// last frame. A rung that has not given back what it was given lags, and is not stalled.
func (p *Packager) stallLocked() {
	known := p.cutter.Known()
	if known <= p.axis.last {
		return
	}
	for _, l := range p.lanes {
		l.drain(known)
		if l.last >= p.axis.last-2*l.pace.mean() {
			l.stall(known)
		}
	}
}

// Rung takes the next frame of rung i, whose PTS is that of the source frame it was made of. Its
// DTS is not looked at: rungs have no B-frames.
func (p *Packager) Rung(i int, s Sample) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok, err := p.admitLocked(s); !ok {
		return err
	}
	l := p.rungs[i]
	if l.init == nil {
		return fmt.Errorf("package frame of %s: %w", p.tracks.Rungs[i].Name, ErrNoFormat)
	}
	t := s.PTS - p.axis.zero
	if !p.axis.started || t < -near {
		p.stats.Headless.Add(1)
		return nil
	}
	t = max(t, 0)
	l.push(videoFrame{t: t, pts: t, key: s.Key, sync: s.Key, data: s.Data})
	l.drain(p.cutter.Known())
	return nil
}

// SetRung sets the format of rung i: first of all, before Ready, and again when its encoder changes
// it, which is a discontinuity of that rung at its next IDR that begins a segment.
func (p *Packager) SetRung(i int, sps, pps []byte) error {
	return p.setRung(i, Video{SPS: sps, PPS: pps})
}

func (p *Packager) setRung(i int, v Video) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := p.tracks.Rungs[i].Name
	if p.ended {
		return fmt.Errorf("set format of %s: %w", name, ErrEnded)
	}
	f, err := v.format()
	if err != nil {
		return fmt.Errorf("set format of %s: %w", name, err)
	}
	init, err := videoSection(p.config.Broadcast, name, f)
	if err != nil {
		return fmt.Errorf("set format of %s: %w", name, err)
	}
	l := p.rungs[i]
	if l.init != nil && l.init.hash == init.hash {
		return nil
	}
	first := l.init == nil
	l.out.addSection(init)
	l.init = init
	if !first {
		return nil
	}
	p.renditions[l.rendition].Codecs, p.renditions[l.rendition].VideoRange = f.codec, f.videoRange
	if p.missing--; p.missing == 0 {
		close(p.ready)
	}
	return nil
}

// SetSource changes the source's parameter sets from the next frame on, which should be a keyframe:
// there a segment and a discontinuity begin in all renditions. The same sets again change nothing.
func (p *Packager) SetSource(sps, pps []byte) error {
	return p.setSource(Video{SPS: sps, PPS: pps})
}

func (p *Packager) setSource(v Video) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return fmt.Errorf("set format of %s: %w", SourceName, ErrEnded)
	}
	same := bytes.Equal(v.SPS, p.sets.sps) && bytes.Equal(v.PPS, p.sets.pps) && bytes.Equal(v.Record, p.sets.record)
	if p.tracks.Source == nil || same {
		return nil
	}
	f, err := v.format()
	if err != nil {
		return fmt.Errorf("set format of %s: %w", SourceName, err)
	}
	if p.source != nil {
		init, err := videoSection(p.config.Broadcast, SourceName, f)
		if err != nil {
			return fmt.Errorf("set format of %s: %w", SourceName, err)
		}
		p.source.out.addSection(init)
		p.source.init = init
	}
	p.sets = f
	p.cutter.Renew()
	return nil
}

// SetAudio changes the format of the audio from the next frame on. The next source keyframe, or
// without video the next audio frame, begins a segment and a discontinuity in all renditions; until
// then there is silence. The same format again changes nothing.
func (p *Packager) SetAudio(asc []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return fmt.Errorf("set format of %s: %w", AudioName, ErrEnded)
	}
	f, err := newAudioFormat(p.config.Broadcast, asc)
	if err != nil {
		return fmt.Errorf("set format of %s: %w", AudioName, err)
	}
	if f.same(p.audio.clock.format) {
		return nil
	}
	p.audio.out.addSection(f.init)
	p.audio.clock.use(f)
	p.cutter.Renew()
	return nil
}

// End says that no more input comes: what is open is closed, and Run returns once it is out.
func (p *Packager) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	p.settleLocked()
	p.cutter.End()
	if p.tracks.Source != nil && p.axis.started { // all renditions end at the same time
		p.audio.clock.late = 0
		p.audio.keepUp(p.axis.last + p.cutter.pace.mean())
	}
	for _, l := range p.lanes {
		l.finish()
	}
	p.audio.finish(p.ledger.note)
	for _, out := range p.outboxes {
		out.end()
	}
}

// admitLocked tells whether s is to be taken. Nothing but the end is an error: an encoder that sends
// an empty frame has not ended its broadcast.
func (p *Packager) admitLocked(s Sample) (bool, error) {
	if p.ended {
		return false, ErrEnded
	}
	if len(s.Data) == 0 {
		p.stats.DroppedFrames.Add(1)
		return false, nil
	}
	return true, nil
}

// cutLocked tells all renditions of new cuts.
func (p *Packager) cutLocked(cuts []Cut) {
	for _, c := range cuts {
		p.ledger.cut(c)
	}
	for _, l := range p.lanes {
		l.cuts = append(l.cuts, cuts...)
	}
	p.audio.cuts = append(p.audio.cuts, cuts...)
}

// drainLocked packages all frames for which the cuts are known.
func (p *Packager) drainLocked() {
	known := p.cutter.Known()
	p.ledger.settle(known)
	for _, l := range p.lanes {
		l.drain(known)
	}
	p.audio.drain(known, p.ledger.note)
}
