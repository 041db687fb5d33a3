package main

import (
	"context"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
)

// The reel's broadcast: segments of six parts.
const (
	reelParts = 6
	reelPart  = time.Second / 3
	reelInit  = "0123456789abcdef"
)

// A reel is the feed of a broadcast that is made up: a video and an audio rendition of equal parts,
// announced when the bench says so. No media belongs to it.
type reel struct {
	id   string
	feed *registry.Feed
	next uint64 // part to announce
}

// withReel opens a reel that has gone on for so many segments, and runs f on it.
func withReel(ctx context.Context, r *registry.Registry, segments int, f func(context.Context, *reel) error) error {
	reel := &reel{id: ulid.Make().String()}
	term, err := r.NextTerm(ctx, reel.id)
	if err != nil {
		return err
	}
	reel.feed = r.Feed(reel.id, term)
	take, err := wire.EncodeEvent(hls.Take{
		Renditions: []hls.Rendition{
			{
				Name: "source", Kind: hls.Video, Codecs: "avc1.640020", Width: clipWidth, Height: clipHeight,
				FrameRate: clipRate, Bandwidth: 7_000_000, AverageBandwidth: clipBitrate,
			},
			{Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2", Bandwidth: 140_000, AverageBandwidth: 130_000, Channels: 2, SampleRate: 48_000},
		},
		TargetDuration: time.Duration(packaging.GetTargetDurationNs()),
		PartTarget:     350 * time.Millisecond,
		Window:         time.Duration(packaging.GetWindowNs()),
		Anchor:         time.Now().Add(-time.Duration(segments*reelParts) * reelPart),
	})
	if err != nil {
		return err
	}
	if _, err := reel.feed.Take(ctx, take); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	group.Go(func() error {
		if err := reel.feed.Run(ctx); ctx.Err() == nil {
			return fmt.Errorf("write the feed: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		defer cancel()
		for range segments * reelParts {
			if err := reel.announce(ctx); err != nil {
				return err
			}
		}
		if err := reel.feed.Flush(ctx); err != nil {
			return err
		}
		return f(ctx, reel)
	})
	return group.Wait()
}

// announce appends the next part of both renditions and, where it begins a segment, the end of the
// one before. It does not wait for Redis.
func (r *reel) announce(ctx context.Context) error {
	n := r.next
	r.next++
	var data [][]byte
	for i := range 2 {
		for _, e := range reelEvents(i, n) {
			d, err := wire.EncodeEvent(e)
			if err != nil {
				return err
			}
			data = append(data, d)
		}
	}
	_, err := r.feed.Append(ctx, data...)
	return err
}

// reelEvents are what part n of a rendition brings.
func reelEvents(rendition int, n uint64) []hls.Event {
	msn := n / reelParts
	p := hls.Part{
		Rendition: rendition, Number: n, MSN: msn,
		Start: time.Duration(n) * reelPart, Duration: reelPart,
		Independent: n%reelParts == 0, Size: 250_000, Init: reelInit, Term: 1,
	}
	if n == 0 || n%reelParts != 0 {
		return []hls.Event{p}
	}
	return []hls.Event{
		hls.Close{Rendition: rendition, MSN: msn - 1, Duration: reelParts * reelPart},
		hls.Object{Rendition: rendition, MSN: msn - 1, Size: 1_500_000, Term: 1},
		p,
	}
}

// path is where a viewer blocks for the part to come, as hls.js does: it takes delta updates.
func (r *reel) path() string {
	return fmt.Sprintf("/hls/%s/source/index.m3u8?_HLS_msn=%d&_HLS_part=%d&_HLS_skip=YES", r.id, r.next/reelParts, r.next%reelParts)
}
