package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
)

// IndexPrefix is where the index documents are.
const IndexPrefix = "_replays/"

// version is that of the documents that this build writes, and the newest that it reads.
const version = 1

// ErrVersion says that a document was written by a newer build.
var ErrVersion = errors.New("document of a newer version")

// The states of an Index.
const (
	StateReady = "ready" // it can be watched
	StateEmpty = "empty" // the broadcast left nothing to be watched, and is not listed
)

// An Index says that a broadcast is over and what is left of it.
type Index struct {
	Version    int       `json:"version"`
	Broadcast  string    `json:"broadcast"`
	Channel    string    `json:"channel"`
	Started    time.Time `json:"started"`  // the date of its first picture
	Duration   float64   `json:"duration"` // seconds
	Renditions []string  `json:"renditions"`
	Playlist   string    `json:"playlist,omitempty"`   // key of the multivariant playlist
	Poster     string    `json:"poster,omitempty"`     // key; none where there are no pictures
	Storyboard string    `json:"storyboard,omitempty"` // key; likewise
	Reason     string    `json:"reason,omitempty"`     // why the broadcast ended
	State      string    `json:"state"`                // StateReady or StateEmpty
	Written    time.Time `json:"written"`
}

// IndexKey is where the index document of a broadcast is.
func IndexKey(broadcast string) string { return IndexPrefix + broadcast + ".json" }

// Keys of a replay's playlists, which stand where their relative URIs are right.

// PlaylistKey is where the multivariant playlist is.
func PlaylistKey(broadcast string) string { return broadcast + "/index.m3u8" }

// MediaKey is where the playlist of a rendition is.
func MediaKey(broadcast, rendition string) string { return broadcast + "/" + rendition + "/index.m3u8" }

// StoryboardKey is where the WebVTT of the storyboard is.
func StoryboardKey(broadcast string) string { return broadcast + "/storyboard.vtt" }

// A Getter reads objects.
type Getter interface {
	// Get returns the object under key; objstore.ErrNotFound where there is none.
	Get(ctx context.Context, key string) ([]byte, error)
}

// A Lister lists objects.
type Lister interface {
	// List calls fn for each object whose key begins with prefix, until fn returns false.
	List(ctx context.Context, prefix string, fn func(objstore.Object) bool) error
}

// A Putter stores objects.
type Putter interface {
	// Put stores body under key and returns once it is durable.
	Put(ctx context.Context, key string, body []byte, o objstore.PutOptions) error
}

// Find reads the index document of a broadcast. objstore.ErrNotFound: it has none.
func Find(ctx context.Context, s Getter, broadcast string) (Index, error) {
	var i Index
	err := read(ctx, s, IndexKey(broadcast), &i)
	if err == nil && i.Version > version {
		err = ErrVersion
	}
	if err != nil {
		return Index{}, fmt.Errorf("find replay of broadcast %s: %w", broadcast, err)
	}
	return i, nil
}

func read(ctx context.Context, s Getter, key string, v any) error {
	data, err := s.Get(ctx, key)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

func write(ctx context.Context, s Putter, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.Put(ctx, key, append(data, '\n'), objstore.PutOptions{})
}

// named is the broadcast in the key of a document below prefix. What begins with an
// underscore is a folder of documents and no broadcast: nobody shall delete it as one.
func named(key, prefix string) (broadcast string, ok bool) {
	broadcast, ok = strings.CutSuffix(strings.TrimPrefix(key, prefix), ".json")
	return broadcast, ok && broadcast != "" && broadcast[0] != '_' && !strings.Contains(broadcast, "/")
}

// An Entry is a document of a broadcast as a List tells of it.
type Entry struct {
	Broadcast string
	Written   time.Time
}

// Indexed lists the broadcasts that have an index document, in no promised order.
func Indexed(ctx context.Context, s Lister) ([]Entry, error) { return entries(ctx, s, IndexPrefix) }

func entries(ctx context.Context, s Lister, prefix string) ([]Entry, error) {
	var all []Entry
	err := s.List(ctx, prefix, func(o objstore.Object) bool {
		if broadcast, ok := named(o.Key, prefix); ok {
			all = append(all, Entry{Broadcast: broadcast, Written: o.ModTime})
		}
		return true
	})
	return all, err
}
