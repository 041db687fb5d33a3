package ffmpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// NUT is ffmpeg's own container ("NUT Open Container Format", version 3; version 4 adds the pipe
// flag). A file is an id string, then packets that begin with a start code (main header, stream
// header, info, syncpoint, index) and, between them, frames, which begin with a frame code: an index
// into a table of the main header that says which fields the frame writes out and what the others are.
//
//	id │ main │ stream │ info │ syncpoint │ frame frame … │ syncpoint │ frame …
//
// Numbers ("v") are written in groups of seven bits, highest first, all but the last with the top bit set.

const nutID = "nut/multimedia container\x00"

const (
	startMain      uint64 = 0x4E4D_7A56_1F5F_04AD
	startStream    uint64 = 0x4E53_1140_5BF2_F9DB
	startSyncpoint uint64 = 0x4E4B_E4AD_EECA_4569
	startIndex     uint64 = 0x4E58_DD67_2F23_E64E
	startInfo      uint64 = 0x4E49_AB68_B596_BA78
)

// Flags of a frame code.
const (
	flagKey       = 1 << 0
	flagEOR       = 1 << 1 // end of relevance: no data
	flagCodedPTS  = 1 << 3
	flagStreamID  = 1 << 4
	flagSizeMSB   = 1 << 5
	flagChecksum  = 1 << 6
	flagReserved  = 1 << 7
	flagSideData  = 1 << 8
	flagHeaderIdx = 1 << 10
	flagMatchTime = 1 << 11
	flagCoded     = 1 << 12 // flags are written out, to be xored in
	flagInvalid   = 1 << 13
)

const (
	nutVersion     = 4
	nutPipe        = 2 // main flag: no syncpoints but the first, no seeking
	nutMaxDistance = 65_536
	nutElisionMax  = 4096 // frames beyond do not use elision headers, packets beyond checksum their size

	// MaxPacket is the largest frame that Reader and Writer take, in bytes.
	MaxPacket = 16 << 20
	// maxHeader is the largest start-code packet that is read, in bytes.
	maxHeader = 64 << 10
)

// ErrNUT is in the chain of every error that says a NUT stream is malformed, or uses what this
// reader does not know.
var ErrNUT = errors.New("bad NUT stream")

func nutErrorf(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrNUT, fmt.Errorf(format, a...))
}

// A Stream describes the one video stream of a NUT file.
type Stream struct {
	FourCC        string // such as "H264"
	Width, Height int
	// Extradata is the codec's out-of-band configuration: an AVC configuration record on the way into
	// ffmpeg, parameter sets in Annex B on the way out.
	Extradata []byte
	// ReorderDepth is the number of frames that may follow a frame in decoding order and precede it in
	// presentation order: 0 without B-frames. A decoder holds at least so many frames back. Too low is
	// safe where the SPS tells the truth (bitstream restrictions in the VUI).
	ReorderDepth int
	// FrameRate is frames per second for who reads the headers alone; no time depends on it. 0 = not told.
	// Writer tells it, so that ffmpeg need not wait for frames to guess it; Reader does not look for it.
	FrameRate float64
	// TimeBase is the unit of the file's timestamps. Writer always uses 1/TimeScale.
	TimeBase TimeBase
}

// A Packet is one coded frame. Packets go in decoding order; NUT has no DTS.
type Packet struct {
	PTS  int64 // ticks, see TimeScale; not negative
	Key  bool
	Data []byte
}

// nutCRC is the table of the CRC-32 that NUT uses: polynomial 0x04C11DB7, highest bit first, starting at
// zero, not inverted. A block with its CRC behind it has the CRC zero.
var nutCRC = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			c = c<<1 ^ 0x04C1_1DB7*(c>>31)
		}
		t[i] = c
	}
	return t
}()

func crc(c uint32, b []byte) uint32 {
	for _, x := range b {
		c = c<<8 ^ nutCRC[byte(c>>24)^x]
	}
	return c
}

func putV(b []byte, v uint64) []byte {
	shift := 0
	for v>>shift > 0x7F {
		shift += 7
	}
	for ; shift > 0; shift -= 7 {
		b = append(b, 0x80|byte(v>>shift)&0x7F) //nolint:gosec // The mask follows.
	}
	return append(b, byte(v&0x7F))
}

// putPacket appends a start-code packet.
func putPacket(b []byte, start uint64, payload []byte) []byte {
	from := len(b)
	b = binary.BigEndian.AppendUint64(b, start)
	b = putV(b, uint64(len(payload)+4))
	if len(payload)+4 > nutElisionMax {
		b = binary.BigEndian.AppendUint32(b, crc(0, b[from:]))
	}
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc(0, payload))
}

// getV reads a number of at most 63 bits.
func getV(r io.ByteReader) (uint64, error) {
	var v uint64
	for range 9 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		v = v<<7 | uint64(c&0x7F)
		if c&0x80 == 0 {
			return v, nil
		}
	}
	return 0, nutErrorf("number of more than 63 bits")
}

// getS reads a signed number: 0, 1, -1, 2, -2, … are 0, 1, 2, 3, 4, …
func getS(r io.ByteReader) (int64, error) {
	v, err := getV(r)
	if err != nil {
		return 0, err
	}
	n := int64(v>>1 + v&1) //nolint:gosec // v has 63 bits.
	if v&1 == 0 {
		n = -n
	}
	return n, nil
}

// unexpected turns an end of file where more must come into io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
