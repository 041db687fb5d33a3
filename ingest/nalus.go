package ingest

import "github.com/pharos-live/pharos/internal/avc"

// A videoStream is what the configuration of a publish's video says, by its codec.
type videoStream interface {
	codec() string  // of a Frame
	config() []byte // the record, as a Frame carries it
	// units checks the NAL units of a tag and returns them behind lengths of four bytes, in memory of
	// their own, and what picture they make.
	units(data []byte) (payload []byte, picture int, err error)
	String() string // for the log
}

// nalus reads the NAL units of a tag: each stands behind its length.
type nalus struct {
	name       string // of the codec, for streamers
	lengthSize int    // bytes of a length, as units come
}

// each calls f for every NAL unit that is not empty.
func (n nalus) each(data []byte, f func(nalu []byte)) error {
	for rest := data; len(rest) > 0; {
		if len(rest) < n.lengthSize {
			return n.broken(data, "%d bytes are left where a NAL unit's length should be", len(rest))
		}
		size := 0
		for _, b := range rest[:n.lengthSize] {
			size = size<<8 | int(b)
		}
		if rest = rest[n.lengthSize:]; size > len(rest) {
			return n.broken(data, "a NAL unit of %d bytes where %d are left", size, len(rest))
		}
		if size > 0 {
			f(rest[:size])
		}
		rest = rest[size:]
	}
	return nil
}

// broken says what is wrong with the NAL units of a tag, and names the usual mistake.
func (n nalus) broken(data []byte, format string, args ...any) error {
	if avc.AnnexB(data) { // both codecs have the same start codes
		return mediaError("%s video is Annex B (start codes); FLV wants NAL units behind their length", n.name)
	}
	return mediaError(n.name+" video is broken: "+format, args...)
}
