package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// VideoConfig is what an H.264 sequence parameter set says of the pictures.
type VideoConfig struct {
	Width, Height int     // of what is shown, after cropping
	FPS           float64 // 0 if the encoder does not say, or the rate varies
	Profile       uint8   // profile_idc
	Constraints   uint8   // constraint_set flags
	Level         uint8   // level_idc
	SPS, PPS      []byte  // the first of each, without start code or length
}

// String returns "h264 1280x720 30 fps".
func (c VideoConfig) String() string {
	return fmt.Sprintf("%s %dx%d %.4g fps", CodecH264, c.Width, c.Height, c.FPS)
}

// ParseVideoConfig reads the Payload of a video configuration Frame. Errors are MediaErrors.
func ParseVideoConfig(payload []byte) (VideoConfig, error) {
	c, err := parseAVCDecoderConfig(payload)
	if err != nil {
		return VideoConfig{}, err
	}
	return c.video, nil
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

	noPicture    = 0
	otherPicture = 1
	idrPicture   = 2
)

// maxSide bounds a picture's width and height; level 6.2 ends at about 16,888.
const maxSide = 16_384

// parseAVCDecoderConfig keeps nothing of record.
func parseAVCDecoderConfig(record []byte) (*avcDecoderConfig, error) {
	if annexB(record) {
		return nil, mediaError("the AVC sequence header is Annex B (start codes), not an AVCDecoderConfigurationRecord")
	}
	if len(record) < 7 {
		return nil, mediaError("AVC sequence header of %d bytes is cut off", len(record))
	}
	if record[0] != 1 {
		return nil, mediaError("AVC sequence header of version %d, not 1", record[0])
	}
	c := &avcDecoderConfig{record: bytes.Clone(record), lengthSize: int(record[4]&0x03) + 1}
	c.record[4] |= 0x03 // lengthSizeMinusOne, as units makes it
	sps, rest, err := parameterSets(c.record[6:], int(record[5]&0x1f))
	if err != nil {
		return nil, err
	}
	if len(rest) == 0 {
		return nil, mediaError("AVC sequence header is cut off before its picture parameter sets")
	}
	pps, _, err := parameterSets(rest[1:], int(rest[0]))
	if err != nil {
		return nil, err
	}
	if sps == nil || pps == nil {
		return nil, mediaError("AVC sequence header without parameter sets")
	}
	c.video, err = parseSPS(sps)
	c.video.PPS = pps
	return c, err
}

// parameterSets reads n sets, each behind its length of two bytes, and returns the first.
func parameterSets(b []byte, n int) (first, rest []byte, err error) {
	for i := range n {
		if len(b) < 2 {
			return nil, nil, mediaError("AVC sequence header is cut off in parameter set %d of %d", i+1, n)
		}
		size := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; size == 0 || size > len(b) {
			return nil, nil, mediaError("AVC sequence header with a parameter set of %d bytes where %d are left", size, len(b))
		}
		if i == 0 {
			first = b[:size:size]
		}
		b = b[size:]
	}
	return first, b, nil
}

// parseSPS reads a sequence parameter set. The parser is another project's and the bytes anyone's:
// a panic of it is an error like others.
func parseSPS(b []byte) (c VideoConfig, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = VideoConfig{}, mediaError("H.264 sequence parameter set cannot be read: %v", r)
		}
	}()
	var sps h264.SPS
	if err := sps.Unmarshal(b); err != nil {
		return VideoConfig{}, mediaError("H.264 sequence parameter set cannot be read: %v", err)
	}
	c = VideoConfig{
		Width: sps.Width(), Height: sps.Height(), FPS: sps.FPS(),
		Profile: b[1], Constraints: b[2], Level: b[3], SPS: b,
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > maxSide || c.Height > maxSide {
		return VideoConfig{}, mediaError("H.264 sequence parameter set says %dx%d pixels", c.Width, c.Height)
	}
	if math.IsNaN(c.FPS) || c.FPS < 0 || c.FPS > 1000 {
		c.FPS = 0
	}
	return c, nil
}

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
	if annexB(data) {
		return mediaError("H.264 video is Annex B (start codes); FLV wants NAL units behind their length")
	}
	return mediaError("H.264 video is broken: "+format, args...)
}

// annexB tells whether b begins with a start code.
func annexB(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0, 0, 0, 1}) || bytes.HasPrefix(b, []byte{0, 0, 1})
}
