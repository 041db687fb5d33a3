package ffmpeg

import (
	"bytes"
	"io"
)

// A frameCode is what one code says of a frame before the frame itself says more.
type frameCode struct {
	flags              uint64
	ptsDelta           int64
	sizeMul, sizeLSB   uint64
	reserved, elisionN uint64
}

// A mainInfo is what a main header says that this reader needs.
type mainInfo struct {
	bases   []TimeBase
	codes   [256]frameCode
	elision [][]byte // elision[0] is empty
}

// parseMain reads a main header.
func parseMain(payload []byte) (*mainInfo, error) {
	f := &fields{r: bytes.NewReader(payload)}
	version := f.v("version", 3, 4)
	if version > 3 {
		f.v("minor version", 0, 1<<31)
	}
	f.v("stream count", 1, 1)
	f.v("max distance", 0, 1<<62)
	m := &mainInfo{}
	for range f.v("time base count", 1, 16) {
		m.bases = append(m.bases, TimeBase{
			Num: uint32(f.v("time base", 1, 1<<31-1)), //nolint:gosec // v holds the bounds.
			Den: uint32(f.v("time base", 1, 1<<31-1)), //nolint:gosec // v holds the bounds.
		})
	}
	m.parseCodes(f)
	m.elision = [][]byte{nil}
	if f.r.Len() > 0 {
		for range f.v("elision header count", 0, 127) {
			m.elision = append(m.elision, f.bytes("elision header", 255))
		}
	}
	for i := range m.codes {
		if m.codes[i].elisionN >= uint64(len(m.elision)) {
			m.codes[i].flags = flagInvalid
		}
	}
	return m, f.err
}

// parseCodes reads the table of frame codes, which comes in runs: codes of a run differ in size_lsb alone.
func (m *mainInfo) parseCodes(f *fields) {
	c := frameCode{sizeMul: 1}
	for i := 0; i < 256 && f.err == nil; {
		c.flags = f.v("frame flags", 0, 1<<31)
		n := f.v("field count", 0, 64)
		has := func(field uint64) bool { return n > field }
		c.sizeLSB, c.reserved = 0, 0
		if has(0) {
			c.ptsDelta = f.s("PTS delta")
		}
		if has(1) {
			c.sizeMul = f.v("size multiplier", 0, 1<<16) // 0 in invalid codes
		}
		if has(2) {
			f.v("stream id", 0, 0)
		}
		if has(3) {
			c.sizeLSB = f.v("size", 0, 1<<16)
		}
		if has(4) {
			c.reserved = f.v("reserved count", 0, 64)
		}
		count := c.sizeMul - min(c.sizeLSB, c.sizeMul)
		if has(5) {
			count = f.v("code count", 1, 256)
		}
		if has(6) {
			f.s("match time")
		}
		if has(7) {
			c.elisionN = f.v("elision header", 0, 127)
		}
		for k := uint64(8); k < n; k++ {
			f.v("reserved field", 0, 1<<62)
		}
		if count == 0 {
			f.fail("run of no frame codes")
		}
		for ; count > 0 && f.err == nil; i++ {
			if i == 'N' { // The first byte of every start code: no frame code.
				m.codes[i].flags = flagInvalid
				continue
			}
			if i > 255 {
				f.fail("more than 256 frame codes")
				break
			}
			m.codes[i] = c
			c.sizeLSB++
			count--
		}
	}
	m.codes['N'].flags = flagInvalid
}

// parseStream reads the header of the one video stream, and its msb_pts_shift.
func parseStream(payload []byte, bases []TimeBase) (s Stream, ptsShift uint64, err error) {
	f := &fields{r: bytes.NewReader(payload)}
	f.v("stream id", 0, 0)
	f.v("stream class, 0 = video", 0, 0)
	s.FourCC = string(f.bytes("fourcc", 4))
	base := f.v("time base", 0, uint64(len(bases)-1))
	ptsShift = f.v("msb_pts_shift", 0, 15)
	f.v("max_pts_distance", 0, 1<<62)
	s.ReorderDepth = int(f.v("decode delay", 0, 1000)) //nolint:gosec // v holds the bounds.
	f.v("stream flags", 0, 1<<62)
	s.Extradata = f.bytes("codec data", maxHeader)
	s.Width = int(f.v("width", 1, 1<<16))   //nolint:gosec // v holds the bounds.
	s.Height = int(f.v("height", 1, 1<<16)) //nolint:gosec // v holds the bounds.
	if f.err != nil {
		return Stream{}, 0, f.err
	}
	s.TimeBase = bases[base]
	return s, ptsShift, nil
}

// fields reads the fields of a header. The first error sticks; from then on all numbers read as the
// lowest that is allowed.
type fields struct {
	r   *bytes.Reader
	err error
}

func (f *fields) fail(format string, a ...any) {
	if f.err == nil {
		f.err = nutErrorf(format, a...)
	}
}

func (f *fields) v(name string, lo, hi uint64) uint64 {
	if f.err != nil {
		return lo
	}
	v, err := getV(f.r)
	if err != nil {
		f.fail("%s: %w", name, err)
		return lo
	}
	if v < lo || v > hi {
		f.fail("%s of %d: want %d to %d", name, v, lo, hi)
		return lo
	}
	return v
}

func (f *fields) s(name string) int64 {
	if f.err != nil {
		return 0
	}
	v, err := getS(f.r)
	if err != nil {
		f.fail("%s: %w", name, err)
	}
	return v
}

func (f *fields) bytes(name string, most uint64) []byte {
	n := f.v(name+" length", 0, min(most, uint64(f.r.Len()))) //nolint:gosec // Len is not negative.
	b := make([]byte, n)
	if _, err := io.ReadFull(f.r, b); err != nil && f.err == nil {
		f.fail("%s: %w", name, err)
	}
	return b
}
