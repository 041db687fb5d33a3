package ffmpeg

import "fmt"

// nvidiaRecipe keeps pictures on the card from the decoder to the encoder.
//
// NVDEC is used by way of -hwaccel, not as the decoder h264_cuvid: the latter has a parser of its own,
// to which every picture of intra slices alone is a keyframe (libavcodec/cuviddec.c: intra_pic_flag),
// scene cuts among them. With -hwaccel it is ffmpeg's decoder that reads the stream, as in software, and
// a source that the card cannot decode is decoded on the CPU and uploaded: "format=nv12|cuda,hwupload"
// passes pictures through that are on the card already.
var nvidiaRecipe = recipe{
	device: []string{
		"-init_hw_device", "cuda=gpu", "-filter_hw_device", "gpu",
		"-hwaccel", "cuda", "-hwaccel_device", "gpu", "-hwaccel_output_format", "cuda",
	},
	filters: func(o Output) string {
		// passthrough=0: a picture of the right size already is copied all the same, so that the encoder
		// never holds one of the few surfaces that the decoder has.
		return chain(o, fmt.Sprintf("format=nv12|cuda,hwupload,scale_cuda=w=%d:h=%d:format=nv12:passthrough=0,setsar=1", o.Width, o.Height))
	},
	passing:  passing,
	download: "format=nv12|cuda,hwupload,hwdownload,format=nv12,",
	encoder:  nvenc,
	needs: needs{
		encoder: "h264_nvenc", hevc: "hevc_nvenc",
		filter:  "scale_cuda",
		build:   "install an ffmpeg that was built with ffnvcodec",
		machine: "an NVIDIA card with its driver, and in a container its runtime and the capability video",
	},
}

// nvenc is how an output is encoded by NVENC (ffmpeg -h encoder=h264_nvenc; hevc_nvenc has the same options).
func nvenc(s Spec, o Output) []string {
	rate, buffer := s.bits(o)
	args := []string{
		"-c:v", o.either("h264_nvenc", "hevc_nvenc"), "-preset", "p4", "-tune", "ll",
		// NVENC refuses a level that is too low for the frame rate that it believes in (see bits), so it
		// finds the lowest that is not by itself.
		"-profile:v", o.profile(), "-level:v", "auto",
		// Without lookahead, delay and B-frames each picture is out before the next one comes.
		"-rc-lookahead", "0", "-delay", "0", "-zerolatency", "1", "-bf", "0",
		// forced-idr: "If forcing keyframes, force them as IDR frames."
		"-forced-idr", "1", "-no-scenecut", "1", "-strict_gop", "1",
	}
	args = append(args, keyframes(s, o)...)
	return append(args, "-rc", "cbr", "-b:v", rate, "-maxrate", rate, "-bufsize", buffer, "-spatial-aq", "1")
}
