package hevc

import (
	"bytes"
	"encoding/binary"
)

// NAL unit types (H.265, table 7-1) that are told apart here.
const (
	typeTrailLast = 5  // 0 to 5 are trailing pictures, of sub-layers too
	typeRADLFirst = 6  // N and R
	typeRASLFirst = 8  // N and R
	typeRASLLast  = 9  //
	typeBLAFirst  = 16 // three of them
	typeIDRFirst  = 19 // IDR_W_RADL, IDR_N_LP
	typeCRA       = 21
	typeVPS       = 32
	typeSPS       = 33
	typePPS       = 34
	typePrefixSEI = 39
)

// A Picture says what kind of picture a NAL unit is a slice of.
type Picture uint8

// The kinds of pictures, as far as random access goes (H.265, 3.1 and 8.1.3). Leading pictures follow an
// IRAP picture in decoding order and precede it in what is shown.
const (
	NoPicture Picture = iota // no slice: parameter sets, SEI, a type that is reserved
	Trailing                 // depends on pictures before it
	RADL                     // a leading picture that can be decoded where decoding began at its IRAP picture
	RASL                     // a leading picture that cannot, as it refers to pictures in front of that
	IDR                      // decoding can begin here, and nothing that follows refers to what came before
	CRA                      // decoding can begin here, but for the RASL pictures that may follow
	BLA                      // a CRA picture behind a splice: the RASL pictures that follow can never be decoded
)

// PictureOf tells what a NAL unit is a slice of. The unit must not be empty.
func PictureOf(nalu []byte) Picture {
	switch t := unitType(nalu); {
	case t <= typeTrailLast:
		return Trailing
	case t >= typeRADLFirst && t < typeRASLFirst:
		return RADL
	case t >= typeRASLFirst && t <= typeRASLLast:
		return RASL
	case t >= typeBLAFirst && t < typeIDRFirst:
		return BLA
	case t >= typeIDRFirst && t < typeCRA:
		return IDR
	case t == typeCRA:
		return CRA
	default:
		return NoPicture
	}
}

// Leading says that the picture is shown before the IRAP picture that it follows.
func (p Picture) Leading() bool { return p == RADL || p == RASL }

// ParameterSet tells whether a NAL unit is a VPS, SPS or PPS. The unit must not be empty.
func ParameterSet(nalu []byte) bool {
	t := unitType(nalu)
	return t >= typeVPS && t <= typePPS
}

func unitType(nalu []byte) byte { return nalu[0] >> 1 & 0x3f }

// IsCRA says whether a picture, whose NAL units stand behind four bytes of length each, is a CRA picture,
// which begins an open group of pictures.
func IsCRA(picture []byte) bool {
	const lengthSize = 4
	for len(picture) > lengthSize {
		size := binary.BigEndian.Uint32(picture)
		if picture = picture[lengthSize:]; size == 0 || uint64(size) > uint64(len(picture)) {
			return false
		}
		if p := PictureOf(picture[:size]); p != NoPicture {
			return p == CRA
		}
		picture = picture[size:]
	}
	return false
}

// AnnexB tells whether b begins with a start code, as H.265 does where it should not.
func AnnexB(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0, 0, 0, 1}) || bytes.HasPrefix(b, []byte{0, 0, 1})
}

// Units yields the NAL units of a byte stream with start codes (H.265, annex B), none of them empty.
func Units(stream []byte) func(yield func([]byte) bool) {
	startCode := []byte{0, 0, 1}
	return func(yield func([]byte) bool) {
		_, rest, found := bytes.Cut(stream, startCode)
		for found {
			var nalu []byte
			nalu, rest, found = bytes.Cut(rest, startCode)
			// Zeros in front of a start code belong to it: no NAL unit ends with one (7.4.2.1).
			if nalu = bytes.TrimRight(nalu, "\x00"); len(nalu) > 0 && !yield(nalu) {
				return
			}
		}
	}
}
