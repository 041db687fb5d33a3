package ffmpeg

import (
	"context"
	"time"
)

// An attempt is one ffmpeg.
type attempt struct {
	encoder
	gauge  *gauge
	began  time.Time
	from   int64 // PTS of its first keyframe: nothing in front of it counts
	stop   context.CancelCauseFunc
	cause  error  // why it is being ended; nil: it is not
	fed    bool   // a frame was accepted
	behind bool   // frames are left out at its front door
	left   uint64 // so many, since then
}
