package replay

import (
	"context"
	"fmt"
	"time"
)

// openPrefix is where the markers are.
const openPrefix = "_open/"

// A Marker says that something is left to be done with a broadcast: it lives, or is to
// be finalised, or has parts left, or is being deleted.
type Marker struct {
	Version   int       `json:"version"`
	Broadcast string    `json:"broadcast"`
	Channel   string    `json:"channel"`
	Started   time.Time `json:"started"`            // when it was placed on its runner
	Deleting  bool      `json:"deleting,omitempty"` // all of it is to go
}

// MarkerKey is where the marker of a broadcast is.
func MarkerKey(broadcast string) string { return openPrefix + broadcast + ".json" }

// Mark writes a marker, as soon as a broadcast begins: beside its first objects. What a runner leaves that dies
// before it is written, no keeper sees.
func Mark(ctx context.Context, s Putter, m Marker) error {
	m.Version = version
	if err := write(ctx, s, MarkerKey(m.Broadcast), m); err != nil {
		return fmt.Errorf("mark broadcast %s: %w", m.Broadcast, err)
	}
	return nil
}

// Marked lists the broadcasts that have a marker, in no promised order.
func Marked(ctx context.Context, s Lister) ([]Entry, error) { return entries(ctx, s, openPrefix) }

// ReadMarker reads the marker of a broadcast. objstore.ErrNotFound: it has none.
func ReadMarker(ctx context.Context, s Getter, broadcast string) (Marker, error) {
	var m Marker
	err := read(ctx, s, MarkerKey(broadcast), &m)
	if err == nil && m.Version > version {
		err = ErrVersion
	}
	if err != nil {
		return Marker{}, fmt.Errorf("read marker of broadcast %s: %w", broadcast, err)
	}
	return m, nil
}
