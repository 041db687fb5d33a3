package broadcast

import (
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// A shelf sees to it that whoever joins late learns of the newest poster and of
// all sheets within the window, although the stream is cut and the list was made
// for segments:
//
//   - the stream always has the newest poster and the newest revision of the sheet
//     that grows: where a cut would take them, they are appended once more before it;
//   - the list has the other sheets, each in its last revision, as a record from
//     when the next sheet begins until its end is further back than the window.
//
// A reader ignores what it knows.
type shelf struct {
	poster, sheet onShelf
}

// onShelf is an entry of the stream that readers need for as long as it is the
// newest of its kind.
type onShelf struct {
	data   []byte // nil: there is none
	seq    uint64
	number uint64
	end    time.Duration
}

// note is told of every entry appended. It returns the sheet that belongs into the
// list from now on, if any.
func (s *shelf) note(e hls.Event, data []byte, seq uint64) (done onShelf, ok bool) {
	switch e := e.(type) {
	case hls.Poster:
		s.poster = onShelf{data: data, seq: seq, number: e.Number}
	case hls.Sheet:
		if s.sheet.data != nil && s.sheet.number < e.Number {
			done, ok = s.sheet, true
		}
		if s.sheet.data == nil || s.sheet.number <= e.Number {
			s.sheet = onShelf{data: data, seq: seq, number: e.Number, end: e.End()}
		}
	}
	return done, ok
}

// cut are the entries that a cut before seq takes, and that are to be appended
// again.
func (s *shelf) cut(before uint64) []*onShelf {
	var again []*onShelf
	for _, o := range []*onShelf{&s.poster, &s.sheet} {
		if o.data != nil && o.seq < before {
			again = append(again, o)
		}
	}
	return again
}
