package packager

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"github.com/pharos-live/pharos/internal/hls"
)

// hashDigits is how much of the SHA-256 of an init section is its name.
const hashDigits = 16

// A section is an init section: the format of the parts that follow it.
type section struct {
	hash string
	key  string
	body []byte

	queued, durable, lost bool // protected by its outbox' mu
}

func newSection(broadcast, rendition string, scale timescale, codec codecs.Codec) (*section, error) {
	body, err := initBody(scale, codec)
	if err != nil {
		return nil, fmt.Errorf("write init section of %s: %w", rendition, err)
	}
	return sectionOf(broadcast, rendition, body), nil
}

// initBody is the file that an init section is.
func initBody(scale timescale, codec codecs.Codec) ([]byte, error) {
	init := fmp4.Init{Tracks: []*fmp4.InitTrack{{ID: trackID, TimeScale: uint32(scale), Codec: codec}}}
	var buffer seekablebuffer.Buffer
	if err := init.Marshal(&buffer); err != nil {
		return nil, err
	}
	return withFileType(buffer.Bytes()), nil
}

// sectionOf gives a file its name.
func sectionOf(broadcast, rendition string, body []byte) *section {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])[:hashDigits]
	return &section{hash: hash, key: hls.InitKey(broadcast, rendition, hash), body: body}
}

func videoSection(broadcast, rendition string, f videoFormat) (*section, error) {
	if f.record != nil {
		return hevcSection(broadcast, rendition, f)
	}
	return newSection(broadcast, rendition, videoScale, &codecs.H264{SPS: f.sps, PPS: f.pps})
}

func audioSection(broadcast string, f *audioFormat) (*section, error) {
	return newSection(broadcast, AudioName, f.rate, &codecs.MPEG4Audio{Config: f.config})
}

// fileType is an ftyp box that says what the parts are: the draft (RFC 8216bis, 3.1.2) wants
// "a compatible brand of iso6 or later".
var fileType = box(nil, "ftyp", func(b []byte) []byte {
	b = append(b, "cmfc"...)
	b = binary.BigEndian.AppendUint32(b, 0)
	return append(b, "cmfciso6mp41"...)
})

// withFileType puts fileType in the place of a file's first box, which must be its ftyp.
func withFileType(file []byte) []byte {
	rest := file[binary.BigEndian.Uint32(file):]
	return append(append(make([]byte, 0, len(fileType)+len(rest)), fileType...), rest...)
}
