// Package hevc reads and writes the configuration of an H.265 stream, and tells its pictures apart: the
// one parser of ingest, which takes it from anyone, and of the runner. Whatever the bytes, it returns:
// with a Config whose numbers are within bounds, or with an error in words for a streamer.
//
// What a Config says is read from the sequence parameter set alone: the numbers that a record repeats
// in front of it are often wrong.
package hevc

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// Bounds of what a sequence parameter set may say.
const (
	maxSide = 16_384 // pixels; level 6.2 ends at about 16,888
	maxRate = 1000   // frames per second; beyond, a rate counts as not told
	maxSets = 64     // parameter sets of a kind: as many PPS as there are ids
)

// TransferUnspecified is the transfer characteristic of pictures whose encoder says none (H.265, table E.4).
const TransferUnspecified = 2

// A Config is what the parameter sets of a stream say.
type Config struct {
	Width, Height int     // of what is shown, in samples, after cropping: 1 to 16,384
	DisplayWidth  int     // the width in square pixels, which samples need not be: 1 to 16,384
	FPS           float64 // 0 if the encoder does not say; at most 1000
	Transfer      uint8   // transfer_characteristics: 16 is PQ, 18 is HLG; TransferUnspecified if the encoder does not say

	ProfileSpace  uint8 // general_profile_space: 0 to 3
	HighTier      bool
	Profile       uint8   // general_profile_idc: 1 Main, 2 Main 10
	Compatibility uint32  // general_profile_compatibility_flag, the first flag highest
	Constraints   [6]byte // the 48 bits of constraint flags
	Level         uint8   // general_level_idc: 30 times the level
	Chroma        uint8   // chroma_format_idc: 1 is 4:2:0
	LumaDepth     uint8   // bits: 8 to 15
	ChromaDepth   uint8   // bits: 8 to 15
	Layers        uint8   // temporal sub-layers: 1 to 8
	Nested        bool    // sps_temporal_id_nesting_flag

	LengthSize    int      // bytes of the length in front of each NAL unit: 1 to 4
	VPS, SPS, PPS [][]byte // without start code or length, at least one of each
	SEI           [][]byte // prefix SEI for the whole stream, such as a mastering display's
}

// String returns "h265 1280x720 30 fps".
func (c Config) String() string {
	return fmt.Sprintf("h265 %dx%d %.4g fps", c.Width, c.Height, c.FPS)
}

// Codec is the stream's CODECS string as an hvc1 sample entry (ISO/IEC 14496-15, E.3): profile,
// compatibility flags with the last one highest, tier and level, constraint bytes without the zeros at
// their end, as in "hvc1.1.6.L93.90".
func (c Config) Codec() string {
	var b strings.Builder
	b.WriteString("hvc1.")
	if c.ProfileSpace > 0 {
		b.WriteByte('A' + c.ProfileSpace - 1)
	}
	tier := 'L'
	if c.HighTier {
		tier = 'H'
	}
	fmt.Fprintf(&b, "%d.%X.%c%d", c.Profile, bits.Reverse32(c.Compatibility), tier, c.Level)
	used := len(c.Constraints)
	for used > 0 && c.Constraints[used-1] == 0 {
		used--
	}
	for _, x := range c.Constraints[:used] {
		fmt.Fprintf(&b, ".%X", x)
	}
	return b.String()
}

// New reads parameter sets, which are without start codes or lengths; the first SPS counts. The Config
// refers to them.
func New(vps, sps, pps [][]byte) (Config, error) {
	if len(vps) == 0 || len(sps) == 0 || len(pps) == 0 {
		return Config{}, fmt.Errorf("HEVC with %d VPS, %d SPS and %d PPS: want at least one of each", len(vps), len(sps), len(pps))
	}
	c, err := parseSPS(sps[0])
	if err != nil {
		return Config{}, err
	}
	c.VPS, c.SPS, c.PPS, c.LengthSize = vps, sps, pps, 4
	return c, nil
}

// FromAnnexB reads the parameter sets of a byte stream with start codes, such as an encoder's headers.
// The Config refers to it.
func FromAnnexB(stream []byte) (Config, error) {
	var s sets
	for nalu := range Units(stream) {
		s.add(nalu)
	}
	return s.config()
}

// sets collects parameter sets by their kind.
type sets struct{ vps, sps, pps, sei [][]byte }

// add keeps a NAL unit of a kind that a configuration has.
func (s *sets) add(nalu []byte) {
	switch unitType(nalu) {
	case typeVPS:
		s.vps = append(s.vps, nalu)
	case typeSPS:
		s.sps = append(s.sps, nalu)
	case typePPS:
		s.pps = append(s.pps, nalu)
	case typePrefixSEI:
		s.sei = append(s.sei, nalu)
	}
}

func (s *sets) config() (Config, error) {
	if n := max(len(s.vps), len(s.sps), len(s.pps), len(s.sei)); n > maxSets {
		return Config{}, fmt.Errorf("HEVC with %d parameter sets of a kind; at most %d are taken", n, maxSets)
	}
	for _, kind := range [][][]byte{s.vps, s.sps, s.pps, s.sei} {
		for _, set := range kind {
			if len(set) > math.MaxUint16 {
				return Config{}, fmt.Errorf("HEVC with a parameter set of %d bytes; at most %d are taken", len(set), math.MaxUint16)
			}
		}
	}
	c, err := New(s.vps, s.sps, s.pps)
	if err != nil {
		return Config{}, err
	}
	c.SEI = s.sei
	return c, nil
}

// parseSPS reads a sequence parameter set. The parser is another project's and the bytes anyone's: a
// panic of it is an error like others.
func parseSPS(b []byte) (c Config, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = Config{}, fmt.Errorf("H.265 sequence parameter set cannot be read: %v", r)
		}
	}()
	var sps h265.SPS
	if err := sps.Unmarshal(b); err != nil {
		return Config{}, fmt.Errorf("H.265 sequence parameter set cannot be read: %w", err)
	}
	c = Config{
		Width: sps.Width(), Height: sps.Height(), FPS: sps.FPS(), Transfer: transfer(sps.VUI),
		Chroma: uint8(sps.ChromaFormatIdc), LumaDepth: uint8(8 + sps.BitDepthLumaMinus8&7), ChromaDepth: uint8(8 + sps.BitDepthChromaMinus8&7), //nolint:gosec // The parser bounds the one, the mask the others.
		Layers: sps.MaxSubLayersMinus1 + 1, Nested: sps.TemporalIDNestingFlag,
	}
	c.DisplayWidth = displayWidth(c.Width, sps.VUI)
	for _, side := range []int{c.Width, c.Height, c.DisplayWidth} {
		if side <= 0 || side > maxSide {
			return Config{}, fmt.Errorf("H.265 sequence parameter set says %dx%d pixels", c.Width, c.Height)
		}
	}
	if math.IsNaN(c.FPS) || c.FPS < 0 || c.FPS > maxRate {
		c.FPS = 0
	}
	c.readProfile(h264.EmulationPreventionRemove(b)) // both codecs escape alike
	return c, nil
}

// readProfile takes profile, tier and level (H.265, 7.3.3) from the bytes of an SPS that was read well:
// they stand behind the unit's header of two bytes and one more, each on whole bytes.
func (c *Config) readProfile(rbsp []byte) {
	p := rbsp[3:]
	c.ProfileSpace, c.HighTier, c.Profile = p[0]>>6, p[0]&0x20 != 0, p[0]&0x1f
	c.Compatibility = uint32(p[1])<<24 | uint32(p[2])<<16 | uint32(p[3])<<8 | uint32(p[4])
	copy(c.Constraints[:], p[5:11])
	c.Level = p[11]
}

func transfer(vui *h265.SPS_VUI) uint8 {
	if vui == nil || !vui.ColourDescriptionPresentFlag {
		return TransferUnspecified
	}
	return vui.TransferCharacteristics
}

// aspects are the sample aspect ratios that have a number (H.265, table E.1), from 1 on.
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

// displayWidth is how wide a picture is to be shown whose height stays as it is.
func displayWidth(width int, vui *h265.SPS_VUI) int {
	if vui == nil || !vui.AspectRatioInfoPresentFlag {
		return width
	}
	w, h := 1, 1
	switch n := int(vui.AspectRatioIdc); {
	case n == extendedSAR:
		w, h = int(vui.SarWidth), int(vui.SarHeight)
	case n >= 1 && n <= len(aspects):
		w, h = aspects[n-1][0], aspects[n-1][1]
	}
	if w == 0 || h == 0 { // "unspecified"
		return width
	}
	return (width*w + h/2) / h
}
