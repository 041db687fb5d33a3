// Package avc reads the configuration of an H.264 stream: the one parser of ingest, which takes it from
// anyone, and of the runner. Whatever the bytes, it returns: with a Config whose numbers are within
// bounds, or with an error in words for a streamer.
package avc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// Bounds of what a sequence parameter set may say.
const (
	maxSide = 16_384 // pixels; level 6.2 ends at about 16,888
	maxRate = 1000   // frames per second; beyond, a rate counts as not told
)

// A Config is what an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1) says.
type Config struct {
	Width, Height int     // of what is shown, after cropping: 1 to 16,384
	FPS           float64 // 0 if the encoder does not say, or the rate varies; at most 1000
	Profile       uint8   // profile_idc
	Constraints   uint8   // constraint_set flags
	Level         uint8   // level_idc
	LengthSize    int     // bytes of the length in front of each NAL unit: 1 to 4
	SPS, PPS      []byte  // the first of each, without start code or length: parts of the record
}

// String returns "h264 1280x720 30 fps".
func (c Config) String() string {
	return fmt.Sprintf("h264 %dx%d %.4g fps", c.Width, c.Height, c.FPS)
}

// Parse reads a record. The Config refers to it.
func Parse(record []byte) (Config, error) {
	switch {
	case AnnexB(record):
		return Config{}, errors.New("the AVC sequence header is Annex B (start codes), not an AVCDecoderConfigurationRecord")
	case len(record) < 7:
		return Config{}, fmt.Errorf("AVC sequence header of %d bytes is cut off", len(record))
	case record[0] != 1:
		return Config{}, fmt.Errorf("AVC sequence header of version %d, not 1", record[0])
	}
	sps, rest, err := parameterSets(record[6:], int(record[5]&0x1f))
	if err != nil {
		return Config{}, err
	}
	if len(rest) == 0 {
		return Config{}, errors.New("AVC sequence header is cut off before its picture parameter sets")
	}
	pps, _, err := parameterSets(rest[1:], int(rest[0]))
	if err != nil {
		return Config{}, err
	}
	if sps == nil || pps == nil {
		return Config{}, errors.New("AVC sequence header without parameter sets")
	}
	c, err := parseSPS(sps)
	c.PPS, c.LengthSize = pps, int(record[4]&0x03)+1
	return c, err
}

// parameterSets reads n sets, each behind its length of two bytes, and returns the first.
func parameterSets(b []byte, n int) (first, rest []byte, err error) {
	for i := range n {
		if len(b) < 2 {
			return nil, nil, fmt.Errorf("AVC sequence header is cut off in parameter set %d of %d", i+1, n)
		}
		size := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; size == 0 || size > len(b) {
			return nil, nil, fmt.Errorf("AVC sequence header with a parameter set of %d bytes where %d are left", size, len(b))
		}
		if i == 0 {
			first = b[:size:size]
		}
		b = b[size:]
	}
	return first, b, nil
}

// parseSPS reads a sequence parameter set. The parser is another project's and the bytes anyone's: a
// panic of it is an error like others.
func parseSPS(b []byte) (c Config, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = Config{}, fmt.Errorf("H.264 sequence parameter set cannot be read: %v", r)
		}
	}()
	var sps h264.SPS
	if err := sps.Unmarshal(b); err != nil {
		return Config{}, fmt.Errorf("H.264 sequence parameter set cannot be read: %w", err)
	}
	c = Config{
		Width: sps.Width(), Height: sps.Height(), FPS: sps.FPS(),
		Profile: b[1], Constraints: b[2], Level: b[3], SPS: b,
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > maxSide || c.Height > maxSide {
		return Config{}, fmt.Errorf("H.264 sequence parameter set says %dx%d pixels", c.Width, c.Height)
	}
	if math.IsNaN(c.FPS) || c.FPS < 0 || c.FPS > maxRate {
		c.FPS = 0
	}
	return c, nil
}

// AnnexB tells whether b begins with a start code, as H.264 does where it should not.
func AnnexB(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0, 0, 0, 1}) || bytes.HasPrefix(b, []byte{0, 0, 1})
}

// IDR tells whether a picture, as NAL units behind lengths of four bytes, is an IDR: one after which
// nothing refers to what came before it.
func IDR(picture []byte) bool {
	const idr, lengthSize = 5, 4
	for len(picture) > lengthSize {
		size := binary.BigEndian.Uint32(picture)
		if picture = picture[lengthSize:]; size == 0 || uint64(size) > uint64(len(picture)) {
			return false
		}
		if picture[0]&0x1f == idr {
			return true
		}
		picture = picture[size:]
	}
	return false
}
