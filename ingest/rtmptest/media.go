package rtmptest

import "encoding/binary"

// SPS and PPS are x264's for 1280x720 at 30 fps, High profile, level 3.1.
var (
	SPS = []byte{
		0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x6a, 0x02, 0x02, 0x02, 0x80,
		0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x1e, 0x07, 0x8c, 0x18, 0xcb,
	}
	PPS = []byte{0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0}
)

// ASC is the AudioSpecificConfig of AAC-LC, 48 kHz, stereo.
var ASC = []byte{0x11, 0x90}

// AVCConfig is an AVCDecoderConfigurationRecord of the SPS and PPS, with NAL unit lengths of four
// bytes.
func AVCConfig(sps, pps []byte) []byte {
	b := []byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1}
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(sps))), sps...)
	b = append(b, 1)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(pps))), pps...)
}

// VideoConfig is the body of an FLV tag with an AVC sequence header.
func VideoConfig() []byte { return append([]byte{0x17, 0, 0, 0, 0}, AVCConfig(SPS, PPS)...) }

// Picture is the body of an FLV tag with one NAL unit of size bytes: an IDR slice, or another one.
// The composition offset is in ms.
func Picture(key bool, composition int32, size int) []byte {
	first, nalu := byte(0x27), byte(0x41)
	if key {
		first, nalu = 0x17, 0x65
	}
	b := []byte{first, 1, byte(composition >> 16), byte(composition >> 8), byte(composition)}
	return append(b, NALU(nalu, size)...)
}

// NALU is a NAL unit of size bytes with that first byte, behind its length in four bytes.
func NALU(first byte, size int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(size))
	b = append(b, first)
	for i := range size - 1 {
		b = append(b, byte(i)|1)
	}
	return b
}

// AudioConfig is the body of an FLV tag with an AAC sequence header.
func AudioConfig() []byte { return append([]byte{0xaf, 0}, ASC...) }

// Sound is the body of an FLV tag with one raw AAC frame of size bytes.
func Sound(size int) []byte {
	b := append([]byte{0xaf, 1}, make([]byte, size)...)
	b[2] = 0x21
	return b
}
