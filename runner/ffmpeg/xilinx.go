package ffmpeg

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// xilinxRecipe uses the scaler and the encoders of an Alveo U30. Its ffmpeg is Xilinx's fork of 4.4
// (https://xilinx.github.io/video-sdk/v3.0/using_ffmpeg.html), which knows -vsync and no -fps_mode.
//
// Decoding stays on the CPU: the card's decoder numbers its pictures anew (libavcodec/mpsoc_vcu_dec.c,
// set_pts), and does not tell which are keyframes, so that neither PTS nor IDRs would be the source's.
//
// multiscale_xma makes all sizes one from the other, which is why they come largest first. It is told not
// to pipeline: two pictures late, it would give each the keyframe flag of another. Its out_N_rate=half drops
// every second picture, keyframes or not; select does that better.
var xilinxRecipe = recipe{
	device:  []string{"-vsync", "passthrough"},
	graph:   multiscale,
	passing: []string{"-enc_time_base", "-1"},
	encoder: encodeU30,
	check: func(s Spec) error {
		for _, o := range s.Outputs {
			if n := GOP(s.Source, o, s.Segment); n > maxU30GOP {
				return fmt.Errorf("%d frames of %s from one IDR to the next: a U30 takes %d: shorten PHAROS_SEGMENT", n, o.Name(), maxU30GOP)
			}
		}
		return nil
	},
	needs: needs{
		encoder: "mpsoc_vcu_h264", hevc: "mpsoc_vcu_hevc",
		filter:  "multiscale_xma",
		build:   "put the ffmpeg of the Xilinx Video SDK first in PATH: source /opt/xilinx/xcdr/setup.sh",
		machine: "an Alveo U30 with its driver and a running XRM daemon, and sides of 128 to 3840 pixels",
	},
}

// maxU30GOP: "The maximum supported GOP size is 1000."
const maxU30GOP = 1000

// multiscale is the filter graph of all outputs. The scaler has its own order: largest first, where the twins
// in H.265 stand behind the ladder.
func multiscale(s Spec) string {
	bySize := make([]int, len(s.Outputs))
	for i := range bySize {
		bySize[i] = i
	}
	slices.SortStableFunc(bySize, func(i, j int) int {
		a, b := s.Outputs[i], s.Outputs[j]
		return cmp.Compare(b.Width*b.Height, a.Width*a.Height)
	})
	var scaler, pads, chosen strings.Builder
	fmt.Fprintf(&scaler, "[0:v:0]format=nv12,multiscale_xma=outputs=%d:enable_pipeline=0", len(s.Outputs))
	for n, i := range bySize {
		o := s.Outputs[i]
		fmt.Fprintf(&scaler, ":out_%d_width=%d:out_%d_height=%d:out_%d_rate=full", n+1, o.Width, n+1, o.Height, n+1)
		if !o.Decimate {
			fmt.Fprintf(&pads, "[v%d]", i)
			continue
		}
		fmt.Fprintf(&pads, "[s%d]", i)
		fmt.Fprintf(&chosen, ";[s%d]%s[v%d]", i, selectExpr(o.FPS), i)
	}
	return scaler.String() + pads.String() + chosen.String()
}

// encodeU30 is how an output is encoded on the card. It finds the level by itself.
func encodeU30(s Spec, o Output) []string {
	rate, _ := s.bits(o)
	gop := strconv.Itoa(GOP(s.Source, o, s.Segment))
	args := []string{
		"-c:v", o.either("mpsoc_vcu_h264", "mpsoc_vcu_hevc"), "-profile:v", o.profile(), "-aspect-ratio", "none",
		// Lookahead would cost as many pictures of delay.
		"-bf", "0", "-lookahead_depth", "0",
		"-g", gop, "-periodicity-idr", gop, "-force_key_frames", "source",
		"-control-rate", "cbr", "-b:v", rate, "-max-bitrate", rate,
		"-expert-options", "cpb-size=1:initial-delay=0.5", // seconds
	}
	if o.codec() == CodecH264 && o.Width*o.Height > 1920*1088 {
		args = append(args, "-slices", "4") // "must be used when encoding 4k streams to H.264 in order to sustain real-time performance"
	}
	return args
}
