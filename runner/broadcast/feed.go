package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
	"github.com/pharos-live/pharos/runner/packager"
)

// takeRetry is the pause between attempts to open the feed while Redis is away.
const takeRetry = 250 * time.Millisecond

// A feed writes the broadcast's events into the registry, and keeps its stream
// and its list of older segments short.
type feed struct {
	to     *registry.Feed
	config packager.Config
	log    *slog.Logger
	noted  func(...hls.Event) // told of what is announced and listed; nil = nobody

	mu    sync.Mutex // protects trim and shelf; held over Append, so that marks follow the order of seqs
	trim  *trimmer
	shelf shelf
}

func newFeed(to *registry.Feed, c packager.Config, log *slog.Logger) *feed {
	return &feed{to: to, config: c, log: log}
}

// take opens the term. Redis being away is waited out.
func (f *feed) take(ctx context.Context, renditions []hls.Rendition) error {
	f.trim = newTrimmer(len(renditions), 4*f.config.TargetDuration, f.config.Window)
	take := hls.Take{
		Renditions:     renditions,
		TargetDuration: f.config.TargetDuration,
		PartTarget:     f.config.PartTarget(),
		Window:         f.config.Window,
		Anchor:         f.config.Anchor,
	}
	data, err := wire.EncodeEvent(take)
	if err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		_, err := f.to.Take(ctx, data)
		if err == nil {
			f.note(take)
		}
		if err == nil || errors.Is(err, registry.ErrFenced) {
			return err
		}
		if tries == 0 {
			f.log.WarnContext(ctx, "the feed cannot be opened, trying again: nobody can watch until it is", "error", err)
		}
		select {
		case <-time.After(takeRetry):
		case <-ctx.Done():
			return fmt.Errorf("open the feed: %w", errors.Join(context.Cause(ctx), err))
		}
	}
}

func (f *feed) run(ctx context.Context) error { return f.to.Run(ctx) }

// announce appends events that belong together.
func (f *feed) announce(ctx context.Context, events ...hls.Event) error {
	data := make([][]byte, 0, len(events))
	for _, e := range events {
		d, err := wire.EncodeEvent(e)
		if err != nil {
			return err
		}
		data = append(data, d)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	first, err := f.to.Append(ctx, data...)
	if err != nil {
		return err
	}
	for i, e := range events {
		f.trim.note(e, first+uint64(i))
		if done, ok := f.shelf.note(e, data[i], first+uint64(i)); ok {
			if err := f.to.Older(done.data); err != nil {
				return err
			}
			f.trim.list(done.end)
		}
	}
	f.note(events...)
	return nil
}

// keepShelf appends again what readers need of the pictures that a cut takes. Where
// that fails, late readers lack a picture, and all else says what is wrong.
func (f *feed) keepShelf(ctx context.Context, before uint64) {
	for _, o := range f.shelf.cut(before) {
		if seq, err := f.to.Append(ctx, o.data); err == nil {
			o.seq = seq
		}
	}
}

// note tells of what stands in the feed.
func (f *feed) note(events ...hls.Event) {
	if f.noted != nil {
		f.noted(events...)
	}
}

// older adds a durable segment to the list, and cuts off what is too old.
func (f *feed) older(ctx context.Context, s hls.Segment) error {
	data, err := wire.EncodeEvent(s)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.to.Older(data); err != nil {
		return err
	}
	f.note(s)
	before, drop := f.trim.record(s)
	if before > 0 || drop > 0 {
		f.keepShelf(ctx, before)
		f.to.Trim(registry.EntryID{Term: f.config.Term, Seq: before}, drop)
	}
	return nil
}

// end appends the final entry, behind everything announced.
func (f *feed) end(ctx context.Context, reason string) error {
	data, err := wire.EncodeEvent(hls.End{Reason: reason})
	if err != nil {
		return err
	}
	return f.to.End(ctx, data)
}
