package packager

import "github.com/pharos-live/pharos/internal/hls"

// Measured is closed once a second of each track has come, or the input has ended: from then on
// Renditions states the bit rates of what came, where before it guesses them.
func (p *Packager) Measured() <-chan struct{} { return p.measured }

// The tracks that are measured, by their place in Packager.meters.
const (
	videoMeter = iota
	audioMeter
)

// meterLocked measures a frame of a track until its bit rate is known.
func (p *Packager) meterLocked(track int, s Sample) {
	m := &p.meters[track]
	if m.done() {
		return
	}
	if m.add(s.DTS, len(s.Data)); m.done() {
		p.stateLocked(track)
	}
	if (p.tracks.Source == nil || p.meters[videoMeter].done()) && (p.tracks.Audio == nil || p.meters[audioMeter].done()) {
		p.settleLocked()
	}
}

// settleLocked ends the measuring.
func (p *Packager) settleLocked() {
	select {
	case <-p.measured:
	default:
		close(p.measured)
	}
}

// stateLocked writes a measured bit rate into the description of its rendition.
func (p *Packager) stateLocked(track int) {
	bits, frames, ok := p.meters[track].rate()
	if !ok {
		return
	}
	kind, name := hls.Video, SourceName
	if track == audioMeter {
		kind, name = hls.Audio, AudioName
	}
	average := int(bits) + p.config.overhead(kind, frames)
	if kind == hls.Video {
		if p.tracks.Source.Bandwidth > 0 {
			return // it was told
		}
		average = max(average, pictureBits(p.sets, frames, pixelsPerBitAtRest))
	}
	for i := range p.renditions {
		if r := &p.renditions[i]; r.Name == name {
			r.Bandwidth, r.AverageBandwidth = average*11/10, average
		}
	}
}
