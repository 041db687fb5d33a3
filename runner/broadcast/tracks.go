package broadcast

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// maxTally bounds what the start keeps while it waits for both tracks.
const maxTally = 16 << 20 // bytes

// tracks is what a publish brings: its configurations, and the frames that came
// while they were waited for.
type tracks struct {
	video *videoConfig // nil: audio only
	audio []byte       // AudioSpecificConfig; nil: none came in time
	head  []*broadcastv1.Frame

	pictures int       // video frames in head
	anchor   time.Time // when the first picture came, or the first sound where there is none
}

// videoConfig is an AVCDecoderConfigurationRecord taken apart.
type videoConfig struct {
	sps, pps      []byte
	record        []byte
	width, height int
	fps           float64 // from the SPS; 0 where it does not say
}

// collect waits until both tracks are known, at most wait after the first of
// them: from then on the set of renditions is fixed. It keeps what came.
func collect(ctx context.Context, frames <-chan *broadcastv1.Frame, wait time.Duration) (*tracks, error) {
	t := &tracks{}
	size := 0
	var deadline <-chan time.Time
	for !t.complete() && size < maxTally {
		select {
		case f, ok := <-frames:
			if !ok {
				return t.enough()
			}
			if err := t.add(f); err != nil {
				return nil, err
			}
			size += len(f.GetPayload())
			if deadline == nil {
				timer := time.NewTimer(wait)
				defer timer.Stop()
				deadline = timer.C
			}
		case <-deadline:
			return t.enough()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return t.enough()
}

// complete says that both tracks are known, and the frame rate too: where the
// SPS is silent, some pictures tell it.
func (t *tracks) complete() bool {
	return t.video != nil && t.audio != nil && (t.video.fps > 0 || t.pictures >= enoughPictures)
}

// enoughPictures is how many of them tell the frame rate.
const enoughPictures = 12

func (t *tracks) enough() (*tracks, error) {
	if t.video == nil && t.audio == nil {
		return nil, errNoMedia
	}
	if t.video != nil && t.video.fps == 0 {
		t.video.fps = t.measureRate()
	}
	if t.anchor.IsZero() {
		t.anchor = time.Now()
	}
	return t, nil
}

// measureRate is the frame rate that the pictures' decode times show.
func (t *tracks) measureRate() float64 {
	var first, last int64
	n := 0
	for _, f := range t.head {
		if f.GetKind() != broadcastv1.Kind_KIND_VIDEO || f.GetConfig() {
			continue
		}
		if n == 0 {
			first = f.GetDts()
		}
		last = f.GetDts()
		n++
	}
	if n < 2 || last <= first {
		return usualRate
	}
	return float64(n-1) * ffmpeg.TimeScale / float64(last-first)
}

// usualRate stands in where nothing tells the frame rate.
const usualRate = 30

// reorderDepth is how many pictures may be shown before one that was decoded
// earlier: a keyframe's composition offset in frames.
func (t *tracks) reorderDepth() int {
	for _, f := range t.head {
		if f.GetKeyframe() && !f.GetConfig() && f.GetKind() == broadcastv1.Kind_KIND_VIDEO {
			return int(math.Round(float64(f.GetCompositionOffset()) * t.video.fps / ffmpeg.TimeScale))
		}
	}
	return 0
}

func (t *tracks) add(f *broadcastv1.Frame) error {
	t.head = append(t.head, f)
	if !f.GetConfig() {
		if f.GetKind() == broadcastv1.Kind_KIND_VIDEO {
			t.pictures++
			if t.pictures == 1 {
				t.anchor = time.Now()
			}
		}
		return nil
	}
	switch f.GetCodec() {
	case broadcastv1.Codec_CODEC_H264:
		if t.video != nil {
			return nil
		}
		v, err := parseVideo(f.GetPayload())
		if err != nil {
			return err
		}
		t.video = v
	case broadcastv1.Codec_CODEC_AAC:
		if t.audio == nil {
			t.audio = f.GetPayload()
		}
	default:
		return fmt.Errorf("codec %s is not one that this build carries", f.GetCodec())
	}
	return nil
}

// describe says both tracks in a few words, for people.
func (t *tracks) describe() (video, audio string) {
	if v := t.video; v != nil {
		video = fmt.Sprintf("%dx%d h264", v.width, v.height)
		if v.fps > 0 {
			video = fmt.Sprintf("%dx%dp%.4g h264", v.width, v.height, v.fps)
		}
	}
	var asc mpeg4audio.AudioSpecificConfig
	if t.audio != nil && asc.Unmarshal(t.audio) == nil {
		audio = fmt.Sprintf("%d Hz aac", asc.SampleRate)
	}
	return video, audio
}

func (v *videoConfig) source() ffmpeg.Source {
	return ffmpeg.Source{Width: v.width, Height: v.height, FPS: v.fps}
}

// parseVideo takes an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)
// apart: the first SPS and PPS are the ones in force.
func parseVideo(record []byte) (*videoConfig, error) {
	sets, err := parameterSets(record)
	if err != nil {
		return nil, fmt.Errorf("read the H.264 configuration: %w", err)
	}
	var sps h264.SPS
	if err := sps.Unmarshal(sets.sps); err != nil {
		return nil, fmt.Errorf("read the H.264 sequence parameter set: %w", err)
	}
	return &videoConfig{
		sps: sets.sps, pps: sets.pps, record: record,
		width: sps.Width(), height: sps.Height(), fps: sps.FPS(),
	}, nil
}

type sets struct{ sps, pps []byte }

func parameterSets(record []byte) (sets, error) {
	var out sets
	b := record
	if len(b) < 6 {
		return out, fmt.Errorf("record of %d bytes is too short", len(b))
	}
	spsCount := int(b[5] & 0x1f)
	b = b[6:]
	for i := range spsCount {
		nal, rest, err := nextSet(b)
		if err != nil {
			return out, err
		}
		if i == 0 {
			out.sps = nal
		}
		b = rest
	}
	if len(b) < 1 {
		return out, fmt.Errorf("record ends before its picture parameter sets")
	}
	ppsCount := int(b[0])
	b = b[1:]
	for i := range ppsCount {
		nal, rest, err := nextSet(b)
		if err != nil {
			return out, err
		}
		if i == 0 {
			out.pps = nal
		}
		b = rest
	}
	if out.sps == nil || out.pps == nil {
		return out, fmt.Errorf("record has %d sequence and %d picture parameter sets, and needs one of each", spsCount, ppsCount)
	}
	return out, nil
}

func nextSet(b []byte) (nal, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, fmt.Errorf("record is cut short")
	}
	n := int(b[0])<<8 | int(b[1])
	if len(b) < 2+n {
		return nil, nil, fmt.Errorf("record is cut short")
	}
	return b[2 : 2+n], b[2+n:], nil
}
