package ffmpeg

import (
	"fmt"
	"slices"
	"strings"
)

// A Backend is what scales and encodes, and mostly what decodes, too.
type Backend string

// The backends, as the TRANSCODE_BACKEND setting names them.
const (
	Software Backend = "software" // the CPU: libavcodec, swscale, libx264
	Nvidia   Backend = "nvidia"   // NVDEC, CUDA and NVENC
	Xilinx   Backend = "xilinx"   // the scaler and the encoders of an Alveo U30, by Xilinx's ffmpeg
	VAAPI    Backend = "vaapi"    // Intel and AMD graphics
	Auto     Backend = "auto"     // the first of Backends that works; see Choose
)

// Backends are those that encode, in the order in which [Auto] tries them: cards that were put into a
// machine for this come before graphics that happen to be there, and the CPU is last.
func Backends() []Backend { return []Backend{Nvidia, Xilinx, VAAPI, Software} }

// ParseBackend reads the TRANSCODE_BACKEND setting; "" is Software. Its error says what is allowed.
func ParseBackend(s string) (Backend, error) {
	if s == "" {
		return Software, nil
	}
	allowed := []Backend{Software, Nvidia, Xilinx, VAAPI, Auto}
	if b := Backend(s); slices.Contains(allowed, b) {
		return b, nil
	}
	var names []string
	for _, b := range allowed {
		names = append(names, string(b))
	}
	return "", fmt.Errorf("transcoding backend %q: want %s", s, strings.Join(names, " or "))
}

// limits are the pictures that a backend's scaler and encoder make.
type limits struct {
	grid    int // sides are whole multiples of it
	longest int // side; 0 = no bound
}

// limits of the backends. That a rung is too small, or anything else about it, is for Probe to find.
func (b Backend) limits() limits {
	switch b {
	case Nvidia:
		return limits{grid: 2, longest: 4096} // what NVENC takes as H.264 on any card
	case Xilinx:
		// Video SDK 3.0, multiscale_xma: "Valid values are integers between 3840 and 128, in multiples of 4".
		return limits{grid: 4, longest: 3840}
	default:
		return limits{grid: 2}
	}
}

// A recipe is what a backend's command line is made of.
type recipe struct {
	device  []string                        // options in front of the input
	graph   func(s Spec) string             // a filter graph for all outputs, whose pads are [v0], [v1], …; nil = none
	filters func(o Output) string           // the filter chain of one output, without graph
	passing []string                        // options by which an output keeps its timestamps
	encoder func(s Spec, o Output) []string // how an output is encoded
	// download are filters, with a comma behind, that bring a picture into memory; "" = pictures are there
	download string
	check    func(s Spec) error // says what this backend cannot do; nil = nothing
	needs    needs
}

// needs are the parts of ffmpeg that a recipe uses, and what else there must be: for the errors of Probe.
type needs struct {
	encoder, hevc string // of H.264 and of H.265
	filter        string // "" = none that every ffmpeg does not have
	build         string // how to come by such an ffmpeg
	machine       string // what else the machine must have
}

func (b Backend) recipe() recipe {
	switch b {
	case Nvidia:
		return nvidiaRecipe
	case Xilinx:
		return xilinxRecipe
	case VAAPI:
		return vaapiRecipe
	default:
		return softwareRecipe
	}
}
