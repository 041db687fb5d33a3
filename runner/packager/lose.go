package packager

import "fmt"

// LoseRung says that rung i gives no frame at or before until, a PTS of the source, beyond those that it
// has given: its encoder has ended. The time up to there becomes gaps at once, so that its playlist goes on
// with the others, and nothing waits for it: neither the list of older segments nor Keep. Say it again as
// time goes on without an encoder. The rung goes on with the next frame that comes, which should be an IDR.
func (p *Packager) LoseRung(i int, until int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return fmt.Errorf("lose frames of %s: %w", p.tracks.Rungs[i].Name, ErrEnded)
	}
	if p.axis.started {
		p.rungs[i].lose(until-p.axis.zero, p.cutter.Known())
	}
	return nil
}

// lose covers the time up to t with gaps, as far as the cuts are known.
func (l *videoLane) lose(t, known int64) {
	l.drain(known)
	t = min(t, known)
	l.stall(t)
	l.last = max(l.last, t) // from here on it lags no more
}
