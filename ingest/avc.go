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
	record     []byte // as a Frame carries it: lengths of four bytes
	lengthSize int    // of the NAL units as they come
	video      VideoConfig
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
	c := &avcDecoderConfig{record: record, lengthSize: video.LengthSize, video: video}
	record[4] |= 0x03 // lengthSizeMinusOne, as units makes it
	c.video.LengthSize = 4
	return c, nil
}

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

// each calls f for every NAL unit that is not empty.
func (c *avcDecoderConfig) each(data []byte, f func(nalu []byte)) error {
	for rest := data; len(rest) > 0; {
		if len(rest) < c.lengthSize {
			return c.broken(data, "%d bytes are left where a NAL unit's length should be", len(rest))
		}
		size := 0
		for _, b := range rest[:c.lengthSize] {
			size = size<<8 | int(b)
		}
		if rest = rest[c.lengthSize:]; size > len(rest) {
			return c.broken(data, "a NAL unit of %d bytes where %d are left", size, len(rest))
		}
		if size > 0 {
			f(rest[:size])
		}
		rest = rest[size:]
	}
	return nil
}

// broken says what is wrong with the NAL units of a tag, and names the usual mistake.
func (c *avcDecoderConfig) broken(data []byte, format string, args ...any) error {
	if avc.AnnexB(data) {
		return mediaError("H.264 video is Annex B (start codes); FLV wants NAL units behind their length")
	}
	return mediaError("H.264 video is broken: "+format, args...)
}
