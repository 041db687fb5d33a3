package avc

import "github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

// maxReorder is the most that H.264 allows (max_num_reorder_frames, E.2.1).
const maxReorder = 16

// Reorder is how many pictures a decoder holds back by the word of a sequence parameter set
// (max_num_reorder_frames, H.264 E.2.1). 0 where the set does not say, or cannot be read.
func Reorder(sps []byte) (n int) {
	defer func() {
		if recover() != nil { // the parser is another project's, and the bytes anyone's
			n = 0
		}
	}()
	var s h264.SPS
	if s.Unmarshal(sps) != nil || s.VUI == nil || s.VUI.BitstreamRestriction == nil {
		return 0
	}
	return int(min(s.VUI.BitstreamRestriction.MaxNumReorderFrames, maxReorder))
}
