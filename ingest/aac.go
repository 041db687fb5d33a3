package ingest

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// AudioConfig is what an AudioSpecificConfig says of the sound.
type AudioConfig struct {
	SampleRate int // Hz, without spectral band replication
	Channels   int
}

// String returns "aac 48000 Hz 2 channels".
func (c AudioConfig) String() string {
	return fmt.Sprintf("%s %d Hz %d channels", CodecAAC, c.SampleRate, c.Channels)
}

// ParseAudioConfig reads the Payload of an audio configuration Frame (ISO/IEC 14496-3, 1.6.2.1).
// Errors are MediaErrors.
func ParseAudioConfig(payload []byte) (c AudioConfig, err error) {
	defer func() { // the parser is another project's, and the bytes anyone's
		if r := recover(); r != nil {
			c, err = AudioConfig{}, mediaError("AAC AudioSpecificConfig cannot be read: %v", r)
		}
	}()
	var asc mpeg4audio.AudioSpecificConfig
	if err := asc.Unmarshal(payload); err != nil {
		return AudioConfig{}, mediaError("AAC AudioSpecificConfig cannot be read: %v; set the encoder to AAC-LC", err)
	}
	if asc.ChannelConfig == 0 {
		return AudioConfig{}, mediaError("AAC with a channel layout of its own is not supported; set the encoder to stereo")
	}
	if asc.SampleRate < 7350 || asc.SampleRate > 96_000 { // the ends of ISO/IEC 14496-3's table
		return AudioConfig{}, mediaError("AAC at %d Hz is not supported; set the encoder to 48000 Hz", asc.SampleRate)
	}
	channels := int(asc.ChannelConfig)
	if channels == 7 { // "7: 8 channels"
		channels = 8
	}
	return AudioConfig{SampleRate: asc.SampleRate, Channels: channels}, nil
}

// checkAAC names the usual mistake. No raw frame begins with the bits of an ADTS sync word: its
// first three would be the end element, with more behind it.
func checkAAC(data []byte) error {
	if len(data) >= 7 && data[0] == 0xff && data[1]&0xf6 == 0xf0 {
		return mediaError("AAC audio has ADTS headers; FLV wants raw frames")
	}
	return nil
}
