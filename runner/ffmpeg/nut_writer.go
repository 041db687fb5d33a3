package ffmpeg

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Frame codes of what Writer writes. All others are invalid.
const (
	codeFrame = 0
	codeKey   = 1
)

// maxReorder is the most that H.264 allows (max_num_reorder_frames).
const maxReorder = 16

// A Writer writes one video stream as NUT. It writes every PTS in full and a checksum with every
// frame, so that no distance in time or size is too great, and uses NUT's pipe mode: one syncpoint
// at the start and none later, as ffmpeg remembers each for as long as it runs.
//
// Not safe for concurrent use.
type Writer struct {
	w   io.Writer
	buf []byte
}

// NewWriter writes the headers of s to w at once.
func NewWriter(w io.Writer, s Stream) (*Writer, error) {
	if len(s.FourCC) != 4 || s.Width <= 0 || s.Height <= 0 || s.ReorderDepth < 0 || s.ReorderDepth > maxReorder {
		return nil, fmt.Errorf("write NUT header: want a fourcc, a size and a reorder depth of 0 to %d, got %q, %d by %d, %d",
			maxReorder, s.FourCC, s.Width, s.Height, s.ReorderDepth)
	}
	b := []byte(nutID)
	b = putPacket(b, startMain, mainHeader())
	b = putPacket(b, startStream, streamHeader(s))
	if s.FrameRate > 0 {
		b = putPacket(b, startInfo, infoHeader(s.FrameRate))
	}
	// The syncpoint's time and its pointer back are both zero: no PTS is relative to it.
	b = putPacket(b, startSyncpoint, []byte{0, 0})
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("write NUT header: %w", err)
	}
	return &Writer{w: w, buf: b}, nil
}

// Write writes one frame with a single Write of the underlying writer, and blocks as long as that does.
func (w *Writer) Write(p Packet) error {
	if p.PTS < 0 {
		return fmt.Errorf("write NUT frame: negative PTS %d", p.PTS)
	}
	if len(p.Data) == 0 || len(p.Data) > MaxPacket {
		return fmt.Errorf("write NUT frame: %d bytes; want 1 to %d", len(p.Data), MaxPacket)
	}
	b := append(w.buf[:0], codeFrame)
	if p.Key {
		b[0] = codeKey
	}
	b = putV(b, uint64(p.PTS)+1) // With msb_pts_shift 0 a coded PTS above 0 is one more than the PTS itself.
	b = putV(b, uint64(len(p.Data)))
	b = binary.BigEndian.AppendUint32(b, crc(0, b))
	w.buf = append(b, p.Data...)
	if _, err := w.w.Write(w.buf); err != nil {
		return fmt.Errorf("write NUT frame: %w", err)
	}
	return nil
}

func mainHeader() []byte {
	var b []byte
	for _, v := range []uint64{
		nutVersion, 0, // and minor version
		1,               // streams
		nutMaxDistance,  //
		1, 1, TimeScale, // time bases
		// Frame codes: flags, number of fields that follow, then pts_delta, size_mul, stream, size_lsb,
		// reserved, count.
		flagCodedPTS | flagSizeMSB | flagChecksum, 6, 0, 1, 0, 0, 0, 1,
		flagCodedPTS | flagSizeMSB | flagChecksum | flagKey, 6, 0, 1, 0, 0, 0, 1,
		flagInvalid, 6, 0, 1, 0, 0, 0, 256 - 2 - 1, // but for 'N', which is never counted
		0,       // elision headers
		nutPipe, // flags
	} {
		b = putV(b, v)
	}
	return b
}

func streamHeader(s Stream) []byte {
	b := []byte{0, 0, byte(len(s.FourCC))} // stream 0, class video
	b = append(b, s.FourCC...)
	for _, v := range []int{
		0, 0, // time base, msb_pts_shift
		TimeScale, // greatest distance of two PTS without a checksum
		s.ReorderDepth,
		0, // flags
		len(s.Extradata),
	} {
		b = putV(b, uint64(v)) //nolint:gosec // None is negative.
	}
	b = append(b, s.Extradata...)
	for _, v := range []int{s.Width, s.Height, 0, 0, 0} { // sample aspect ratio and colour space: unknown
		b = putV(b, uint64(v)) //nolint:gosec // None is negative.
	}
	return b
}

// infoHeader says the rate under the name that ffmpeg looks for, as a fraction.
func infoHeader(fps float64) []byte {
	const name = "r_frame_rate"
	value := fmt.Sprintf("%d/1000", int64(fps*1000+0.5))
	b := []byte{1, 0, 0, 0, 1} // of stream 0; chapter, its start and length: none; one item
	b = append(putV(b, uint64(len(name))), name...)
	b = append(b, 2) // -1 as a signed number: a UTF-8 string follows
	return append(putV(b, uint64(len(value))), value...)
}
