package hls

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// How small pictures are laid out: in squares, so that a sheet of 5 s pictures
// covers 125 s.
const (
	SheetColumns  = 5
	SheetPictures = SheetColumns * SheetColumns
)

// A Poster is a picture of the broadcast, for lists and previews. It is readable
// in the bucket from the moment its event is seen, and for a minute after the
// next one: the newest counts.
//
// A Poster or Sheet may come again, and is then ignored: a writer repeats the
// newest when the stream is about to lose it, for readers who join late.
type Poster struct {
	Number        uint64        // counted through the whole broadcast, from 1
	At            time.Duration // when it was shown
	Width, Height int           // pixels
	Size          int64         // bytes
	Term          uint64        // in its object's key
}

// A Sheet is a JPEG of small pictures in rows, for scrubbing. Picture i stands
// for the time from Start + i·Interval on, for Interval. A sheet grows until it
// has SheetPictures, and is stored anew for that: the newest revision counts, and
// the former one is readable for a minute more. Full sheets are also records of
// the list of older segments.
type Sheet struct {
	Number        uint64 // counted through the whole broadcast: Start / (SheetPictures · Interval)
	Revision      uint64 // from 1, with holes
	Start         time.Duration
	Interval      time.Duration
	Count         int    // of pictures
	Columns       int    // pictures in a row
	Width, Height int    // of one picture, in pixels
	Size          int64  // bytes
	Term          uint64 // in its object's key
}

func (Poster) event() {}
func (Sheet) event()  {}

// Full says that no further revision comes.
func (s Sheet) Full() bool { return s.Count >= SheetPictures }

// End is where the time that its pictures stand for ends.
func (s Sheet) End() time.Duration { return s.Start + time.Duration(s.Count)*s.Interval }

// drawable says whether a picture event can be made use of. One that cannot is
// passed over: no broadcast ends for its pictures.
func drawable(e Event) bool {
	switch e := e.(type) {
	case Poster:
		return e.Number > 0
	case Sheet:
		return e.Count > 0 && e.Count <= SheetPictures && e.Columns > 0 && e.Columns <= SheetPictures &&
			e.Width > 0 && e.Height > 0 && e.Start >= 0 && e.Interval > 0
	}
	return false
}

// pictures is the newest of a broadcast's pictures. Broadcast.mu guards it.
type pictures struct {
	poster Poster  // Number 0: there is none yet
	sheets []Sheet // by number, the newest revision of each; of two windows

	// storyboard renders the sheets of one window, once for all who ask; nil until
	// somebody does after a change.
	storyboard func() *Playlist
}

// take takes a drawable event in.
func (p *pictures) take(e Event, window time.Duration) {
	switch e := e.(type) {
	case Poster:
		if newer(e.Term, e.Number, p.poster.Term, p.poster.Number) {
			p.poster = e
		}
	case Sheet:
		p.takeSheet(e, window)
	}
}

// newer compares what two terms have counted: the newer term's word counts.
func newer(term, n, wasTerm, was uint64) bool {
	return cmp.Or(cmp.Compare(term, wasTerm), cmp.Compare(n, was)) > 0
}

func (p *pictures) takeSheet(s Sheet, window time.Duration) {
	i, found := slices.BinarySearchFunc(p.sheets, s.Number, func(s Sheet, n uint64) int { return cmp.Compare(s.Number, n) })
	switch {
	case !found:
		p.sheets = slices.Insert(p.sheets, i, s)
	case newer(s.Term, s.Revision, p.sheets[i].Term, p.sheets[i].Revision):
		p.sheets[i] = s
	default:
		return
	}
	p.storyboard = nil
	p.sheets = within(p.sheets, 2*window)
}

// within leaves out the sheets that lie further back than window. It changes
// sheets, of which there is at least one.
func within(sheets []Sheet, window time.Duration) []Sheet {
	edge := sheets[len(sheets)-1].End()
	return slices.DeleteFunc(sheets, func(s Sheet) bool { return edge-s.End() >= window })
}

// Poster is the key of the newest poster's object; ErrNotFound where there is
// none (yet).
func (b *Broadcast) Poster() (key string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pictures.poster
	if p.Number == 0 {
		return "", ErrNotFound
	}
	return PosterKey(b.constants.broadcast, p.Number, p.Term), nil
}

// Sheet is the key of the newest revision of a sheet, and whether it is full, so
// that no newer one comes. Sheets stay known for a window longer than the
// storyboard names them. ErrNotFound: there is none of that number.
func (b *Broadcast) Sheet(number uint64) (key string, full bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.pictures.sheets {
		if s.Number == number {
			return SheetKey(b.constants.broadcast, s.Number, s.Revision, s.Term), s.Full(), nil
		}
	}
	return "", false, ErrNotFound
}

// Storyboard lists the small pictures of the window as WebVTT, in media time and
// with URLs of app servers. ErrNotFound: there are none (yet).
func (b *Broadcast) Storyboard() (*Playlist, error) {
	b.mu.Lock()
	p := &b.pictures
	if len(p.sheets) == 0 {
		b.mu.Unlock()
		return nil, ErrNotFound
	}
	if p.storyboard == nil {
		id, listed := b.constants.broadcast, within(slices.Clone(p.sheets), b.constants.window)
		p.storyboard = sync.OnceValue(func() *Playlist {
			return newPlaylist(Storyboard(listed, func(s Sheet) string { return sheetURL(id, s) }), false)
		})
	}
	render := p.storyboard
	b.mu.Unlock()
	return render(), nil
}
