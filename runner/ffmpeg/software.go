package ffmpeg

import (
	"fmt"
	"strconv"
)

// softwareRecipe decodes, scales and encodes on the CPU.
var softwareRecipe = recipe{
	filters: func(o Output) string {
		return chain(o, fmt.Sprintf("scale=%d:%d:flags=bicubic,setsar=1", o.Width, o.Height))
	},
	passing: passing,
	encoder: encodeSoftware,
	needs: needs{
		encoder: "libx264", hevc: "libx265",
		build: "install an ffmpeg that was built with it, or leave TRANSCODE empty",
	},
}

func encodeSoftware(s Spec, o Output) []string {
	if o.codec() == CodecH265 {
		return x265(s, o)
	}
	return x264(s, o)
}

// x264 is how an output is encoded on the CPU.
func x264(s Spec, o Output) []string {
	rate := LeavingRate(s.Source.FPS, o.FPS)
	bits := strconv.Itoa(o.Bitrate)
	profile := profileOf(o.Rung)
	return []string{
		"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency",
		"-profile:v", profile, "-level:v", level(profile, o.Width, o.Height, rate, o.Bitrate), "-pix_fmt", "yuv420p",
		"-threads", strconv.Itoa(sliceThreads(o, rate)),
		"-g", strconv.Itoa(GOP(s.Source, o, s.Segment)), "-sc_threshold", "0", "-force_key_frames", "source",
		"-b:v", bits, "-maxrate", bits, "-bufsize", bits,
		"-x264-params", fmt.Sprintf("fps=%.3f", rate),
	}
}

// sliceThreads is how many threads encode a frame of o together, each a slice of it, as zerolatency has no
// frame threads: one for each 720p30's worth of macroblocks, as slices cost bits in small pictures.
func sliceThreads(o Output, rate float64) int {
	const worth, most = 108_000, 4
	perSecond := float64(blocks(o.Width)*blocks(o.Height)) * rate
	return min(1+int(perSecond/(worth+1)), most)
}
