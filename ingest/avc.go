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
	naluSEI       = 6

	noPicture    = 0
	otherPicture = 1
	openPicture  = 2 // begins an open group of pictures: decoding can begin here, but for those shown before it
	idrPicture   = 3
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
	count, size, recovery := 0, 0, false
	err = c.each(data, func(nalu []byte) {
		count++
		size += len(nalu)
		switch t := nalu[0] & 0x1f; {
		case t == naluIDR:
			picture = idrPicture
		case t >= 1 && t <= naluLastSlice:
			picture = max(picture, otherPicture)
		case t == naluSEI:
			recovery = recovery || recoveryPoint(nalu[1:])
		}
	})
	if err != nil {
		return nil, noPicture, err
	}
	if recovery && picture == otherPicture {
		picture = openPicture
	}
	payload = make([]byte, 0, size+4*count)
	_ = c.each(data, func(nalu []byte) { // checked just now
		payload = binary.BigEndian.AppendUint32(payload, uint32(len(nalu)))
		payload = append(payload, nalu...)
	})
	return payload, picture, nil
}

// recoveryPoint tells whether an SEI message says that decoding is right from this very picture on: one
// with recovery_frame_cnt 0 (ITU-T H.264, 7.3.2.3.1 and D.1.8). Encoders without keyframes, which
// refresh the picture bit by bit, have greater ones.
func recoveryPoint(sei []byte) bool {
	const payloadRecoveryPoint = 6
	sei = bytes.ReplaceAll(sei, []byte{0, 0, 3}, []byte{0, 0}) // emulation prevention
	for len(sei) > 2 {                                         // what follows the last one is its stop bit
		var kind, size int
		kind, sei = seiNumber(sei)
		size, sei = seiNumber(sei)
		if size > len(sei) {
			return false
		}
		if kind == payloadRecoveryPoint {
			return size > 0 && sei[0]&0x80 != 0 // ue(v): a 1 alone is 0
		}
		sei = sei[size:]
	}
	return false
}

// seiNumber reads a payload's type or size: each 0xff before the last byte adds 255.
func seiNumber(b []byte) (n int, rest []byte) {
	for i, v := range b {
		n += int(v)
		if v != 0xff {
			return n, b[i+1:]
		}
	}
	return n, nil
}
