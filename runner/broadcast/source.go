package broadcast

import (
	"errors"
	"fmt"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

// errCodec ends a broadcast whose codec changes: its renditions and their
// codecs are fixed. The streamer's encoder reads it, and its reconnect makes a
// new broadcast at the same channel URL.
var errCodec = errors.New("the codec changed in mid-stream; reconnect, and a new broadcast begins")

// A source is the codecs that a broadcast began with.
type source struct {
	video, audio broadcastv1.Codec // CODEC_UNSPECIFIED: there was none
}

// source is what t tells of the codecs. That sound was not there at the start
// does not mean that it cannot come: silence stands in for it, in AAC.
func (t *tracks) source() source {
	s := source{audio: broadcastv1.Codec_CODEC_AAC}
	if t.video != nil {
		s.video = t.video.codec
	}
	return s
}

// admit judges a configuration that comes in mid-stream. ignore says that
// nothing can be made of it: a track that came too late.
func (s source) admit(f *broadcastv1.Frame) (ignore bool, err error) {
	was := s.audio
	if f.GetKind() == broadcastv1.Kind_KIND_VIDEO {
		was = s.video
	}
	switch was {
	case f.GetCodec():
		return false, nil
	case broadcastv1.Codec_CODEC_UNSPECIFIED:
		return true, nil
	default:
		return false, fmt.Errorf("%w: %s was %s", errCodec, codecName(f.GetCodec()), codecName(was))
	}
}

// codecName names a codec for people.
func codecName(c broadcastv1.Codec) string {
	switch c {
	case broadcastv1.Codec_CODEC_H264:
		return "H.264"
	case broadcastv1.Codec_CODEC_H265:
		return "H.265"
	case broadcastv1.Codec_CODEC_AAC:
		return "AAC"
	default:
		return fmt.Sprintf("codec %d", int32(c))
	}
}
