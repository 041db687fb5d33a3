package ingest

import (
	"bytes"
	"encoding/binary"

	"github.com/pharos-live/pharos/internal/avc"
)

// VideoConfig is what the configuration of an H.264 stream says of its pictures.
type VideoConfig = avc.Config

// ParseVideoConfig reads the Payload of a video configuration Frame. Errors are MediaErrors.
func ParseVideoConfig(payload []byte) (VideoConfig, error) {
	c, err := avc.Parse(payload)
	if err != nil {
		return VideoConfig{}, mediaError("%v", err)
	}
	return c, nil
}

// avcDecoderConfig is a parsed AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
type avcDecoderConfig struct {
	nalus
	record []byte // as a Frame carries it: lengths of four bytes
	video  VideoConfig
}

// NAL unit types (ITU-T H.264, table 7-1), and what a frame's make of it.
const (
	naluIDR       = 5
	naluLastSlice = 5 // 1 to 5 are coded slices

	noPicture    = 0
	otherPicture = 1
	idrPicture   = 2
)

// parseAVCDecoderConfig keeps nothing of record.
func parseAVCDecoderConfig(record []byte) (*avcDecoderConfig, error) {
	record = bytes.Clone(record)
	video, err := ParseVideoConfig(record)
	if err != nil {
		return nil, err
	}
	c := &avcDecoderConfig{record: record, nalus: nalus{nameH264, video.LengthSize}, video: video}
	record[4] |= 0x03 // lengthSizeMinusOne, as units makes it
	c.video.LengthSize = 4
	return c, nil
}

func (c *avcDecoderConfig) codec() string  { return CodecH264 }
func (c *avcDecoderConfig) config() []byte { return c.record }
func (c *avcDecoderConfig) String() string { return c.video.String() }

// units checks the NAL units of a tag and returns them behind lengths of four bytes, in memory of
// their own, and what they make.
func (c *avcDecoderConfig) units(data []byte) (payload []byte, picture int, err error) {
	count, size := 0, 0
	err = c.each(data, func(nalu []byte) {
		count++
		size += len(nalu)
		switch t := nalu[0] & 0x1f; {
		case t == naluIDR:
			picture = idrPicture
		case t >= 1 && t <= naluLastSlice:
			picture = max(picture, otherPicture)
		}
	})
	if err != nil {
		return nil, noPicture, err
	}
	payload = make([]byte, 0, size+4*count)
	_ = c.each(data, func(nalu []byte) { // checked just now
		payload = binary.BigEndian.AppendUint32(payload, uint32(len(nalu)))
		payload = append(payload, nalu...)
	})
	return payload, picture, nil
}
