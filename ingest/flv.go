package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// demuxer turns the bodies of FLV audio and video tags (Video File Format Specification 10.1,
// E.4.2 and E.4.3; enhanced RTMP v2) into frames. Its errors are MediaErrors, and final.
type demuxer struct {
	h265   bool // HEVC is taken, too
	clock  clock
	video  videoStream // nil until the first sequence header
	access hevcAccess
	asc    []byte // the last AudioSpecificConfig
	audio  AudioConfig

	orphanVideo, orphanAudio int // frames that came before their configuration
}

// FLV codec ids and packet types.
const (
	flvAAC = 10

	flvExtendedAudio = 9 // "ExHeader": enhanced RTMP

	flvSequenceHeader = 0
	flvCodedFrames    = 1

	// Enhanced RTMP video: frames whose composition offset is 0 and left out.
	flvCodedFramesX = 3

	flvCommandFrame = 5 // video frame type: a seek hint for players of files
)

// maxComposition bounds a composition offset: no encoder reorders pictures over 10 s.
const maxComposition = 10_000 // ms

// hint says why nothing came of what came.
func (d *demuxer) hint() string {
	switch {
	case d.orphanVideo > 0 && d.h265:
		return fmt.Sprintf("%d video frames came without an AVC or HEVC sequence header", d.orphanVideo)
	case d.orphanVideo > 0:
		return fmt.Sprintf("%d video frames came without an AVC sequence header", d.orphanVideo)
	case d.orphanAudio > 0:
		return fmt.Sprintf("%d audio frames came without an AAC sequence header", d.orphanAudio)
	default:
		return ""
	}
}

// describe returns the format of kind, for the log.
func (d *demuxer) describe(kind Kind) string {
	if kind == Audio {
		return d.audio.String()
	}
	return d.video.String()
}

// takeVideo reads a video tag body. false = there is no frame in it.
func (d *demuxer) takeVideo(timestamp uint32, body []byte) (Frame, bool, error) {
	if len(body) == 0 {
		return Frame{}, false, nil
	}
	if body[0]&0x80 != 0 {
		return d.enhancedVideo(timestamp, body)
	}
	if body[0]>>4 == flvCommandFrame {
		return Frame{}, false, nil
	}
	name := videoCodecName(body[0] & 0x0f)
	codec, err := d.videoCodec(name)
	if err != nil {
		return Frame{}, false, err
	}
	if len(body) < 5 {
		return Frame{}, false, mediaError("%s video tag of %d bytes is cut off", name, len(body))
	}
	switch body[1] {
	case flvSequenceHeader:
		return d.videoConfig(codec, body[5:])
	case flvCodedFrames:
		return d.picture(timestamp, signed24(body[2:]), body[5:])
	default:
		return Frame{}, false, nil // 2 is the end of a sequence; more are not defined
	}
}

// enhancedVideo reads a video tag body of enhanced RTMP: the packet type where the codec id was,
// then a FourCC.
func (d *demuxer) enhancedVideo(timestamp uint32, body []byte) (Frame, bool, error) {
	if len(body) < 5 {
		return Frame{}, false, mediaError("enhanced RTMP video tag of %d bytes is cut off", len(body))
	}
	if body[0]>>4&0x07 == flvCommandFrame {
		return Frame{}, false, nil
	}
	if packet := body[0] & 0x0f; packet >= 6 {
		return Frame{}, false, mediaError("enhanced RTMP %s is not supported; send one H.264 video track", enhancedFeature(packet))
	}
	name := fourCCName(string(body[1:5]))
	codec, err := d.videoCodec(name)
	if err != nil {
		return Frame{}, false, err
	}
	data := body[5:]
	switch body[0] & 0x0f {
	case flvSequenceHeader:
		return d.videoConfig(codec, data)
	case flvCodedFrames:
		if len(data) < 3 {
			return Frame{}, false, mediaError("%s video tag of %d bytes is cut off", name, len(body))
		}
		return d.picture(timestamp, signed24(data), data[3:])
	case flvCodedFramesX:
		return d.picture(timestamp, 0, data)
	default:
		return Frame{}, false, nil // the end of a sequence, metadata
	}
}

// takeAudio reads an audio tag body. false = there is no frame in it.
func (d *demuxer) takeAudio(timestamp uint32, body []byte) (Frame, bool, error) {
	if len(body) == 0 {
		return Frame{}, false, nil
	}
	format := body[0] >> 4
	if format == flvExtendedAudio {
		return d.enhancedAudio(timestamp, body)
	}
	if format != flvAAC {
		return Frame{}, false, mediaError("audio codec %s is not supported; set the encoder to AAC", audioCodecName(format))
	}
	if len(body) < 2 {
		return Frame{}, false, mediaError("AAC audio tag of %d byte is cut off", len(body))
	}
	return d.aacPacket(timestamp, body[1], body[2:])
}

func (d *demuxer) enhancedAudio(timestamp uint32, body []byte) (Frame, bool, error) {
	packet := body[0] & 0x0f
	if len(body) < 5 {
		return Frame{}, false, mediaError("enhanced RTMP audio tag of %d bytes is cut off", len(body))
	}
	if packet == 5 || packet == 7 {
		return Frame{}, false, mediaError("enhanced RTMP %s is not supported; send one AAC audio track", enhancedFeature(packet+1))
	}
	if code := string(body[1:5]); code != "mp4a" {
		return Frame{}, false, mediaError("audio codec %s is not supported; set the encoder to AAC", fourCCName(code))
	}
	return d.aacPacket(timestamp, packet, body[5:])
}

func (d *demuxer) aacPacket(timestamp uint32, packet byte, data []byte) (Frame, bool, error) {
	switch packet {
	case flvSequenceHeader:
		return d.audioConfig(data)
	case flvCodedFrames:
		return d.sound(timestamp, data)
	default:
		return Frame{}, false, nil
	}
}

// videoConfig takes a decoder configuration record. One that is known is not passed on again.
func (d *demuxer) videoConfig(codec string, record []byte) (Frame, bool, error) {
	config, err := d.parseVideoConfig(codec, record)
	if err != nil {
		return Frame{}, false, err
	}
	known := d.video != nil && bytes.Equal(d.video.config(), config.config())
	d.video = config // the length size may differ
	return Frame{
		Kind: Video, DTS: d.clock.peek(Video), Config: true, Codec: codec, Payload: config.config(),
	}, !known, nil
}

// picture takes length-prefixed NAL units.
func (d *demuxer) picture(timestamp uint32, composition int32, data []byte) (Frame, bool, error) {
	if len(data) == 0 {
		return Frame{}, false, nil
	}
	if d.video == nil {
		d.orphanVideo++
		return Frame{}, false, nil
	}
	if composition > maxComposition || composition < -maxComposition {
		return Frame{}, false, mediaError("composition offset of %d ms", composition)
	}
	payload, kind, err := d.video.units(data)
	if err != nil || kind == noPicture {
		return Frame{}, false, err
	}
	return Frame{
		Kind:    Video,
		DTS:     d.clock.at(Video, timestamp),
		CTS:     int64(composition) * ticksPerMS,
		Key:     kind >= openPicture,
		Codec:   d.video.codec(),
		Payload: payload,
	}, true, nil
}

// audioConfig takes an AudioSpecificConfig. One that is known is not passed on again.
func (d *demuxer) audioConfig(data []byte) (Frame, bool, error) {
	if d.asc != nil && bytes.Equal(d.asc, data) {
		return Frame{}, false, nil
	}
	config, err := ParseAudioConfig(data)
	if err != nil {
		return Frame{}, false, err
	}
	d.asc, d.audio = bytes.Clone(data), config
	return Frame{Kind: Audio, DTS: d.clock.peek(Audio), Config: true, Codec: CodecAAC, Payload: d.asc}, true, nil
}

// sound takes one raw AAC frame.
func (d *demuxer) sound(timestamp uint32, data []byte) (Frame, bool, error) {
	if len(data) == 0 {
		return Frame{}, false, nil
	}
	if d.asc == nil {
		d.orphanAudio++
		return Frame{}, false, nil
	}
	if err := checkAAC(data); err != nil {
		return Frame{}, false, err
	}
	return Frame{
		Kind: Audio, DTS: d.clock.at(Audio, timestamp), Codec: CodecAAC, Payload: bytes.Clone(data),
	}, true, nil
}

// signed24 reads a big-endian SI24.
func signed24(b []byte) int32 {
	u := binary.BigEndian.Uint32([]byte{b[0], b[1], b[2], 0})
	return int32(u) >> 8 // with its sign
}
