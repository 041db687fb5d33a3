package hls

import (
	"strconv"
	"strings"
	"time"
)

// A MediaKey is what the key of a part's or a segment's object says.
type MediaKey struct {
	Broadcast, Rendition string
	Part                 bool   // of a part; otherwise of a segment
	Number               uint64 // the part's number, or the segment's media sequence number
	Term                 uint64
}

// ParseMediaKey reads what PartKey and SegmentKey write. It says false for every other key.
func ParseMediaKey(key string) (MediaKey, bool) {
	elements := strings.Split(key, "/")
	if len(elements) != 3 || elements[0] == "" || elements[1] == "" {
		return MediaKey{}, false
	}
	k := MediaKey{Broadcast: elements[0], Rendition: elements[1]}
	name, ok := strings.CutSuffix(elements[2], ".m4s")
	number, term, dot := strings.Cut(name, ".")
	if !ok || !dot || number == "" {
		return MediaKey{}, false
	}
	var numberErr, termErr error
	k.Part = number[0] == 'p'
	k.Number, numberErr = strconv.ParseUint(number[1:], 10, 64)
	k.Term, termErr = strconv.ParseUint(term, 10, 64)
	if numberErr != nil || termErr != nil || k.String() != key { // "p01.7.m4s" is nobody's
		return MediaKey{}, false
	}
	return k, true
}

// String is the key itself.
func (k MediaKey) String() string {
	if k.Part {
		return PartKey(k.Broadcast, k.Rendition, k.Number, k.Term)
	}
	return SegmentKey(k.Broadcast, k.Rendition, k.Number, k.Term)
}

// IsPartKey tells whether key is that of a part's object.
func IsPartKey(key string) bool {
	k, ok := ParseMediaKey(key)
	return ok && k.Part
}

// PartAvailability is how far the end of a playlist is past the end of a segment, at the earliest, when
// the parts of that segment cannot be resolved any more: they have been listed for one part window, and
// then stay for another. It is media time, and holds for a segment that has its object.
func PartAvailability(target time.Duration) time.Duration {
	c := constants{target: target}
	return 2 * c.partWindow()
}
