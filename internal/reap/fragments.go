package reap

import "encoding/binary"

const (
	boxHeader     = 8
	longBoxHeader = 16 // with a size of 64 bits
)

// fragments is the numbers of the parts that a segment consists of. The packager writes a part's number plus
// one as the sequence number of its moof's mfhd (ISO/IEC 14496-12, 8.8.5). What comes after bytes that make
// no sense is left out.
func fragments(segment []byte) []uint64 {
	var numbers []uint64
	boxes(segment, func(name string, moof []byte) {
		if name != "moof" {
			return
		}
		boxes(moof, func(name string, mfhd []byte) {
			if name != "mfhd" || len(mfhd) < 8 { // version and flags, sequence number
				return
			}
			if sequence := binary.BigEndian.Uint32(mfhd[4:]); sequence > 0 {
				numbers = append(numbers, uint64(sequence)-1)
			}
		})
	})
	return numbers
}

// boxes calls fn with the name and the content of each box in b.
func boxes(b []byte, fn func(name string, content []byte)) {
	for len(b) >= boxHeader {
		size, header := uint64(binary.BigEndian.Uint32(b)), uint64(boxHeader)
		switch {
		case size == 0: // to the end
			size = uint64(len(b))
		case size == 1 && len(b) >= longBoxHeader:
			size, header = binary.BigEndian.Uint64(b[boxHeader:]), longBoxHeader
		}
		if size < header || size > uint64(len(b)) {
			return
		}
		fn(string(b[4:boxHeader]), b[header:size])
		b = b[size:]
	}
}
