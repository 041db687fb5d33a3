package packager

// ledger knows which source frame each segment began with, until the segment is durable.
type ledger struct {
	segments []ledgerSegment
	frames   []ledgerFrame // for which not all cuts are known
}

type ledgerSegment struct {
	cut   uint64
	at    int64
	first uint64 // the lowest number of a source frame in it; 0: none yet
}

type ledgerFrame struct {
	t   int64
	seq uint64
}

func (l *ledger) cut(c Cut) {
	l.segments = append(l.segments, ledgerSegment{cut: c.Number, at: c.At})
}

// add takes a source frame, in the order of their times t.
func (l *ledger) add(t int64, seq uint64) { l.frames = append(l.frames, ledgerFrame{t, seq}) }

// settle enters the frames for which all cuts are known.
func (l *ledger) settle(known int64) {
	n := 0
	for ; n < len(l.frames) && l.frames[n].t <= known; n++ {
		l.note(l.frames[n].t, l.frames[n].seq)
	}
	l.frames = behind(l.frames, n)
}

// note enters a frame into the segment that it is in.
func (l *ledger) note(t int64, seq uint64) {
	for i := len(l.segments) - 1; i >= 0; i-- {
		s := &l.segments[i]
		if s.at > t {
			continue
		}
		if s.first == 0 || seq < s.first {
			s.first = seq
		}
		return
	}
}

// keep forgets the segments before cut and returns the first frame of the oldest that has one.
func (l *ledger) keep(cut uint64) uint64 {
	n := 0
	for n < len(l.segments)-1 && l.segments[n].cut < cut {
		n++
	}
	l.segments = l.segments[n:]
	for _, s := range l.segments {
		if s.first > 0 {
			return s.first
		}
	}
	return 0
}
