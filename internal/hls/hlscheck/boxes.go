package hlscheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// errBox is a box that does not fit into what holds it.
var errBox = errors.New("a box is cut off")

// boxes are the boxes of b, one after the other: kind and content.
func boxes(b []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for len(b) >= 8 {
			size := int(binary.BigEndian.Uint32(b))
			if size < 8 || size > len(b) {
				yield("", nil)
				return
			}
			if !yield(string(b[4:8]), b[8:size]) {
				return
			}
			b = b[size:]
		}
		if len(b) > 0 {
			yield("", nil)
		}
	}
}

// inside finds the first box on a path of kinds.
func inside(b []byte, path ...string) []byte {
	for _, want := range path {
		var found []byte
		for kind, content := range boxes(b) {
			if kind == want {
				found = content
				break
			}
		}
		if found == nil {
			return nil
		}
		b = found
	}
	return b
}

// An initSection is what the header of a file says (ISO/IEC 14496-12).
type initSection struct {
	brands  string
	track   uint32
	scale   uint32
	codec   string // RFC 6381
	height  int    // pixels; 0 for audio
	faults  []string
	isVideo bool
}

func readInit(b []byte) (*initSection, error) {
	i := &initSection{}
	moov := inside(b, "moov")
	tkhd, mdhd := inside(moov, "trak", "tkhd"), inside(moov, "trak", "mdia", "mdhd")
	stbl := inside(moov, "trak", "mdia", "minf", "stbl")
	stsd := inside(stbl, "stsd")
	mvhd := inside(moov, "mvhd")
	if len(tkhd) < 24 || len(mdhd) < 24 || len(stsd) < 16 || len(mvhd) < 20 {
		return nil, errBox
	}
	i.brands = string(inside(b, "ftyp"))
	i.track = binary.BigEndian.Uint32(tkhd[12+8*int(tkhd[0]&1):])
	i.scale = binary.BigEndian.Uint32(mdhd[12+8*int(mdhd[0]&1):])
	if i.scale == 0 {
		return nil, errors.New("a timescale of zero")
	}
	if inside(moov, "mvex", "trex") == nil {
		i.faults = append(i.faults, "no mvex with a trex")
	}
	if mvhd[0] == 0 && binary.BigEndian.Uint32(mvhd[16:]) != 0 {
		i.faults = append(i.faults, "mvhd has a duration")
	}
	if tkhd[0] == 0 && binary.BigEndian.Uint32(tkhd[20:]) != 0 {
		i.faults = append(i.faults, "tkhd has a duration")
	}
	for _, table := range []string{"stts", "stsc", "stco"} {
		if t := inside(stbl, table); len(t) < 8 || binary.BigEndian.Uint32(t[4:]) != 0 {
			i.faults = append(i.faults, table+" is missing, or not empty")
		}
	}
	return i, i.entry(stsd[8:])
}

// entry reads the sample description.
func (i *initSection) entry(stsd []byte) error {
	for kind, e := range boxes(stsd) {
		switch kind {
		case "avc1", "hvc1", "avc3", "hev1":
			const fixed = 78
			if len(e) < fixed {
				return errBox
			}
			i.isVideo, i.height = true, int(binary.BigEndian.Uint16(e[26:]))
			if kind == "avc3" || kind == "hev1" {
				i.faults = append(i.faults, kind+" has its parameter sets in the samples")
			}
			if kind[0] == 'a' {
				return i.avc(kind, inside(e[fixed:], "avcC"))
			}
			return i.hevc(kind, inside(e[fixed:], "hvcC"))
		case "mp4a":
			const fixed = 28
			if len(e) < fixed {
				return errBox
			}
			return i.aac(inside(e[fixed:], "esds"))
		default:
			i.codec = kind
			return nil
		}
	}
	return errBox
}

func (i *initSection) avc(kind string, c []byte) error {
	if len(c) < 4 {
		return errBox
	}
	i.codec = fmt.Sprintf("%s.%02x%02x%02x", kind, c[1], c[2], c[3])
	return nil
}

// hevc writes the codec as ISO/IEC 14496-15, annex E.3, has it.
func (i *initSection) hevc(kind string, c []byte) error {
	if len(c) < 13 {
		return errBox
	}
	space := [...]string{"", "A", "B", "C"}[c[1]>>6]
	var reversed uint32
	for bit, flags := 0, binary.BigEndian.Uint32(c[2:]); bit < 32; bit++ {
		reversed = reversed<<1 | flags>>bit&1
	}
	tier := "L"
	if c[1]&0x20 != 0 {
		tier = "H"
	}
	i.codec = fmt.Sprintf("%s.%s%d.%X.%s%d", kind, space, c[1]&0x1f, reversed, tier, c[12])
	constraints := c[6:12]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, b := range constraints {
		i.codec += fmt.Sprintf(".%X", b)
	}
	return nil
}

// aac finds the object type of an AudioSpecificConfig in an esds: descriptors 3, 4
// and 5, each behind its length (ISO/IEC 14496-1, 7.2.6).
func (i *initSection) aac(esds []byte) error {
	b := esds[min(4, len(esds)):]
	for _, d := range []struct{ tag, skip int }{{3, 3}, {4, 13}, {5, 0}} {
		if len(b) == 0 || int(b[0]) != d.tag {
			return errBox
		}
		n := 1
		for n < len(b) && n < 5 && b[n]&0x80 != 0 {
			n++
		}
		if n+1+d.skip >= len(b) {
			return errBox
		}
		b = b[n+1+d.skip:]
	}
	object := b[0] >> 3
	if object == 31 && len(b) > 1 {
		object = 32 + (b[0]&7)<<3 + b[1]>>5
	}
	i.codec = fmt.Sprintf("mp4a.40.%d", object)
	return nil
}

// A fragment is the samples of a part or a segment: the moofs of one track.
type fragment struct {
	scale   uint32
	begin   int64 // decode time of its first sample, ticks
	end     int64 // decode time after its last one
	holes   int   // fragments inside that do not continue the one before
	samples []sample
	faults  []string // of format
	track   uint32
}

type sample struct {
	pts, duration int64
	sync          bool
	size          int
}

func (f *fragment) seconds() float64 { return max(float64(f.end-f.begin)/float64(f.scale), 1e-6) }

// start is the presentation time of the first sample, in seconds.
func (f *fragment) start() float64 { return float64(f.samples[0].pts) / float64(f.scale) }

// frame is how long a sample lasts, in seconds.
func (f *fragment) frame() float64 { return f.seconds() / float64(len(f.samples)) }

// readFragment reads the moof and mdat boxes of a part or a segment, and returns
// the bytes of all samples.
func readFragment(b []byte, scale uint32) (*fragment, []byte, error) {
	f := &fragment{scale: scale}
	var media []byte
	for kind, content := range boxes(b) {
		switch kind {
		case "moof":
			if err := f.moof(content); err != nil {
				return nil, nil, err
			}
		case "mdat":
			media = append(media, content...)
		case "styp", "sidx", "prft", "emsg":
		default:
			return nil, nil, fmt.Errorf("box %q: %w", kind, errBox)
		}
	}
	if len(f.samples) == 0 {
		return nil, nil, errors.New("no samples")
	}
	return f, media, nil
}

// Flags (ISO/IEC 14496-12, 8.8.7 and 8.8.8).
const (
	tfhdBaseOffset  = 0x1
	tfhdDuration    = 0x8
	tfhdFlags       = 0x20
	tfhdBaseIsMoof  = 0x20000
	trunDataOffset  = 0x1
	trunFirstFlags  = 0x4
	trunDuration    = 0x100
	trunSize        = 0x200
	trunFlags       = 0x400
	trunComposition = 0x800

	sampleNonSync = 0x10000
)

func (f *fragment) moof(b []byte) error {
	tfhd, tfdt, trun := inside(b, "traf", "tfhd"), inside(b, "traf", "tfdt"), inside(b, "traf", "trun")
	if len(tfhd) < 8 || len(trun) < 8 {
		return errBox
	}
	flags := binary.BigEndian.Uint32(tfhd) & 0xffffff
	f.track = binary.BigEndian.Uint32(tfhd[4:])
	if flags&tfhdBaseOffset != 0 || flags&tfhdBaseIsMoof == 0 {
		f.faults = append(f.faults, "data offsets do not count from the moof")
	}
	if len(tfdt) < 8 {
		f.faults = append(f.faults, "no tfdt")
		return nil
	}
	at := int64(binary.BigEndian.Uint32(tfdt[4:]))
	if tfdt[0] == 1 && len(tfdt) >= 12 {
		at = int64(binary.BigEndian.Uint64(tfdt[4:]))
	}
	switch {
	case len(f.samples) == 0:
		f.begin, f.end = at, at
	case at != f.end:
		f.holes++
		f.end = at
	}
	var duration, usual uint32
	rest := tfhd[8:]
	for _, field := range []struct {
		flag uint32
		to   *uint32
	}{{0x2, nil}, {tfhdDuration, &duration}, {0x10, nil}, {tfhdFlags, &usual}} {
		if flags&field.flag == 0 || len(rest) < 4 {
			continue
		}
		if field.to != nil {
			*field.to = binary.BigEndian.Uint32(rest)
		}
		rest = rest[4:]
	}
	return f.trun(trun, duration, usual)
}

func (f *fragment) trun(b []byte, duration, usual uint32) error {
	flags, count := binary.BigEndian.Uint32(b)&0xffffff, binary.BigEndian.Uint32(b[4:])
	b = b[8:]
	next := func() (n uint32) {
		if len(b) >= 4 {
			n = binary.BigEndian.Uint32(b)
			b = b[4:]
		}
		return n
	}
	if flags&trunDataOffset != 0 {
		next()
	}
	first, hasFirst := uint32(0), flags&trunFirstFlags != 0
	if hasFirst {
		first = next()
	}
	for i := range count {
		s := sample{duration: int64(duration), pts: f.end}
		own := usual
		if flags&trunDuration != 0 {
			s.duration = int64(next())
		}
		if flags&trunSize != 0 {
			s.size = int(next())
		}
		if flags&trunFlags != 0 {
			own = next()
		} else if hasFirst && i == 0 {
			own = first
		}
		if flags&trunComposition != 0 {
			s.pts += int64(int32(next()))
		}
		s.sync = own&sampleNonSync == 0
		f.samples = append(f.samples, s)
		f.end += s.duration
		if len(b) == 0 && i+1 < count {
			return errBox
		}
	}
	return nil
}
