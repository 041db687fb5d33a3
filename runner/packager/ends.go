package packager

const (
	// maxEnds is how many ends of parts are remembered: those of half a minute and more.
	maxEnds = 256
	// maxApart is the most by which two foreseen ends may differ and be one, in ticks: 16 ms.
	maxApart = int64(videoScale) * 16 / 1000
)

// ends makes the video renditions end their parts, and so begin their segments, at the same times to the
// tick. How long a part's last frame lasts is foreseen, by each rendition from the frames that it has
// itself, and timestamps are whole milliseconds: without this they would differ by one. Whoever closes a
// part first says where; the others follow.
type ends struct {
	at    []int64 // newest last
	apart int64   // what may be one: half a frame of the source
}

// pace tells how long a frame of the source lasts.
func (e *ends) pace(frame int64) { e.apart = min(frame/2, maxApart) }

// agree returns the end that is closest to the one foreseen, among those that may be the same; else
// that one, which is remembered.
func (e *ends) agree(foreseen int64) int64 {
	best, apart := foreseen, e.apart+1
	for _, at := range e.at {
		if d := max(at-foreseen, foreseen-at); d < apart {
			best, apart = at, d
		}
	}
	if apart > e.apart {
		if len(e.at) == maxEnds {
			e.at = e.at[:copy(e.at, e.at[1:])]
		}
		e.at = append(e.at, foreseen)
	}
	return best
}
