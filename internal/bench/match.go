package main

import "time"

// lastFrames finds the last frame of each part. Places are the frames' times in the order in which
// they are sent, ends those of the parts, from the same zero. As either may be rounded, a frame is
// within a part if it begins at least half a frame before its end. A part that no frame was seen to
// follow may go on: its last frame, and that of any part after it, is -1.
func lastFrames(places, ends []time.Duration) []int {
	last := make([]int, len(ends))
	if len(places) < 2 {
		for i := range last {
			last[i] = -1
		}
		return last
	}
	half := (places[len(places)-1] - places[0]) / time.Duration(len(places)-1) / 2
	n := 0 // frames before the end that is looked at
	for i, end := range ends {
		for n < len(places) && places[n] <= end-half {
			n++
		}
		last[i] = n - 1
		if n == len(places) {
			last[i] = -1
		}
	}
	return last
}

// partEnds adds up the durations of parts that begin at zero. It says false where one is missing.
func partEnds(parts []listedPart) ([]time.Duration, bool) {
	ends := make([]time.Duration, len(parts))
	var sum time.Duration
	for i, p := range parts {
		if p.number != uint64(i) {
			return nil, false
		}
		sum += p.duration
		ends[i] = sum
	}
	return ends, true
}
