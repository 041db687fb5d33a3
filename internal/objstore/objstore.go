// Package objstore keeps media and small documents under keys: in a directory, in memory, or in
// anything that speaks S3. All three pass one conformance suite (objstoretest).
//
// An object is written whole and read whole. A reader sees one of the bodies ever put under a
// key, never a mixture; once Put has returned, nothing older than that body. Objects of media never
// change, since their keys carry a term or a hash: that is why URL and the cache headers may
// let the whole world keep them.
package objstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxGet is the largest object, in bytes, that Get reads: a segment of four seconds at
	// 100 Mbit/s takes 50 MB.
	MaxGet = 64 << 20

	// MediaPath is where a server serves the objects of a Dir or a Memory: their URLs are this
	// path with the key behind it.
	MediaPath = "/media/"

	maxKey     = 1024 // bytes: the limit of S3
	maxElement = 255  // bytes: the limit of common file systems
	checkKey   = "_check/write"
)

var (
	// ErrNotFound says that there is no object under a key.
	ErrNotFound = errors.New("no such object")
	// ErrTooLarge says that an object is larger than MaxGet.
	ErrTooLarge = errors.New("object larger than 64 MiB")
	// ErrBadKey says that a key can name no object; see Store.
	ErrBadKey = errors.New("bad object key")
)

// PutOptions says what goes with an object's bytes.
type PutOptions struct {
	ContentType  string // "" = what ContentType says of the key
	CacheControl string // "" = what CacheControl says of the key
	// Once says that whoever puts tries again by itself, and knows better when: the store makes one
	// attempt only. Retries of both would multiply.
	Once bool
}

// Object is an object as List tells of it.
type Object struct {
	Key     string
	Size    int64
	ModTime time.Time
}

// Store is what every object store can do. Consumers declare the one or two methods that they
// use. All methods are safe for concurrent use, and block until they are done or ctx ends; their
// error then wraps ctx's cause.
//
// A key is a relative path of valid UTF-8: elements of 1 to 255 bytes, none beginning with a
// dot, joined by "/", without backslashes and control characters, at most 1024 bytes. Every method
// refuses others with ErrBadKey. No key may be a folder of another ("a" beside "a/b").
type Store interface {
	// Put stores body under key and returns once it is durable, as far as the store can tell. It
	// replaces what was there. body is not kept.
	Put(ctx context.Context, key string, body []byte, o PutOptions) error
	// Get returns the object under key: ErrNotFound where there is none, ErrTooLarge above MaxGet.
	Get(ctx context.Context, key string) ([]byte, error)
	// Delete removes the objects under keys, in batches; a key without an object is no error.
	// After an error some may be gone.
	Delete(ctx context.Context, keys ...string) error
	// List calls fn for each object whose key begins with prefix, in no promised order, until fn
	// returns false. fn may use the store. An object that was put or deleted meanwhile may be
	// missing or be there.
	List(ctx context.Context, prefix string, fn func(Object) bool) error
	// URL returns where a browser may GET the object at the time now, whether or not it exists:
	// a path on this server, or an absolute URL. It does no I/O. All servers with the same
	// settings return the same URL within the same hour, so that browsers and CDNs cache it once.
	URL(key string, now time.Time) (string, error)
	// Check writes a small object and reads it back. Its error is one line that names the store
	// and says what is wrong, without secrets.
	Check(ctx context.Context) error
}

// ValidKey returns nil for a key as Store describes, and otherwise an ErrBadKey that says
// what is wrong with it.
func ValidKey(key string) error {
	bad := func(why string) error { return fmt.Errorf("%w %q: %s", ErrBadKey, key, why) }
	switch {
	case len(key) > maxKey:
		return bad("longer than 1024 bytes")
	case !utf8.ValidString(key):
		return bad("not UTF-8")
	case strings.ContainsRune(key, '\\') || strings.ContainsFunc(key, unicode.IsControl):
		return bad("has a backslash or a control character")
	}
	for element := range strings.SplitSeq(key, "/") {
		switch {
		case element == "":
			return bad("has an empty element")
		case element[0] == '.':
			return bad("has an element that begins with a dot")
		case len(element) > maxElement:
			return bad("has an element longer than 255 bytes")
		}
	}
	return nil
}

func isKey(s string) bool { return ValidKey(s) == nil }

// validPrefix is ValidKey for List: any beginning of a valid key will do.
func validPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return ValidKey(strings.TrimSuffix(prefix, "/"))
}

// check is what every store's Check does. The object stays: two servers that deleted it would
// each miss the other's.
func check(ctx context.Context, s Store) error {
	if err := s.Put(ctx, checkKey, []byte("Pharos may write here.\n"), PutOptions{ContentType: "text/plain"}); err != nil {
		return err
	}
	_, err := s.Get(ctx, checkKey)
	return err
}
