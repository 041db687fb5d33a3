// Package settle ends the feed of a broadcast in the place of a runner that did not:
// under the next term, so that the runner, should it still be there, can write nothing
// behind the end.
package settle

import (
	"context"
	"errors"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/wire"
)

// A Registry has the feeds and the terms.
type Registry interface {
	// Snapshot reads a feed; registry.ErrNone where there is none.
	Snapshot(ctx context.Context, broadcast string) (registry.Snapshot, error)
	// NextTerm takes the next term of a broadcast.
	NextTerm(ctx context.Context, broadcast string) (uint64, error)
	// AppendEnd ends a feed under a term; registry.ErrFenced where a newer one has it.
	AppendEnd(ctx context.Context, broadcast string, term uint64, data []byte) error
}

// An Ending is the end of one broadcast, which may take several attempts.
type Ending struct {
	Broadcast string
	Reason    string // as the feed's last entry says it
	After     uint64 // a feed with a newer term than this is somebody else's; 0 = whoever had it is gone
	NoFeed    bool   // where there is no feed, make one: a runner that was lost might else

	term uint64 // taken once: an attempt whose answer was lost is then known again
}

// Term is the term that the end was written under, or is tried under; 0 where none was
// needed.
func (e *Ending) Term() uint64 { return e.term }

// Try writes the end, unless there is nothing to end: a newer term has the feed, or it
// has its end. It says whether the end is its own. After an error it is to be called
// again.
func (e *Ending) Try(ctx context.Context, r Registry) (wrote bool, err error) {
	settled, err := e.settled(ctx, r)
	if settled || err != nil {
		return false, err
	}
	if e.term == 0 {
		if e.term, err = r.NextTerm(ctx, e.Broadcast); err != nil {
			return false, err
		}
	}
	data, err := wire.EncodeEvent(hls.End{Reason: e.Reason})
	if err != nil {
		return false, err
	}
	err = r.AppendEnd(ctx, e.Broadcast, e.term, data)
	if errors.Is(err, registry.ErrFenced) {
		return false, nil // somebody newer has the broadcast, and its end
	}
	return err == nil, err
}

func (e *Ending) settled(ctx context.Context, r Registry) (bool, error) {
	snap, err := r.Snapshot(ctx, e.Broadcast)
	switch {
	case errors.Is(err, registry.ErrNone):
		return !e.NoFeed, nil
	case err != nil:
		return false, err
	}
	last := snap.Entries[len(snap.Entries)-1]
	if e.After > 0 && last.ID.Term > e.After {
		return true, nil
	}
	return Ended(snap)
}

// Ended says whether a feed has its end.
func Ended(snap registry.Snapshot) (bool, error) {
	e, err := wire.DecodeEvent(snap.Entries[len(snap.Entries)-1].Data)
	_, end := e.(hls.End)
	return end, err
}
