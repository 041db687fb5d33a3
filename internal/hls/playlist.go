package hls

import (
	"bytes"
	"compress/gzip"
	"sync"
)

// ContentType is that of every playlist (the draft, section 4).
const ContentType = "application/vnd.apple.mpegurl"

// Playlist is the text of a playlist in one state, shared by all who ask for it:
// its bytes must not be changed. It is safe for concurrent use.
type Playlist struct {
	// Ended says that the playlist has its EXT-X-ENDLIST and will never change. A
	// multivariant playlist never does: there it is always false.
	Ended bool

	text   []byte
	zipped func() []byte
}

func newPlaylist(text []byte, ended bool) *Playlist {
	return &Playlist{Ended: ended, text: text, zipped: sync.OnceValue(func() []byte { return zip(text) })}
}

// Text is the playlist as UTF-8.
func (p *Playlist) Text() []byte { return p.text }

// Gzip is the playlist compressed, once for all who ask.
func (p *Playlist) Gzip() []byte { return p.zipped() }

// zippers saves the hundreds of kilobytes that a gzip.Writer starts with.
var zippers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func zip(text []byte) []byte {
	var b bytes.Buffer
	w := zippers.Get().(*gzip.Writer)
	defer zippers.Put(w)
	w.Reset(&b)
	// A bytes.Buffer takes everything.
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}
