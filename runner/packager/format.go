package packager

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// videoFormat is what a stream's parameter sets say.
type videoFormat struct {
	sps, pps      []byte  // H.264
	record        []byte  // H.265: an HEVCDecoderConfigurationRecord; nil for H.264
	codec         string  // RFC 6381
	width, height int     // as it is to be displayed, in square pixels
	fps           float64 // 0 where they do not say
	videoRange    string  // hls.SDR, hls.PQ or hls.HLG
}

func newVideoFormat(sps, pps []byte) (videoFormat, error) {
	if len(sps) < 4 || len(pps) == 0 {
		return videoFormat{}, errors.New("read H.264 parameter sets: too short")
	}
	var s h264.SPS
	if err := s.Unmarshal(sps); err != nil {
		return videoFormat{}, fmt.Errorf("read H.264 sequence parameter set: %w", err)
	}
	return videoFormat{
		sps: bytes.Clone(sps), pps: bytes.Clone(pps),
		// RFC 6381, 3.3: profile, constraints and level, as they stand in the SPS.
		codec: fmt.Sprintf("avc1.%02x%02x%02x", sps[1], sps[2], sps[3]),
		width: displayWidth(s), height: s.Height(), fps: s.FPS(),
		videoRange: videoRange(transfer(s)),
	}, nil
}

// audioFormat is what an AudioSpecificConfig says, and what silence sounds like in it.
type audioFormat struct {
	config     mpeg4audio.AudioSpecificConfig
	codec      string    // RFC 6381
	rate       timescale // of the core coder: samples per second, and the track's timescale
	outputRate int       // what is heard
	channels   int
	samples    int64 // per frame
	silence    []byte
	init       *section
}

// silentConfig is the format of audio that nobody sends: AAC-LC, 48 kHz, stereo.
var silentConfig = []byte{0x11, 0x90}

// The frame lengths of AAC (ISO/IEC 14496-3, 4.4.1: frameLengthFlag), and the highest sample rate.
const (
	longFrame    = 1024
	shortFrame   = 960
	maxAudioRate = 96_000
)

// channels is the number of them that a channelConfiguration stands for (ISO/IEC 14496-3, table 1.19).
func channels(config uint8) int {
	const front71 = 7 // 7.1 with two more in front
	if config == front71 {
		return front71 + 1
	}
	return int(config)
}

func newAudioFormat(broadcast string, asc []byte) (*audioFormat, error) {
	f := &audioFormat{samples: longFrame}
	if err := f.config.Unmarshal(asc); err != nil {
		return nil, fmt.Errorf("read AudioSpecificConfig: %w", err)
	}
	c := f.config
	if c.SampleRate <= 0 || c.SampleRate > maxAudioRate {
		return nil, fmt.Errorf("read AudioSpecificConfig: sample rate of %d Hz: want at most %d", c.SampleRate, maxAudioRate)
	}
	if c.ChannelConfig == 0 {
		return nil, errors.New("read AudioSpecificConfig: channels by program config element are not supported")
	}
	f.rate, f.outputRate, f.channels = timescale(c.SampleRate), c.SampleRate, channels(c.ChannelConfig)
	if c.FrameLengthFlag {
		f.samples = shortFrame
	}
	object := c.Type
	if c.ExtensionType != 0 { // HE-AAC, signalled explicitly
		object, f.outputRate = c.ExtensionType, c.ExtensionSampleRate
	}
	f.codec = fmt.Sprintf("mp4a.40.%d", object)
	f.silence = silentFrame(c.ChannelConfig)
	var err error
	f.init, err = audioSection(broadcast, f)
	return f, err
}

// same tells whether frames of both formats can stand in one segment.
func (f *audioFormat) same(other *audioFormat) bool { return f.config == other.config }

// middle is the media time, in ticks of 90 kHz, of the middle of a frame that begins at the sample
// position at.
func (f *audioFormat) middle(at int64) int64 { return videoScale.from(at+f.samples/2, f.rate) }

// end is the media time, in ticks of 90 kHz, of the end of a frame that begins at at.
func (f *audioFormat) end(at int64) int64 { return videoScale.from(at+f.samples, f.rate) }
