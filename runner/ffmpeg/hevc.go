package ffmpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

const (
	// h265Suffix marks the name of a rendition in H.265.
	h265Suffix = "-h265"
	// h265Share is how many bits, in percent, an H.265 rung gets of those of its H.264 twin: with the
	// presets of both, that makes pictures about as good (SSIM 0.84 after 0.86 on a noisy zoom, for twice
	// the CPU time).
	h265Share = 60
)

// NAL unit types (ITU-T H.265, table 7-1) that this package tells apart.
const (
	nalIDRWithRADL = 19
	nalIDRAlone    = 20
	nalVPS265      = 32
	nalPPS265      = 34
	nalAUD265      = 35
)

func isCodec(codec string) bool { return codec == CodecH264 || codec == CodecH265 }

// Name is how the rendition is called in URLs: "720p30", and in H.265 "720p30-h265".
func (o Output) Name() string {
	if o.codec() == CodecH265 {
		return o.Rung.Name() + h265Suffix
	}
	return o.Rung.Name()
}

// WithH265 adds an H.265 twin of each of outputs, at 60 % of its bit rate, behind them all: the first rung,
// which decides where long GOPs are cut, stays H.264.
func WithH265(outputs []Output) []Output {
	all := append([]Output(nil), outputs...)
	for _, o := range outputs {
		o.Codec = CodecH265
		o.Bitrate = max(o.Bitrate*h265Share/100, MinBitrate)
		all = append(all, o)
	}
	return all
}

// What DefaultRung may be.
const (
	defaultHeight      = 1080
	defaultFPS         = 30
	defaultPixelsToBit = 10 // a tenth of a bit per pixel
	defaultBitrate     = 300_000
	defaultStep        = 100_000
)

// DefaultRung is the H.264 rung of an H.265 source for which no ladder has one, so that browsers without
// H.265 have something to play: of the source's size, but no more than 1080 lines, at most 30 frames per
// second, and a tenth of a bit per pixel, at least 300 kbit/s. It costs what any rung costs: whoever
// wants another one sets TRANSCODE.
func DefaultRung(src Source) Rung {
	short, long := min(src.Width, src.Height), max(src.Width, src.Height)
	r := Rung{Height: max(min(short, defaultHeight), MinHeight), FPS: defaultFPS}
	width := float64(long) * float64(r.Height) / float64(max(short, 1))
	bits := int(width*float64(r.Height)*LeavingRate(src.FPS, r.FPS)) / defaultPixelsToBit
	r.Bitrate = min(max(bits/defaultStep*defaultStep, defaultBitrate), MaxBitrate)
	return r
}

// x265 is how an output is encoded in H.265, on the CPU.
//
//   - forced-idr and open-gop=0: a forced keyframe is an IDR picture, where x265 would make an I or a CRA
//     picture. scenecut=0: IDRs come by force and by count, and nowhere else.
//   - info=0 and log-level: no SEI with x265's settings in the headers, and no settings in the log.
//   - frame-threads=1: ffmpeg asks for one for each core else, and each costs a frame of delay, whatever
//     -tune says. pools: threads within a frame, one more than x264 would get slices.
//   - Its tag is ffmpeg's own for NUT; that the track is hvc1 is the packager's to say. Headers come once,
//     in the codec data.
func x265(s Spec, o Output) []string {
	rate := LeavingRate(s.Source.FPS, o.FPS)
	bits := strconv.Itoa(o.Bitrate)
	return []string{
		"-c:v", "libx265", "-preset", "superfast", "-tune", "zerolatency",
		"-profile:v", "main", "-pix_fmt", "yuv420p",
		"-g", strconv.Itoa(GOP(s.Source, o, s.Segment)), "-forced-idr", "1", "-force_key_frames", "source",
		"-b:v", bits, "-maxrate", bits, "-bufsize", bits,
		"-x265-params", fmt.Sprintf("open-gop=0:scenecut=0:frame-threads=1:fps=%.3f:pools=%d:info=0:log-level=error", rate, 1+sliceThreads(o, rate)),
	}
}

// fourCC names a source's codec in NUT.
func fourCC(codec string) string {
	if codec == CodecH265 {
		return "HEVC"
	}
	return "H264"
}

// AnnexBToHVCC is [AnnexBToAVCC] for H.265.
func AnnexBToHVCC(dst, au []byte) []byte {
	for nal := range nals(au) {
		if t := unitType265(nal); t >= nalVPS265 && t <= nalAUD265 {
			continue
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(nal))) //nolint:gosec // A packet has at most MaxPacket bytes.
		dst = append(dst, nal...)
	}
	return dst
}

// IsIDR265 is [IsIDR] for H.265.
func IsIDR265(au []byte) bool {
	for nal := range nals(au) {
		if t := unitType265(nal); t == nalIDRWithRADL || t == nalIDRAlone {
			return true
		}
	}
	return false
}

func unitType265(nal []byte) byte { return nal[0] >> 1 & 0x3F }

// parseConfig reads a source's configuration record, by its codec.
func parseConfig(codec string, record []byte) (avcConfig, error) {
	if codec == CodecH265 {
		return parseHEVCConfig(record)
	}
	return parseAVCConfig(record)
}

var errHEVCConfig = errors.New("HEVC configuration record: too short, or not one")

// parseHEVCConfig reads what matters in mid-stream of a record (ISO/IEC 14496-15, 8.3.3.1): its VPS, SPS
// and PPS, in the record's order.
func parseHEVCConfig(b []byte) (avcConfig, error) {
	const header = 23
	if len(b) < header || b[0] != 1 {
		return avcConfig{}, errHEVCConfig
	}
	c := avcConfig{lengthSize: int(b[21]&3) + 1}
	arrays, rest := int(b[22]), b[header:]
	for range arrays {
		if len(rest) < 3 {
			return avcConfig{}, errHEVCConfig
		}
		count := int(binary.BigEndian.Uint16(rest[1:]))
		rest = rest[3:]
		for range count {
			if len(rest) < 2 {
				return avcConfig{}, errHEVCConfig
			}
			n := int(binary.BigEndian.Uint16(rest))
			if n == 0 || n > len(rest)-2 {
				return avcConfig{}, errHEVCConfig
			}
			if t := unitType265(rest[2:]); t >= nalVPS265 && t <= nalPPS265 {
				c.sets = append(c.sets, rest[2:2+n])
			}
			rest = rest[2+n:]
		}
	}
	if len(c.sets) < 3 {
		return avcConfig{}, errHEVCConfig
	}
	return c, nil
}
