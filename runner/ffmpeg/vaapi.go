package ffmpeg

import (
	"fmt"
	"strings"
)

// vaapiRecipe keeps pictures in the graphics' memory from the decoder to the encoder. As with NVDEC, it is
// ffmpeg's decoder that reads the stream, and what the graphics cannot decode is uploaded.
var vaapiRecipe = recipe{
	device: []string{
		"-init_hw_device", "vaapi=gpu", "-filter_hw_device", "gpu",
		"-hwaccel", "vaapi", "-hwaccel_device", "gpu", "-hwaccel_output_format", "vaapi",
	},
	filters: func(o Output) string {
		return chain(o, fmt.Sprintf("format=nv12|vaapi,hwupload,scale_vaapi=w=%d:h=%d:format=nv12:mode=hq,setsar=1", o.Width, o.Height))
	},
	passing:  passing,
	download: "format=nv12|vaapi,hwupload,hwdownload,format=nv12,",
	encoder:  encodeVAAPI,
	needs: needs{
		encoder: "h264_vaapi", hevc: "hevc_vaapi",
		filter:  "scale_vaapi",
		build:   "install an ffmpeg that was built with VA-API",
		machine: "a render node such as /dev/dri/renderD128 that this user may open, and a VA-API driver that encodes H.264",
	},
}

// encodeVAAPI is how an output is encoded by VA-API (ffmpeg-codecs(1), "VAAPI encoders"). ffmpeg itself
// plans the GOPs there, makes an IDR of every forced keyframe, and begins to count anew.
func encodeVAAPI(s Spec, o Output) []string {
	rate, buffer := s.bits(o)
	profile := o.profile()
	args := []string{"-c:v", o.either("h264_vaapi", "hevc_vaapi"), "-profile:v", profile}
	if o.codec() == CodecH264 { // hevc_vaapi finds the level by itself
		number := strings.ReplaceAll(level(profile, o.Width, o.Height, LeavingRate(s.Source.FPS, o.FPS), o.Bitrate), ".", "")
		args = append(args, "-level:v", number) // level_idc: it has no name for 4.0
	}
	args = append(args,
		// async_depth is how many pictures the encoder holds before it gives the first back; 2 by default.
		"-async_depth", "1", "-bf", "0", "-idr_interval", "0",
		// The timing messages would be of the frame rate in front of select.
		"-sei", "0",
	)
	args = append(args, keyframes(s, o)...)
	return append(args, "-rc_mode", "CBR", "-b:v", rate, "-maxrate", rate, "-bufsize", buffer)
}
