package broadcast

import (
	"context"
	"time"

	"github.com/pharos-live/pharos/internal/avc"
	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// pictures is a pipeline's part in thumbnails: where its stills come from, and the
// album that they go to. A nil *pictures is a broadcast without any, as one of
// audio alone; its methods then do nothing.
type pictures struct {
	*album
	keyframes *keyframer // nil: the encoder of the rungs makes the stills
}

// stillsOf is what ffmpeg is asked for: pictures of a poster's size, of which small
// ones are made.
func stillsOf(src ffmpeg.Source, every time.Duration) *ffmpeg.Stills {
	w, h := ffmpeg.FitWithin(src, posterSide, posterSide)
	return &ffmpeg.Stills{Width: w, Height: h, Every: every}
}

// newPictures makes what the source allows, and starts nothing.
func (se *session) newPictures(p plan, t *tracks, rungs int, f *feed) *pictures {
	o := se.service.o
	if t.video == nil || rungs == 0 && o.Stills == nil {
		return nil
	}
	src := t.video.source()
	pics := &pictures{album: newAlbum(p.packaging.Broadcast, p.packaging.Term, src, se.service.store, f.announce, se.log)}
	if rungs == 0 {
		pics.keyframes = newKeyframer(o.Stills, ffmpeg.Options{
			Spec:        ffmpeg.Spec{Source: src, Stills: stillsOf(src, 0)},
			OnStill:     pics.offer,
			Path:        o.FFmpeg,
			QueueFrames: queueCopies,
			Background:  true,
			Logger:      se.log.With("for", "pictures"),
		}, se.log)
		pics.configure(t.video)
	}
	return pics
}

// stills is what the encoder of the rungs is asked for, and who takes it.
func (p *pictures) stills(src ffmpeg.Source) (*ffmpeg.Stills, func(ffmpeg.Packet)) {
	if p == nil {
		return nil, nil
	}
	return stillsOf(src, stillEvery), p.offer
}

// configure takes the source's format: at the start, and when it changes.
func (p *pictures) configure(v *videoConfig) {
	if p != nil && p.keyframes != nil {
		p.keyframes.configure(v.record, avc.Reorder(v.SPS))
	}
}

// keyframe takes a keyframe of the source, before any encoder gets it.
func (p *pictures) keyframe(pts int64, data []byte) {
	if p == nil {
		return
	}
	p.begin(pts)
	if p.keyframes != nil {
		p.keyframes.offer(ffmpeg.Packet{PTS: max(pts, 0), Key: true, Data: data})
	}
}

// decode runs the process for the keyframes, if there is one.
func (p *pictures) decode(ctx context.Context) {
	if p == nil || p.keyframes == nil {
		return
	}
	p.keyframes.run(ctx)
	p.end()
}

// close says that the source has ended, and every encoder with it.
func (p *pictures) close() {
	switch {
	case p == nil:
	case p.keyframes != nil:
		p.keyframes.end() // decode ends the album
	default:
		p.end()
	}
}

// settle waits until the last pictures are stored and announced, for a while.
func (p *pictures) settle(ctx context.Context) {
	if p == nil {
		return
	}
	timer := time.NewTimer(picturesTime)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// told has f told of each new poster. To be called before the album runs.
func (p *pictures) told(f func(number uint64)) {
	if p != nil {
		p.onPoster = f
	}
}
