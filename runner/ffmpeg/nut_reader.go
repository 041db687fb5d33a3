package ffmpeg

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// A Reader reads NUT with one video stream, as ffmpeg writes it. It trusts nothing: sizes are
// bounded, memory grows with what has arrived rather than with what is announced, and what is
// malformed ends it with an error. It does not look for the next start code behind damage, as none
// comes about in a pipe.
//
// Not safe for concurrent use.
type Reader struct {
	r      *bufio.Reader
	err    error // sticks
	main   *mainInfo
	stream Stream
	shift  uint64 // msb_pts_shift
	last   int64  // last PTS, in the stream's time base
}

// NewReader returns a Reader of r. It reads nothing yet.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10)}
}

// Stream returns the stream's description. It blocks until the headers have arrived; ffmpeg writes
// them with the first packet. Errors are io.EOF if there is nothing at all, those of the underlying
// reader, or in the chain ErrNUT.
func (r *Reader) Stream() (Stream, error) {
	if r.main == nil && r.err == nil {
		r.err = r.readHeaders()
	}
	if r.main == nil {
		return Stream{}, r.err
	}
	return r.stream, nil
}

// Next returns the next packet, whose data the caller owns. It blocks until a whole one is there, and
// not longer. At the end it returns io.EOF; an end amid a packet is io.ErrUnexpectedEOF.
func (r *Reader) Next() (Packet, error) {
	if _, err := r.Stream(); err != nil {
		return Packet{}, err
	}
	for r.err == nil {
		var (
			p  Packet
			ok bool
		)
		if p, ok, r.err = r.next(); ok && r.err == nil {
			return p, nil
		}
	}
	return Packet{}, r.err
}

func (r *Reader) readHeaders() error {
	id := make([]byte, len(nutID))
	if _, err := io.ReadFull(r.r, id); err != nil {
		return err
	}
	if string(id) != nutID {
		return nutErrorf("does not begin with the NUT id")
	}
	payload, err := r.header(startMain, "main header")
	if err != nil {
		return err
	}
	main, err := parseMain(payload)
	if err != nil {
		return fmt.Errorf("main header: %w", err)
	}
	if payload, err = r.header(startStream, "stream header"); err != nil {
		return err
	}
	if r.stream, r.shift, err = parseStream(payload, main.bases); err != nil {
		return fmt.Errorf("stream header: %w", err)
	}
	r.main = main
	return nil
}

// header reads the start-code packet that must come next.
func (r *Reader) header(want uint64, name string) ([]byte, error) {
	var start [8]byte
	if _, err := io.ReadFull(r.r, start[:]); err != nil {
		return nil, fmt.Errorf("%s: %w", name, unexpected(err))
	}
	if got := binary.BigEndian.Uint64(start[:]); got != want {
		return nil, nutErrorf("start code %#x where the %s should be", got, name)
	}
	payload, err := r.payload(want)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return payload, nil
}

// next reads one frame, or one start-code packet; ok tells a frame.
func (r *Reader) next() (p Packet, ok bool, err error) {
	code, err := r.r.ReadByte()
	if err != nil {
		return Packet{}, false, err // io.EOF here is the end.
	}
	if code != 'N' {
		return r.frame(code)
	}
	start := make([]byte, 8)
	start[0] = code
	if _, err := io.ReadFull(r.r, start[1:]); err != nil {
		return Packet{}, false, unexpected(err)
	}
	switch s := binary.BigEndian.Uint64(start); s {
	case startSyncpoint:
		err = r.syncpoint()
	case startMain, startStream, startInfo: // Headers are repeated now and then, unchanged.
		_, err = r.payload(s)
	case startIndex: // It stands at the end; nobody needs it.
		_, err = io.Copy(io.Discard, r.r)
	default:
		err = nutErrorf("unknown start code %#x", s)
	}
	return Packet{}, false, err
}

// payload reads the rest of a start-code packet and checks its checksums.
func (r *Reader) payload(start uint64) ([]byte, error) {
	size, err := getV(r.r)
	if err != nil {
		return nil, err
	}
	if size < 4 || size > maxHeader {
		return nil, nutErrorf("packet of %d bytes: want 4 to %d", size, maxHeader)
	}
	if size > nutElisionMax {
		sum, err := r.data(4)
		if err != nil {
			return nil, err
		}
		head := putV(binary.BigEndian.AppendUint64(nil, start), size)
		if crc(crc(0, head), sum) != 0 {
			return nil, nutErrorf("packet header checksum")
		}
	}
	b, err := r.data(size)
	if err != nil {
		return nil, err
	}
	if crc(0, b) != 0 {
		return nil, nutErrorf("packet checksum")
	}
	return b[:size-4], nil
}

// syncpoint sets the time that short PTS are relative to.
func (r *Reader) syncpoint() error {
	payload, err := r.payload(startSyncpoint)
	if err != nil {
		return err
	}
	// The payload may say more, such as the wall clock; the first number alone matters here.
	at, err := getV(bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("%w: syncpoint: %w", ErrNUT, err)
	}
	n := uint64(len(r.main.bases))
	from, to := r.main.bases[at%n], r.stream.TimeBase
	last, ok := rescale(at/n, from, to)
	if !ok {
		return nutErrorf("syncpoint: %w", errTime)
	}
	r.last = last
	return nil
}

// frame reads a frame whose code has been read. ok is false for a frame without data.
func (r *Reader) frame(code byte) (p Packet, ok bool, err error) {
	h, err := r.frameHeader(r.main.codes[code])
	if err != nil {
		return Packet{}, false, err
	}
	r.last = h.pts
	data, err := r.data(h.size, r.main.elision[h.elision]...)
	if err != nil || h.flags&flagEOR != 0 || len(data) == 0 {
		return Packet{}, false, err
	}
	pts, err := r.stream.TimeBase.ticks(uint64(h.pts)) //nolint:gosec // frameHeader lets no negative PTS through.
	if err != nil {
		return Packet{}, false, nutErrorf("frame: %w", err)
	}
	return Packet{PTS: pts, Key: h.flags&flagKey != 0, Data: data}, true, nil
}

// A frameHeader is what a frame's code and written fields say together. size counts the bytes that
// follow, without the elided ones in front.
type frameHeader struct {
	flags, size, elision uint64
	pts                  int64
}

func (r *Reader) frameHeader(c frameCode) (frameHeader, error) {
	h := frameHeader{flags: c.flags, elision: c.elisionN, pts: r.last + c.ptsDelta}
	var failed error
	next := func(present uint64) (v uint64) {
		if failed == nil && h.flags&present != 0 {
			v, failed = getV(r.r)
		}
		return v
	}
	if h.flags&flagInvalid != 0 {
		return h, nutErrorf("invalid frame code")
	}
	h.flags ^= next(flagCoded)
	if id := next(flagStreamID); id != 0 {
		return h, nutErrorf("frame of stream %d", id)
	}
	if h.flags&flagCodedPTS != 0 {
		h.pts = r.fullPTS(next(flagCodedPTS))
	}
	size := c.sizeLSB + min(next(flagSizeMSB), MaxPacket+1)*c.sizeMul
	next(flagMatchTime)
	if h.flags&flagHeaderIdx != 0 {
		h.elision = next(flagHeaderIdx)
	}
	if h.flags&flagReserved != 0 {
		c.reserved = min(next(flagReserved), 64)
	}
	for range c.reserved {
		next(math.MaxUint64)
	}
	if failed == nil && h.flags&flagChecksum != 0 {
		_, failed = r.data(4) // ffmpeg does not check it either: a wrong size breaks what follows.
	}
	if failed != nil {
		return h, fmt.Errorf("frame header: %w", failed)
	}
	return h, r.checkFrame(&h, size)
}

// checkFrame holds what was read against its bounds, and sets the size and elision that follow from it.
func (r *Reader) checkFrame(h *frameHeader, size uint64) error {
	if h.flags&flagSideData != 0 {
		return nutErrorf("frame with side data")
	}
	if size > nutElisionMax {
		h.elision = 0
	}
	if h.elision >= uint64(len(r.main.elision)) {
		return nutErrorf("elision header %d of %d", h.elision, len(r.main.elision))
	}
	elided := uint64(len(r.main.elision[h.elision]))
	if size < elided || size > MaxPacket {
		return nutErrorf("frame of %d bytes: want %d to %d", size, elided, MaxPacket)
	}
	if h.pts < 0 || h.pts > math.MaxInt64/2 {
		return nutErrorf("frame: %w", errTime)
	}
	h.size = size - elided
	return nil
}

// fullPTS undoes the shortening of a PTS: below 1<<shift it holds the low bits of one near the last.
func (r *Reader) fullPTS(coded uint64) int64 {
	if coded >= 1<<r.shift {
		return int64(coded - 1<<r.shift) //nolint:gosec // getV gives 63 bits.
	}
	mask := int64(1)<<r.shift - 1
	delta := r.last - mask/2
	return (int64(coded)-delta)&mask + delta //nolint:gosec // It is below 1<<15.
}

// data reads n bytes behind those of prefix. It makes room as they arrive: a size is a claim.
func (r *Reader) data(n uint64, prefix ...byte) ([]byte, error) {
	const step = 256 << 10
	b := append(make([]byte, 0, uint64(len(prefix))+min(n, step)), prefix...)
	for n > 0 {
		more := min(n, step)
		at := len(b)
		b = append(b, make([]byte, more)...)
		if _, err := io.ReadFull(r.r, b[at:]); err != nil {
			return nil, unexpected(err)
		}
		n -= more
	}
	return b, nil
}

// rescale converts v units of one time base to another, rounded down.
func rescale(v uint64, from, to TimeBase) (int64, bool) {
	num, den := uint64(from.Num)*uint64(to.Den), uint64(from.Den)*uint64(to.Num)
	if num == den {
		return int64(v), v <= math.MaxInt64/2 //nolint:gosec // It says so itself.
	}
	whole, rest := v/den, v%den
	if whole > math.MaxInt64/2/num || rest > math.MaxUint64/num {
		return 0, false
	}
	at := whole*num + rest*num/den
	return int64(at), at <= math.MaxInt64/2 //nolint:gosec // It says so itself.
}
