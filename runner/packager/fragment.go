package packager

import "encoding/binary"

// trackID is the one track's, in every init section and part.
const trackID = 1

// Flags of fMP4 (ISO/IEC 14496-12, 8.8.7, 8.8.8 and 8.8.3.1).
const (
	tfhdBaseIsMoof = 0x020000 // default-base-is-moof

	trunDataOffset  = 0x001
	trunDuration    = 0x100
	trunSize        = 0x200
	trunFlags       = 0x400
	trunComposition = 0x800

	sampleSync    = 0x02000000 // depends on no other sample
	sampleNonSync = 0x01010000 // depends on others, is no sync sample
)

// A fragmentSample is a frame as it stands in a part, in ticks of its track.
type fragmentSample struct {
	dts         int64
	duration    int64
	composition int64 // PTS less DTS; video only
	sync        bool
	data        []byte
}

// writeFragment makes a part: moof and mdat, in one allocation.
//
//	moof{ mfhd(sequence) traf{ tfhd(default-base-is-moof) tfdt(64 bits) trun(version 1) } } mdat
//
// Composition offsets are signed (trun version 1), so that a segment's first PTS can be its tfdt.
func writeFragment(sequence uint32, video bool, samples []fragmentSample) []byte {
	entry, flags := 8, uint32(trunDataOffset|trunDuration|trunSize)
	if video {
		entry, flags = 16, flags|trunFlags|trunComposition
	}
	// Headers of 8 bytes, full ones of 12: moof 8, mfhd 16, traf 8, tfhd 16, tfdt 20, trun 20.
	moof := 88 + entry*len(samples)
	size := moof + 8
	for i := range samples {
		size += len(samples[i].data)
	}
	b := make([]byte, 0, size)
	b = box(b, "moof", func(b []byte) []byte {
		b = fullBox(b, "mfhd", 0, 0, func(b []byte) []byte { return binary.BigEndian.AppendUint32(b, sequence) })
		return box(b, "traf", func(b []byte) []byte {
			b = fullBox(b, "tfhd", 0, tfhdBaseIsMoof, func(b []byte) []byte { return binary.BigEndian.AppendUint32(b, trackID) })
			b = fullBox(b, "tfdt", 1, 0, func(b []byte) []byte { return binary.BigEndian.AppendUint64(b, uint64(samples[0].dts)) })
			return fullBox(b, "trun", 1, flags, func(b []byte) []byte {
				b = binary.BigEndian.AppendUint32(b, uint32(len(samples)))
				b = binary.BigEndian.AppendUint32(b, uint32(moof+8))
				return appendSamples(b, video, samples)
			})
		})
	})
	return box(b, "mdat", func(b []byte) []byte {
		for i := range samples {
			b = append(b, samples[i].data...)
		}
		return b
	})
}

// appendSamples appends the entries of a trun.
func appendSamples(b []byte, video bool, samples []fragmentSample) []byte {
	for i := range samples {
		s := &samples[i]
		b = binary.BigEndian.AppendUint32(b, uint32(s.duration))
		b = binary.BigEndian.AppendUint32(b, uint32(len(s.data)))
		if !video {
			continue
		}
		flags := uint32(sampleNonSync)
		if s.sync {
			flags = sampleSync
		}
		b = binary.BigEndian.AppendUint32(b, flags)
		b = binary.BigEndian.AppendUint32(b, uint32(int32(s.composition)))
	}
	return b
}

// box appends a box whose content is appended by fill.
func box(b []byte, kind string, fill func([]byte) []byte) []byte {
	at := len(b)
	b = append(append(b, 0, 0, 0, 0), kind...)
	b = fill(b)
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

// fullBox is box with a version and flags in front of the content.
func fullBox(b []byte, kind string, version byte, flags uint32, fill func([]byte) []byte) []byte {
	return box(b, kind, func(b []byte) []byte {
		return fill(binary.BigEndian.AppendUint32(b, uint32(version)<<24|flags))
	})
}
