package ingest

// Kind is the kind of a Frame.
type Kind uint8

// The two kinds of frames.
const (
	Video Kind = iota + 1
	Audio
)

// String returns "video" or "audio".
func (k Kind) String() string {
	switch k {
	case Video:
		return "video"
	case Audio:
		return "audio"
	default:
		return "unknown"
	}
}

// Frame is one coded picture or audio frame as it came in, or a codec configuration.
type Frame struct {
	Kind    Kind
	DTS     int64  // 90 kHz ticks since the publish began, unwrapped; never negative, and never less than the frame of its kind before
	CTS     int64  // composition offset in 90 kHz ticks; PTS = DTS + CTS
	Key     bool   // video: a picture at which decoding can begin: an IDR, or what begins an open group of pictures (a recovery point, a BLA or CRA picture)
	Config  bool   // Payload is a codec configuration (avcC, hvcC or AudioSpecificConfig), not media
	Codec   string // CodecH264, CodecH265 or CodecAAC
	Payload []byte // NAL units behind four bytes of length each, or one raw AAC frame; not to be changed
}

// The codecs that are taken in.
const (
	CodecH264 = "h264"
	CodecH265 = "h265" // with Options.H265
	CodecAAC  = "aac"
)

// PTS returns when the frame is shown or heard, in 90 kHz ticks since the publish began.
func (f Frame) PTS() int64 { return f.DTS + f.CTS }
