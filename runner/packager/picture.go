package packager

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/pharos-live/pharos/internal/hls"
)

// Transfer characteristics (ISO/IEC 23091-2, 8.2) by which VIDEO-RANGE is told.
const (
	transferPQ  = 16 // SMPTE ST 2084
	transferHLG = 18 // ARIB STD-B67
)

// videoRange is the VIDEO-RANGE of pictures with these transfer characteristics (rfc8216bis, 4.4.6.2).
func videoRange(transfer uint8) string {
	switch transfer {
	case transferPQ:
		return hls.PQ
	case transferHLG:
		return hls.HLG
	default:
		return hls.SDR
	}
}

// transfer is what an SPS says of the transfer characteristics; 2, "unspecified", where it is silent.
func transfer(s h264.SPS) uint8 {
	if s.VUI == nil || !s.VUI.ColourDescriptionPresentFlag {
		return 2
	}
	return s.VUI.TransferCharacteristics
}

// aspects are the sample aspect ratios that have a number (ITU-T H.264, table E-1), from 1 on.
var aspects = [...][2]int{
	{1, 1},
	{12, 11},
	{10, 11},
	{16, 11},
	{40, 33},
	{24, 11},
	{20, 11},
	{32, 11},
	{80, 33},
	{18, 11},
	{15, 11},
	{64, 33},
	{160, 99},
	{4, 3},
	{3, 2},
	{2, 1},
}

// extendedSAR says that the ratio stands beside the number.
const extendedSAR = 255

// displayWidth is how wide a picture is to be shown whose height stays as it is: RESOLUTION is the size of
// display, and samples need not be square.
func displayWidth(s h264.SPS) int {
	if s.VUI == nil || !s.VUI.AspectRatioInfoPresentFlag {
		return s.Width()
	}
	w, h := 1, 1
	switch n := int(s.VUI.AspectRatioIdc); {
	case n == extendedSAR:
		w, h = int(s.VUI.SarWidth), int(s.VUI.SarHeight)
	case n >= 1 && n <= len(aspects):
		w, h = aspects[n-1][0], aspects[n-1][1]
	}
	if w == 0 || h == 0 { // "unspecified"
		return s.Width()
	}
	return (s.Width()*w + h/2) / h
}
