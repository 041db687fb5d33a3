package hls

import "fmt"

// The names of objects in the bucket. Each carries the term in which it was
// written, so that a fenced writer and its successor never write the same key.

// PartKey is the key of part number of a rendition.
func PartKey(broadcast, rendition string, number, term uint64) string {
	return fmt.Sprintf("%s/%s/p%d.%d.m4s", broadcast, rendition, number, term)
}

// SegmentKey is the key of the segment msn of a rendition.
func SegmentKey(broadcast, rendition string, msn, term uint64) string {
	return fmt.Sprintf("%s/%s/s%d.%d.m4s", broadcast, rendition, msn, term)
}

// InitKey is the key of an init section. The hash of its bytes is its name, so
// that it never changes behind its URL.
func InitKey(broadcast, rendition, hash string) string {
	return fmt.Sprintf("%s/%s/init-%s.mp4", broadcast, rendition, hash)
}
