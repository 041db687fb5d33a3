package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// NAL unit types (ITU-T H.264, table 7-1) that this package tells apart.
const (
	nalIDR = 5
	nalSPS = 7
	nalPPS = 8
	nalAUD = 9
)

// AnnexBToAVCC appends the NAL units of au, which are separated by start codes, to dst, each behind
// its length in four bytes, and returns the extended slice. Parameter sets and access unit
// delimiters are left out: fMP4 holds the sets in its init section, and wants no delimiters.
func AnnexBToAVCC(dst, au []byte) []byte {
	for nal := range nals(au) {
		switch nal[0] & 0x1F {
		case nalSPS, nalPPS, nalAUD:
			continue
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(nal))) //nolint:gosec // A packet has at most MaxPacket bytes.
		dst = append(dst, nal...)
	}
	return dst
}

// ParameterSets returns the first SPS and the first PPS of extradata in Annex B, as a rung's
// [Stream] has it. They are parts of extradata, not copies.
func ParameterSets(extradata []byte) (sps, pps []byte, err error) {
	for nal := range nals(extradata) {
		switch t := nal[0] & 0x1F; {
		case t == nalSPS && sps == nil:
			sps = nal
		case t == nalPPS && pps == nil:
			pps = nal
		}
	}
	if sps == nil || pps == nil {
		return nil, nil, errors.New("read parameter sets: extradata lacks an SPS or a PPS")
	}
	return sps, pps, nil
}

// IsIDR tells whether au, in Annex B, holds a slice of an IDR picture.
func IsIDR(au []byte) bool {
	for nal := range nals(au) {
		if nal[0]&0x1F == nalIDR {
			return true
		}
	}
	return false
}

// nals yields the NAL units of a byte stream (annex B), none of them empty.
func nals(b []byte) func(yield func([]byte) bool) {
	startCode := []byte{0, 0, 1}
	return func(yield func([]byte) bool) {
		_, b, found := bytes.Cut(b, startCode)
		for found {
			var nal []byte
			nal, b, found = bytes.Cut(b, startCode)
			// Zeros in front of a start code belong to it: no NAL unit ends with one (7.4.1).
			if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 && !yield(nal) {
				return
			}
		}
	}
}

// An avcConfig is what an AVC decoder configuration record (ISO/IEC 14496-15, 5.3.3.1) says that
// matters in mid-stream.
type avcConfig struct {
	lengthSize int // bytes in front of each NAL unit of a frame: 1, 2 or 4
	sets       [][]byte
}

var errAVCConfig = errors.New("AVC configuration record: too short, or not one")

// parseAVCConfig reads a record. The extension of High profiles behind the PPS is of no use here.
func parseAVCConfig(b []byte) (avcConfig, error) {
	if len(b) < 7 || b[0] != 1 {
		return avcConfig{}, errAVCConfig
	}
	c := avcConfig{lengthSize: int(b[4]&3) + 1}
	count, rest := int(b[5]&0x1F), b[6:]
	for kind := range 2 { // SPS, then PPS
		for range count {
			if len(rest) < 2 {
				return avcConfig{}, errAVCConfig
			}
			n := int(binary.BigEndian.Uint16(rest))
			if n == 0 || n > len(rest)-2 {
				return avcConfig{}, errAVCConfig
			}
			c.sets = append(c.sets, rest[2:2+n])
			rest = rest[2+n:]
		}
		if count == 0 {
			return avcConfig{}, errAVCConfig
		}
		if kind == 1 {
			break
		}
		if len(rest) == 0 {
			return avcConfig{}, errAVCConfig
		}
		count, rest = int(rest[0]), rest[1:]
	}
	return c, nil
}

// inBand is the parameter sets as they stand in front of a frame, each behind its length.
func (c avcConfig) inBand() ([]byte, error) {
	var b []byte
	for _, set := range c.sets {
		if len(set)>>(8*c.lengthSize) != 0 {
			return nil, fmt.Errorf("parameter set of %d bytes behind a length of %d bytes", len(set), c.lengthSize)
		}
		for i := c.lengthSize - 1; i >= 0; i-- {
			b = append(b, byte(len(set)>>(8*i))) //nolint:gosec // One byte at a time.
		}
		b = append(b, set...)
	}
	return b, nil
}
