package broadcast

import (
	"fmt"
	"time"

	"github.com/pharos-live/pharos/runner/ffmpeg"
	"github.com/pharos-live/pharos/runner/packager"

	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

// A plan is a job's spec, read and checked.
type plan struct {
	packaging     packager.Config
	rungs         []ffmpeg.Rung
	backend       ffmpeg.Backend // what encodes them; Auto until it is chosen
	includeSource bool
	h265          bool // each rung in H.265, too
}

func planOf(spec *broadcastv1.Spec) (plan, error) {
	p := plan{
		packaging: packager.Config{
			Broadcast:      spec.GetBroadcastId(),
			Term:           spec.GetTerm(),
			Segment:        time.Duration(spec.GetPackaging().GetSegmentNs()),
			TargetDuration: time.Duration(spec.GetPackaging().GetTargetDurationNs()),
			Part:           time.Duration(spec.GetPackaging().GetPartNs()),
			Window:         time.Duration(spec.GetPackaging().GetWindowNs()),
		},
		includeSource: spec.GetTranscoding().GetIncludeSource(),
		h265:          spec.GetTranscoding().GetH265(),
	}
	if err := p.packaging.Validate(); err != nil {
		return p, fmt.Errorf("read the job's spec: %w", err)
	}
	rungs, err := ffmpeg.ParseLadder(spec.GetTranscoding().GetLadder())
	if err != nil {
		return p, fmt.Errorf("read the job's ladder: %w", err)
	}
	p.rungs = rungs
	if p.backend, err = ffmpeg.ParseBackend(spec.GetTranscoding().GetBackend()); err != nil {
		return p, fmt.Errorf("read the job's spec: %w", err)
	}
	return p, nil
}

// outputs are the rungs that this source can feed.
func (p plan) outputs(v *videoConfig) []ffmpeg.Output {
	if v == nil {
		return nil
	}
	return p.withH265(p.backend.Fit(p.rungs, v.source()), v)
}

// listsSource says whether the source rendition stands in the ladder: where it was asked for, and where
// nothing else would be left of the video.
func (p plan) listsSource(outputs []ffmpeg.Output) bool { return p.includeSource || len(outputs) == 0 }

// tracks are what the packager is to make of the source and these rungs.
func (p plan) tracks(t *tracks, outputs []ffmpeg.Output) packager.Tracks {
	var out packager.Tracks
	if v := t.video; v != nil {
		out.ListSource = p.listsSource(outputs)
		out.Source = v.packaged()
	}
	if t.audio != nil {
		out.Audio = &packager.Audio{Config: t.audio}
	}
	for _, o := range outputs {
		out.Rungs = append(out.Rungs, packager.Rung{
			Name: o.Name(), Width: o.Width, Height: o.Height,
			FrameRate: ffmpeg.LeavingRate(t.video.FPS, o.FPS), Bitrate: o.Bitrate,
		})
	}
	return out
}
