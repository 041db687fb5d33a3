package ingest

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/pharos-live/pharos/internal/hevc"
)

// hevcDecoderConfig is a parsed HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1).
type hevcDecoderConfig struct {
	nalus
	record []byte // as a Frame carries it: lengths of four bytes, complete
	video  hevc.Config
	access *hevcAccess
}

// parseHEVCDecoderConfig keeps nothing of record. access goes on through all configurations of a publish.
func parseHEVCDecoderConfig(record []byte, access *hevcAccess) (*hevcDecoderConfig, error) {
	video, err := hevc.Parse(bytes.Clone(record))
	if err != nil {
		return nil, mediaError("%v", err)
	}
	return &hevcDecoderConfig{
		nalus: nalus{nameHEVC, video.LengthSize}, record: video.Record(), video: video, access: access,
	}, nil
}

func (c *hevcDecoderConfig) codec() string  { return CodecH265 }
func (c *hevcDecoderConfig) config() []byte { return c.record }
func (c *hevcDecoderConfig) String() string { return c.video.String() }

// units leaves out the parameter sets that the configuration has: encoders repeat them in front of each
// keyframe, and an hvc1 track must not hold them (ISO/IEC 14496-15, 8.4.1).
func (c *hevcDecoderConfig) units(data []byte) (payload []byte, picture int, err error) {
	count, size, kind := 0, 0, hevc.NoPicture
	err = c.each(data, func(nalu []byte) {
		if c.known(nalu) {
			return
		}
		count++
		size += len(nalu)
		if kind == hevc.NoPicture { // all slices of a picture are of one kind
			kind = hevc.PictureOf(nalu)
		}
	})
	if err != nil {
		return nil, noPicture, err
	}
	if picture = c.access.take(kind); picture == noPicture {
		return nil, noPicture, nil
	}
	payload = make([]byte, 0, size+4*count)
	_ = c.each(data, func(nalu []byte) { // checked just now
		if !c.known(nalu) {
			payload = binary.BigEndian.AppendUint32(payload, uint32(len(nalu)))
			payload = append(payload, nalu...)
		}
	})
	return payload, picture, nil
}

// known says that the configuration has this NAL unit.
func (c *hevcDecoderConfig) known(nalu []byte) bool {
	if !hevc.ParameterSet(nalu) {
		return false
	}
	same := func(set []byte) bool { return bytes.Equal(set, nalu) }
	return slices.ContainsFunc(c.video.VPS, same) || slices.ContainsFunc(c.video.SPS, same) || slices.ContainsFunc(c.video.PPS, same)
}

// hevcAccess tells which pictures of a publish are keyframes: IDR, BLA and CRA pictures. A CRA picture begins
// an open GOP: RASL pictures behind it are shown before it and refer to what came before it. Where the
// publish begins with one, and behind a BLA picture, nobody can decode them, and they are left out
// (H.265, 8.1.3).
type hevcAccess struct {
	begun    bool // a keyframe has come
	dropRASL bool
}

// take takes the next picture, and says what it makes.
func (a *hevcAccess) take(p hevc.Picture) int {
	switch {
	case p == hevc.NoPicture:
		return noPicture
	case p == hevc.IDR, p == hevc.BLA, p == hevc.CRA && !a.begun:
		a.begun, a.dropRASL = true, p != hevc.IDR
		return idrPicture
	case p == hevc.CRA:
		a.dropRASL = false
		return openPicture
	case p == hevc.RASL && a.dropRASL:
		return noPicture
	}
	return otherPicture
}

// Names of the codecs that may be taken, for streamers.
const (
	nameH264 = "H.264"
	nameHEVC = "HEVC"
)

// videoCodec tells how a Frame says a codec that was named, or why that is not taken. It never changes
// in a publish: another codec is another broadcast.
func (d *demuxer) videoCodec(name string) (codec string, err error) {
	switch {
	case name == nameH264:
		codec = CodecH264
	case name == nameHEVC && d.h265:
		codec = CodecH265
	case name == nameHEVC:
		return "", mediaError("video codec HEVC is not taken by this server: set the encoder to H.264, or set SUPPORTS_H265=true on the server")
	case d.h265:
		return "", mediaError("video codec %s is not supported; set the encoder to H.264 or HEVC", name)
	default:
		return "", mediaError("video codec %s is not supported; set the encoder to H.264", name)
	}
	if d.video != nil && d.video.codec() != codec {
		return "", mediaError("the video codec has changed to %s in mid-stream; publish again", name)
	}
	return codec, nil
}

// parseVideoConfig reads the configuration of a codec.
func (d *demuxer) parseVideoConfig(codec string, record []byte) (videoStream, error) {
	if codec == CodecH265 {
		return parseHEVCDecoderConfig(record, &d.access)
	}
	return parseAVCDecoderConfig(record)
}
