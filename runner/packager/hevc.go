package packager

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"github.com/pharos-live/pharos/internal/hevc"
)

// SetRungH265 is SetRung for a rung in H.265, whose format is an HEVCDecoderConfigurationRecord.
func (p *Packager) SetRungH265(i int, record []byte) error {
	return p.setRung(i, Video{Record: record})
}

// SetSourceH265 is SetSource for a source in H.265. What was H.264 stays it: the caller sees to that, as a
// rendition's codec never changes.
func (p *Packager) SetSourceH265(record []byte) error { return p.setSource(Video{Record: record}) }

// format reads the parameter sets.
func (v Video) format() (videoFormat, error) {
	if v.Record == nil {
		return newVideoFormat(v.SPS, v.PPS)
	}
	c, err := hevc.Parse(v.Record)
	if err != nil {
		return videoFormat{}, fmt.Errorf("read H.265 parameter sets: %w", err)
	}
	return videoFormat{
		record: bytes.Clone(v.Record), codec: c.Codec(),
		width: c.DisplayWidth, height: c.Height, fps: c.FPS, videoRange: videoRange(c.Transfer),
	}, nil
}

// hevcSection is an init section with the sample entry hvc1. The record in it is our own: mediacommon's
// copies emulation prevention bytes into the constraint flags, leaves the tier out, and calls its arrays
// incomplete, which hvc1 forbids (ISO/IEC 14496-15, 8.4.1).
func hevcSection(broadcast, rendition string, f videoFormat) (*section, error) {
	c, err := hevc.Parse(f.record)
	if err != nil {
		return nil, fmt.Errorf("write init section of %s: %w", rendition, err)
	}
	body, err := initBody(videoScale, &codecs.H265{VPS: c.VPS[0], SPS: c.SPS[0], PPS: c.PPS[0]})
	if err == nil {
		body, err = setBox(body, 0, []string{"moov", "trak", "mdia", "minf", "stbl", "stsd", "hvc1", "hvcC"}, c.Record())
	}
	if err != nil {
		return nil, fmt.Errorf("write init section of %s: %w", rendition, err)
	}
	return sectionOf(broadcast, rendition, body), nil
}

// fields is how much stands between a box's header and the boxes in it (ISO/IEC 14496-12, 8.5.2 and 12.1.3).
var fields = map[string]int{"stsd": 8, "hvc1": 78}

// setBox returns b with other content in the box at the end of path, whose boxes stand each in the one
// before, the first in b behind so many bytes. The sizes of all of them follow.
func setBox(b []byte, skip int, path []string, content []byte) ([]byte, error) {
	const header = 8
	for at := skip; at+header <= len(b); {
		size, kind := int(binary.BigEndian.Uint32(b[at:])), string(b[at+4:at+header])
		if size < header || size > len(b)-at {
			return nil, fmt.Errorf("box %s of %d bytes where %d are left", kind, size, len(b)-at)
		}
		if kind != path[0] {
			at += size
			continue
		}
		inner := b[at : at+size : at+size]
		if len(path) == 1 {
			inner = slices.Concat(inner[:header], content)
		} else {
			var err error
			if inner, err = setBox(inner, header+fields[kind], path[1:], content); err != nil {
				return nil, err
			}
		}
		binary.BigEndian.PutUint32(inner, uint32(len(inner)))
		return slices.Concat(b[:at], inner, b[at+size:]), nil
	}
	return nil, fmt.Errorf("there is no box %s", path[0])
}
