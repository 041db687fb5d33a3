package broadcast

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/pharos-live/pharos/internal/avc"
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
	sounds   int       // audio frames in head
	anchor   time.Time // when the first picture came, or the first sound where there is none
}

// A videoConfig is the format of the source's video. Its FPS is what the
// pictures show, where the record does not tell or tells something else.
type videoConfig struct {
	codec         broadcastv1.Codec
	Width, Height int // as it is shown
	FPS           float64
	SPS, PPS      []byte // H.264
	record        []byte // as it came: an AVC- or HEVCDecoderConfigurationRecord
}

// lateVideo is how many times as long as for both tracks the start waits for
// the first picture where sound and the video's configuration are there
// already: an encoder that takes its time, or one whose camera is off.
const lateVideo = 5

// collect waits until both tracks are known, at most wait after the first of
// them: from then on the set of renditions is fixed. Where video is announced
// and only sound comes, it waits lateVideo times as long, and then takes it for
// audio alone. It keeps what came.
func collect(ctx context.Context, frames <-chan *broadcastv1.Frame, wait time.Duration) (*tracks, error) {
	t := &tracks{}
	size, late := 0, false
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
			if late || t.pictures > 0 || t.sounds == 0 || t.video == nil {
				return t.enough()
			}
			late = true
			timer := time.NewTimer((lateVideo - 1) * wait)
			defer timer.Stop()
			deadline = timer.C
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return t.enough()
}

// complete says that both tracks are known, and the frame rate too: some
// pictures tell it, as what an SPS says of it is often wrong.
func (t *tracks) complete() bool {
	return t.video != nil && t.audio != nil && t.pictures >= enoughPictures
}

func (t *tracks) enough() (*tracks, error) {
	if t.video != nil && t.audio != nil && t.pictures == 0 && t.sounds > 0 {
		t.video = nil // it was announced, and never came
	}
	if t.video == nil && t.audio == nil {
		return nil, errNoMedia
	}
	if t.video != nil {
		t.video.FPS = t.rate()
	}
	if t.anchor.IsZero() {
		t.anchor = time.Now()
	}
	return t, nil
}

// reorderDepth is how many pictures may be shown before one that was decoded
// earlier: a keyframe's composition offset in frames. An offset that means
// something else, as of an encoder that delays all pictures, is no more than the
// greatest depth.
func (t *tracks) reorderDepth() int {
	for _, f := range t.head {
		if f.GetKeyframe() && !f.GetConfig() && f.GetKind() == broadcastv1.Kind_KIND_VIDEO {
			depth := math.Round(float64(f.GetCompositionOffset()) * t.video.FPS / ffmpeg.TimeScale)
			return int(min(max(depth, 0), maxReorder))
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
		} else {
			t.sounds++
		}
		return nil
	}
	switch f.GetCodec() {
	case broadcastv1.Codec_CODEC_H264, broadcastv1.Codec_CODEC_H265:
		if t.video != nil {
			return nil
		}
		v, err := readVideo(f.GetCodec(), f.GetPayload())
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
		video = fmt.Sprintf("%dx%d %s", v.Width, v.Height, v.encoded())
		if v.FPS > 0 {
			video = fmt.Sprintf("%dx%dp%.4g %s", v.Width, v.Height, v.FPS, v.encoded())
		}
	}
	var asc mpeg4audio.AudioSpecificConfig
	if t.audio != nil && asc.Unmarshal(t.audio) == nil {
		audio = fmt.Sprintf("%d Hz aac", asc.SampleRate)
	}
	return video, audio
}

func (v *videoConfig) source() ffmpeg.Source {
	return ffmpeg.Source{Width: v.Width, Height: v.Height, FPS: v.FPS}
}

// parseVideo reads an AVCDecoderConfigurationRecord: the first SPS and PPS are
// the ones in force.
func parseVideo(record []byte) (*videoConfig, error) {
	c, err := avc.Parse(record)
	if err != nil {
		return nil, fmt.Errorf("read the H.264 configuration: %w", err)
	}
	return &videoConfig{
		codec: broadcastv1.Codec_CODEC_H264, Width: c.Width, Height: c.Height, FPS: c.FPS,
		SPS: c.SPS, PPS: c.PPS, record: record,
	}, nil
}
