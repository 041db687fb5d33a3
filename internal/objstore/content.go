package objstore

import (
	"path"
	"strings"
)

// audioRendition is the one rendition whose MP4 holds no video.
const audioRendition = "audio"

const (
	// cacheForEver is for objects that never change: their names carry a term or a hash.
	cacheForEver = "public, max-age=31536000, immutable"
	// cacheNever is for objects that are written again under the same key.
	cacheNever = "no-cache"
)

// ContentType returns the media type of the object under key, by its extension and, for MP4,
// its rendition: "{broadcast}/audio/p1.7.m4s" is audio/mp4 (RFC 8216bis wants it told apart).
func ContentType(key string) string {
	switch path.Ext(key) {
	case ".m4s", ".mp4":
		if path.Base(path.Dir(key)) == audioRendition {
			return "audio/mp4"
		}
		return "video/mp4"
	case ".json":
		return "application/json"
	case ".m3u8":
		return "application/vnd.apple.mpegurl"
	case ".jpg":
		return "image/jpeg"
	default:
		return "application/octet-stream"
	}
}

// CacheControl returns how long the answer to a GET of key may be kept: media and pictures for ever, all
// else never without asking.
func CacheControl(key string) string {
	switch path.Ext(key) {
	case ".m4s", ".mp4", ".jpg":
		return cacheForEver
	default:
		return cacheNever
	}
}

// withDefaults fills in what key tells by itself.
func (o PutOptions) withDefaults(key string) PutOptions {
	if o.ContentType == "" {
		o.ContentType = ContentType(key)
	}
	if o.CacheControl == "" {
		o.CacheControl = CacheControl(key)
	}
	return o
}

// escapeKey escapes key for the path of a URL as S3 signs it: all but RFC 3986's unreserved
// characters and the slash. url.PathEscape would leave "+", which some stores read as a space.
func escapeKey(key string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(key))
	for i := range len(key) {
		c := key[i]
		if strings.IndexByte(unreserved, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
