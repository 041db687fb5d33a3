package packager

import (
	"fmt"

	"github.com/pharos-live/pharos/internal/hls"
)

// Names of renditions that are not rungs.
const (
	SourceName = "source"
	AudioName  = "audio"
)

// Tracks is what a broadcast consists of: the set is fixed for its life.
type Tracks struct {
	Source     *Video // nil: no video, ever
	ListSource bool   // the source is a rendition; else it only says where to cut
	Rungs      []Rung
	Audio      *Audio // nil with video: silence, until SetAudio and Audio bring something else
}

// Video is the format of H.264 video, or of H.265.
type Video struct {
	SPS, PPS  []byte  // H.264
	Record    []byte  // H.265: an HEVCDecoderConfigurationRecord
	FrameRate float64 // a hint, in frames per second; 0 = what the SPS says, if it does
	Bandwidth int     // bits per second; 0 = as measured, see Packager.Measured
}

// Rung is a video rendition that is encoded from the source. Its parameter sets come with SetRung.
type Rung struct {
	Name          string
	Width, Height int
	FrameRate     float64 // the most frames in a second
	Bitrate       int     // bits per second
}

// Audio is the format of AAC audio.
type Audio struct {
	Config []byte // AudioSpecificConfig
}

// Sample is one frame of a track.
type Sample struct {
	DTS, PTS int64  // ticks of 90 kHz on the source's clock
	Key      bool   // video: decoding can begin here
	Open     bool   // of a Key: no IDR, but the begin of an open group of pictures
	Data     []byte // NAL units behind four bytes of length each, without parameter sets; or a raw AAC frame. It is kept, and must not change
	Seq      uint64 // number of the source frame, for Keep; 0 for rungs
}

const (
	minSourceBandwidth = 300_000
	pixelsPerBit       = 10
	pixelsPerBitAtRest = 20 // no source is believed to stay below: its first second may be a still
	audioBandwidth     = 160_000
)

// sourceRendition describes the source; fps 0 stays unknown. Its bit rate is a guess until it is measured.
func sourceRendition(v Video, f videoFormat) hls.Rendition {
	fps := v.FrameRate
	if fps <= 0 {
		fps = f.fps
	}
	bits := v.Bandwidth
	if bits <= 0 {
		bits = pictureBits(f, fps, pixelsPerBit)
	}
	return hls.Rendition{
		Name: SourceName, Kind: hls.Video, Codecs: f.codec,
		Width: f.width, Height: f.height, FrameRate: fps,
		Bandwidth: bits, AverageBandwidth: bits, VideoRange: f.videoRange,
	}
}

// pictureBits is a bit rate by the size of the pictures.
func pictureBits(f videoFormat, fps float64, pixels int) int {
	if fps <= 0 {
		fps = unknownRate
	}
	return max(int(float64(f.width*f.height)*fps)/pixels, minSourceBandwidth)
}

// rungRendition describes a rung; its codec is known once its format is.
func rungRendition(c Config, r Rung) hls.Rendition {
	overhead := c.overhead(hls.Video, r.FrameRate)
	return hls.Rendition{
		Name: r.Name, Kind: hls.Video,
		Width: r.Width, Height: r.Height, FrameRate: r.FrameRate,
		Bandwidth: c.rungPeak(r.Bitrate) + overhead, AverageBandwidth: r.Bitrate + overhead,
	}
}

func audioRendition(f *audioFormat) hls.Rendition {
	return hls.Rendition{
		Name: AudioName, Kind: hls.Audio, Codecs: f.codec,
		Bandwidth: audioBandwidth, AverageBandwidth: audioBandwidth,
		Channels: f.channels, SampleRate: f.outputRate,
	}
}

// validate checks what New is given.
func (t Tracks) validate() error {
	switch {
	case t.Source == nil && t.Audio == nil:
		return fmt.Errorf("neither video nor audio")
	case t.Source == nil && (t.ListSource || len(t.Rungs) > 0):
		return fmt.Errorf("renditions of video without video")
	case t.Source != nil && !t.ListSource && len(t.Rungs) == 0:
		return fmt.Errorf("no rendition of the video: neither the source nor a rung")
	}
	seen := map[string]bool{SourceName: true, AudioName: true}
	for _, r := range t.Rungs {
		if r.Name == "" || seen[r.Name] {
			return fmt.Errorf("rung %q is without a name, or there twice", r.Name)
		}
		seen[r.Name] = true
	}
	return nil
}
