package streamkey

import (
	"fmt"
	"slices"
	"strings"
)

// maxChannel is the length of the longest channel name, in bytes.
const maxChannel = 63

// reserved are the names that mean something else as the first element of a URL's path.
var reserved = []string{
	"live", "hls", "media", "api", "operator", "replay", "healthz", "readyz", "metrics", "debug", "assets", "favicon.ico",
}

// Channel is the name of a channel: what a stream key begins with, and where the stream is
// watched. Only ParseChannel and a Signer make valid ones.
type Channel string

// ParseChannel returns s as a Channel: [a-z0-9][a-z0-9_-]{0,62}, and none of the reserved names.
// The error says what is allowed.
func ParseChannel(s string) (Channel, error) {
	if slices.Contains(reserved, s) {
		return "", fmt.Errorf("channel %q is reserved; so are %s", s, others(s))
	}
	if !isChannel(s) {
		return "", fmt.Errorf("channel %q is not 1 to 63 of the characters a-z, 0-9, '-' and '_', the first a letter or a digit", shorten(s))
	}
	return Channel(s), nil
}

func isChannel(s string) bool {
	if s == "" || len(s) > maxChannel || s[0] == '-' || s[0] == '_' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// others lists the reserved names but s.
func others(s string) string {
	rest := slices.DeleteFunc(slices.Clone(reserved), func(r string) bool { return r == s })
	return strings.Join(rest, ", ")
}

// shorten keeps what anyone may send from filling a log.
func shorten(s string) string {
	if len(s) <= 2*maxChannel {
		return s
	}
	return s[:2*maxChannel] + "…"
}
