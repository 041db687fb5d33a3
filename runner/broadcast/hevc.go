package broadcast

import (
	"fmt"

	"github.com/pharos-live/pharos/internal/avc"
	"github.com/pharos-live/pharos/internal/hevc"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner/ffmpeg"
	"github.com/pharos-live/pharos/runner/packager"
)

// readVideo reads the configuration of a codec.
func readVideo(codec broadcastv1.Codec, record []byte) (*videoConfig, error) {
	if codec != broadcastv1.Codec_CODEC_H265 {
		return parseVideo(record)
	}
	c, err := hevc.Parse(record)
	if err != nil {
		return nil, fmt.Errorf("read the H.265 configuration: %w", err)
	}
	return &videoConfig{codec: codec, Width: c.DisplayWidth, Height: c.Height, FPS: c.FPS, record: record}, nil
}

func (v *videoConfig) isH265() bool { return v.codec == broadcastv1.Codec_CODEC_H265 }

// opensGOP says whether a keyframe begins an open group of pictures: those that are
// shown before it may need what came before it.
func opensGOP(f *broadcastv1.Frame) bool {
	switch f.GetCodec() {
	case broadcastv1.Codec_CODEC_H264:
		return !avc.IDR(f.GetPayload())
	case broadcastv1.Codec_CODEC_H265:
		return hevc.IsCRA(f.GetPayload())
	default:
		return false
	}
}

// encoded is the codec as ffmpeg's package names it, and people do.
func (v *videoConfig) encoded() string {
	if v.isH265() {
		return ffmpeg.CodecH265
	}
	return ffmpeg.CodecH264
}

// packaged is the format as the packager wants it.
func (v *videoConfig) packaged() *packager.Video {
	if v.isH265() {
		return &packager.Video{Record: v.record, FrameRate: v.FPS}
	}
	return &packager.Video{SPS: v.SPS, PPS: v.PPS, FrameRate: v.FPS}
}

// withH265 makes a ladder that plays everywhere, and where H.265 was asked for has
// it, too: each rung then has a twin in H.265. A source in H.265 that no rung of
// the ladder fits gets one rung in H.264, as many browsers could play nothing
// else.
func (p plan) withH265(outputs []ffmpeg.Output, v *videoConfig) []ffmpeg.Output {
	if v.isH265() && len(outputs) == 0 {
		return p.backend.Fit([]ffmpeg.Rung{ffmpeg.DefaultRung(v.source())}, v.source())
	}
	if p.h265 {
		return ffmpeg.WithH265(outputs)
	}
	return outputs
}

// inH265 says whether a rung is encoded in H.265.
func (l *pipeline) inH265(rung int) bool { return l.outputs[rung].Codec == ffmpeg.CodecH265 }

// setRung tells the packager a rung's format: parameter sets in Annex B.
func (l *pipeline) setRung(rung int, extradata []byte) error {
	if l.inH265(rung) {
		c, err := hevc.FromAnnexB(extradata)
		if err != nil {
			return err
		}
		return l.packager.SetRungH265(rung, c.Record())
	}
	sps, pps, err := ffmpeg.ParameterSets(extradata)
	if err != nil {
		return err
	}
	return l.packager.SetRung(rung, sps, pps)
}

// units are the NAL units of a rung's frame, behind their lengths.
func (l *pipeline) units(rung int, frame []byte) []byte {
	if l.inH265(rung) {
		return ffmpeg.AnnexBToHVCC(nil, frame)
	}
	return ffmpeg.AnnexBToAVCC(nil, frame)
}

// setSource tells the packager that the source's format has changed.
func (l *pipeline) setSource(v *videoConfig) error {
	if v.isH265() {
		return l.packager.SetSourceH265(v.record)
	}
	return l.packager.SetSource(v.SPS, v.PPS)
}
