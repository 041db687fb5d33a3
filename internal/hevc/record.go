package hevc

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// headerSize is how long a record is in front of its arrays.
const headerSize = 23

// Parse reads an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1). The Config refers to it.
func Parse(record []byte) (Config, error) {
	switch {
	case AnnexB(record):
		return Config{}, errors.New("the HEVC sequence header is Annex B (start codes), not an HEVCDecoderConfigurationRecord")
	case len(record) < headerSize:
		return Config{}, fmt.Errorf("HEVC sequence header of %d bytes is cut off", len(record))
	case record[0] != 1:
		return Config{}, fmt.Errorf("HEVC sequence header of version %d, not 1", record[0])
	}
	var s sets
	rest := record[headerSize:]
	for i := range int(record[headerSize-1]) {
		var err error
		if rest, err = s.array(rest); err != nil {
			return Config{}, fmt.Errorf("HEVC sequence header, array %d of %d: %w", i+1, record[headerSize-1], err)
		}
	}
	c, err := s.config()
	if err != nil {
		return Config{}, err
	}
	c.LengthSize = int(record[21]&0x03) + 1
	return c, nil
}

// array reads the sets of one kind, and returns what follows. What kind they are of is read from each:
// it is what a decoder goes by.
func (s *sets) array(b []byte) (rest []byte, err error) {
	if len(b) < 3 {
		return nil, errors.New("it is cut off")
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	b = b[3:]
	for i := range n {
		if len(b) < 2 {
			return nil, fmt.Errorf("it is cut off in parameter set %d of %d", i+1, n)
		}
		size := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; size == 0 || size > len(b) {
			return nil, fmt.Errorf("a parameter set of %d bytes where %d are left", size, len(b))
		}
		s.add(b[:size:size])
		b = b[size:]
	}
	return b, nil
}

// Record is c as an HEVCDecoderConfigurationRecord for NAL units behind lengths of four bytes, complete
// as an hvc1 sample entry must have it: no set stands in the stream alone.
func (c Config) Record() []byte {
	b := make([]byte, headerSize, headerSize+256)
	b[0] = 1
	b[1] = c.ProfileSpace<<6 | c.Profile
	if c.HighTier {
		b[1] |= 0x20
	}
	binary.BigEndian.PutUint32(b[2:], c.Compatibility)
	copy(b[6:], c.Constraints[:])
	b[12] = c.Level
	b[13] = 0xf0 // with min_spatial_segmentation_idc: 0 is unknown
	b[15] = 0xfc // with parallelismType: 0 is unknown
	b[16] = 0xfc | c.Chroma
	b[17] = 0xf8 | (c.LumaDepth - 8)
	b[18] = 0xf8 | (c.ChromaDepth - 8)
	// b[19] and b[20], the average frame rate: 0 is unspecified.
	b[21] = min(c.Layers, 7)<<3 | 0x03 // lengths of four bytes
	if c.Nested {
		b[21] |= 0x04
	}
	for _, kind := range []struct {
		unit byte
		sets [][]byte
	}{{typeVPS, c.VPS}, {typeSPS, c.SPS}, {typePPS, c.PPS}, {typePrefixSEI, c.SEI}} {
		if len(kind.sets) > 0 {
			b[headerSize-1]++
			b = appendArray(b, kind.unit, kind.sets)
		}
	}
	return b
}

// appendArray appends the sets of a kind; they are as short as a length of two bytes says.
func appendArray(b []byte, unit byte, sets [][]byte) []byte {
	const complete = 0x80 // array_completeness
	b = append(b, complete|unit)
	b = binary.BigEndian.AppendUint16(b, uint16(len(sets))) //nolint:gosec // At most maxSets.
	for _, set := range sets {
		b = binary.BigEndian.AppendUint16(b, uint16(len(set))) //nolint:gosec // See above.
		b = append(b, set...)
	}
	return b
}
