package broadcast

import (
	"context"
	"image"
	"log/slog"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// What pictures there are of a broadcast.
const (
	stillEvery  = 5 * time.Second  // the raster of small pictures, in media time
	posterEvery = 10 * time.Second // that of posters
	sheetEvery  = 10 * time.Second // the least time between two revisions of a sheet that grows
	posterSide  = 640              // pixels: the longer side of a poster
	tileWidth   = 160              // pixels: the box of a small picture
	tileHeight  = 90

	// queueStills bounds the stills that wait for the album; beyond, the newest is
	// left out. They come every few seconds, and one takes some 20 ms.
	queueStills = 4
	// storeTime bounds the storing of one picture.
	storeTime = 5 * time.Second
	// picturesTime is what the end of a broadcast has for its last pictures.
	picturesTime = 2 * time.Second
)

// A still is a picture of the source as ffmpeg made it: a JPEG.
type still struct {
	at   time.Duration // media time
	data []byte
}

// An album makes posters and sheets of stills, stores and announces them.
//
//	offer ─stills─▶ run ─┬─ every 10 s as it is ─▶ poster ─┬─▶ Store ─▶ announce
//	                     └─ every 5 s, small ────▶ sheet ──┘      └─▶ discards
//
// Small picture n is the first still at or after n × 5 s; where keyframes are
// further apart, one stands for all the steps that it came too late for. Nothing
// that goes wrong here is an error of the broadcast: what cannot be stored is
// tried again with the next one.
type album struct {
	broadcast string
	term      uint64
	tile      image.Point
	store     Store
	announce  func(context.Context, ...hls.Event) error
	onPoster  func(number uint64) // may be nil
	log       *slog.Logger

	stills chan still    // closed by end
	done   chan struct{} // closed when run has returned

	mu      sync.Mutex // protects all below
	began   bool
	zero    int64 // PTS of media time zero, in ticks
	ended   bool
	leftOut int // stills that found no room

	// What follows is run's own.
	next       uint64    // small picture that is to come
	posters    uint64    // how many were tried: the number of the last one
	posterSlot int64     // of the raster, of the last one that was announced; -1 = none
	posterKey  string    // of that one
	sheets     []*stored // the full one that could not be stored yet, if any, and the one that grows
	sheetTried time.Time // when the last one was
	discards   discards
	isFailing  bool // the last store failed, and it was said
	lost       int  // stills that could not be read, and full sheets that were never stored
}

// A stored is a sheet and what the bucket has of it.
type stored struct {
	*sheet
	revision uint64    // the last that was tried
	key      string    // of the last that was announced; "" = none
	dirty    bool      // there is more than was announced
	due      time.Time // not stored before
}

func newAlbum(broadcast string, term uint64, src ffmpeg.Source, store Store, announce func(context.Context, ...hls.Event) error, log *slog.Logger) *album {
	w, h := ffmpeg.FitWithin(src, tileWidth, tileHeight)
	return &album{
		broadcast: broadcast, term: term, tile: image.Pt(w, h),
		store: store, announce: announce, log: log,
		stills: make(chan still, queueStills), done: make(chan struct{}),
		posterSlot: -1, discards: discards{store: store, log: log},
	}
}

// begin says which PTS media time zero is, by the first keyframe; later calls
// change nothing. Safe together with all other methods.
func (a *album) begin(zero int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.began {
		a.began, a.zero = true, zero
	}
}

// offer takes a still. It never blocks: a still that finds no room is left out.
// Safe together with all other methods.
func (a *album) offer(p ffmpeg.Packet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.began || a.ended || p.PTS < a.zero {
		return
	}
	select {
	case a.stills <- still{at: ffmpeg.Duration(p.PTS - a.zero), data: p.Data}:
	default:
		a.leftOut++
	}
}

// end says that no still comes any more: run stores what is left, and returns.
func (a *album) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.ended = true
		close(a.stills)
	}
}

// run works until end, or the end of ctx. To be called once.
func (a *album) run(ctx context.Context) {
	defer close(a.done)
	defer a.report()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(a.pause())
		select {
		case s, ok := <-a.stills:
			if !ok {
				a.finish(ctx)
				return
			}
			a.add(ctx, s)
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		a.storeSheets(ctx, false)
		a.discards.sweep(ctx, supersededFor)
	}
}

// finish stores what has not been, and deletes what has been superseded for a
// while: the last poster and the last revisions stay for the replay.
func (a *album) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, picturesTime)
	defer cancel()
	a.storeSheets(ctx, true)
	a.discards.sweep(ctx, supersededAtEnd)
}

// pause is how long there is nothing to do but for stills.
func (a *album) pause() time.Duration {
	wait := time.Hour
	for _, s := range a.sheets {
		if s.dirty {
			wait = min(wait, time.Until(s.due))
		}
	}
	if at, ok := a.discards.due(); ok {
		wait = min(wait, time.Until(at))
	}
	return max(wait, 0)
}

// add takes a still in: as a poster, where one is due, and as a small picture.
func (a *album) add(ctx context.Context, s still) {
	step := uint64(s.at / stillEvery)
	if step < a.next {
		return
	}
	picture, err := decodeStill(s.data)
	if err != nil {
		a.lost++
		a.log.DebugContext(ctx, "a picture cannot be read", "error", err)
		return
	}
	if slot := int64(s.at / posterEvery); slot > a.posterSlot {
		a.storePoster(ctx, s, slot, picture.Bounds().Size())
	}
	a.fill(step, shrink(picture, a.tile))
}

// fill makes picture the small picture of all steps up to the last one that have
// none yet. Sheets of which none has come are left out.
func (a *album) fill(last uint64, picture *image.YCbCr) {
	for a.next <= last {
		number := a.next / hls.SheetPictures
		s := a.growing(number)
		if s == nil {
			if behind := last / hls.SheetPictures; number < behind {
				a.next = behind * hls.SheetPictures
				continue
			}
			s = a.open(number)
		}
		s.add(picture)
		a.next++
		s.dirty = true
		if s.full() {
			s.due = time.Time{} // its last revision does not wait
		}
	}
}

// growing is the sheet of that number, if it has begun.
func (a *album) growing(number uint64) *stored {
	if n := len(a.sheets); n > 0 && a.sheets[n-1].number == number {
		return a.sheets[n-1]
	}
	return nil
}

// open begins a sheet. At most one full one waits to be stored besides.
func (a *album) open(number uint64) *stored {
	s := &stored{sheet: newSheet(number, a.tile), due: a.sheetTried.Add(sheetEvery)}
	a.sheets = append(a.sheets, s)
	if len(a.sheets) > 2 {
		a.sheets = a.sheets[1:]
		a.lost++
	}
	return s
}

// storeSheets stores what is due, or all that is not stored yet.
func (a *album) storeSheets(ctx context.Context, all bool) {
	left := a.sheets[:0]
	for _, s := range a.sheets {
		if s.dirty && (all || !time.Now().Before(s.due)) {
			a.storeSheet(ctx, s)
		}
		if s.dirty || !s.full() {
			left = append(left, s)
		}
	}
	a.sheets = left
}

// storeSheet stores a sheet under its next revision. One that failed is never
// tried again under the same key, as nobody knows what the bucket has of it.
func (a *album) storeSheet(ctx context.Context, s *stored) {
	s.revision++
	a.sheetTried = time.Now()
	s.due = a.sheetTried.Add(sheetEvery)
	data, err := s.encode()
	if err != nil {
		a.log.ErrorContext(ctx, "a sheet of pictures cannot be made", "error", err)
		return
	}
	key := hls.SheetKey(a.broadcast, s.number, s.revision, a.term)
	ok := a.put(ctx, key, data, hls.Sheet{
		Number: s.number, Revision: s.revision,
		Start: time.Duration(s.number) * hls.SheetPictures * stillEvery, Interval: stillEvery,
		Count: s.count, Columns: hls.SheetColumns, Width: s.tile.X, Height: s.tile.Y,
		Size: int64(len(data)), Term: a.term,
	})
	if ok {
		a.discards.add(s.key)
		s.key, s.dirty = key, false
	}
}

// storePoster stores a still as the next poster. Where it fails, the next still is
// tried, under another number.
func (a *album) storePoster(ctx context.Context, s still, slot int64, size image.Point) {
	a.posters++
	key := hls.PosterKey(a.broadcast, a.posters, a.term)
	if !a.put(ctx, key, s.data, hls.Poster{
		Number: a.posters, At: s.at, Width: size.X, Height: size.Y, Size: int64(len(s.data)), Term: a.term,
	}) {
		return
	}
	a.discards.add(a.posterKey)
	a.posterSlot, a.posterKey = slot, key
	if a.onPoster != nil {
		a.onPoster(a.posters)
	}
}

// put stores a picture and announces it once it is durable. What could not be
// announced is deleted like what is superseded.
func (a *album) put(ctx context.Context, key string, data []byte, e hls.Event) bool {
	timed, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	err := a.store.Put(timed, key, data, objstore.PutOptions{})
	if err == nil {
		err = a.announce(ctx, e)
	}
	switch {
	case err == nil && a.isFailing:
		a.log.InfoContext(ctx, "pictures can be stored again")
	case err != nil && !a.isFailing && ctx.Err() == nil:
		a.log.WarnContext(ctx, "a picture of the broadcast cannot be stored: trying again", "error", err)
	}
	a.isFailing = err != nil
	if err != nil {
		a.discards.add(key)
	}
	return err == nil
}

// report says at the end what was left out, if anything was.
func (a *album) report() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leftOut+a.lost+a.discards.forgotten > 0 {
		a.log.Info("some pictures of the broadcast were left out", "stills", a.leftOut, "lost", a.lost, "undeleted", a.discards.forgotten)
	}
}
