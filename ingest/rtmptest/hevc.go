package rtmptest

import (
	"encoding/binary"
	"encoding/hex"
)

// HEVCSets are x265's VPS, SPS and PPS for 1280x720 at 30 fps, Main profile, level 3.1.
var HEVCSets = [3][]byte{
	unhex("40010c01ffff01600000030090000003000003005dba0240"),
	unhex("42010101600000030090000003000003005da00280802d165ba4a4c2f0168080000003008000000f04"),
	unhex("4401c0718312"),
}

// First bytes of NAL units of H.265; the second is always 1.
const (
	HEVCTrailing = 1 << 1
	HEVCRASL     = 9 << 1
	HEVCIDR      = 20 << 1
	HEVCCRA      = 21 << 1
)

// Packet types of enhanced RTMP video.
const (
	SequenceStart = iota
	CodedFrames
	SequenceEnd
	CodedFramesX
	Metadata
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// HEVCConfig is an HEVCDecoderConfigurationRecord of these sets, with NAL unit lengths of four bytes.
func HEVCConfig(sets [3][]byte) []byte {
	b := append([]byte{1}, make([]byte, 20)...)
	b = append(b, 0x0f, byte(len(sets)))
	for i, set := range sets {
		b = append(b, byte(0xa0+i), 0, 1)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(set))), set...)
	}
	return b
}

// EnhancedVideo is the body of an enhanced FLV video tag.
func EnhancedVideo(key bool, packet byte, fourCC string, data []byte) []byte {
	first := 0x80 | 0x20 | packet
	if key {
		first = 0x80 | 0x10 | packet
	}
	return append(append([]byte{first}, fourCC...), data...)
}

// HEVCStart is the body of an enhanced FLV tag with the configuration of HEVCSets.
func HEVCStart() []byte {
	return EnhancedVideo(true, SequenceStart, "hvc1", HEVCConfig(HEVCSets))
}

// HEVCFrame is the body of an enhanced FLV tag with coded data and its composition offset in ms:
// CodedFramesX where that is 0, as encoders do.
func HEVCFrame(key bool, composition int32, data []byte) []byte {
	if composition == 0 {
		return EnhancedVideo(key, CodedFramesX, "hvc1", data)
	}
	offset := []byte{byte(composition >> 16), byte(composition >> 8), byte(composition)}
	return EnhancedVideo(key, CodedFrames, "hvc1", append(offset, data...))
}

// HEVCUnit is a NAL unit of size bytes that begins with first, behind its length in four bytes.
func HEVCUnit(first byte, size int) []byte {
	b := NALU(first, size)
	b[5] = 1 // the layer and the temporal id
	return b
}
