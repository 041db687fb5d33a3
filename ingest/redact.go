package ingest

import "strings"

// RedactKey returns what of a stream key may stand in a log: the channel up to its first
// underscore, the rest masked. Signatures are base64url and may hold underscores themselves, and
// only the key's own package knows where they begin, so that any later cut could show a part of one.
// A key without an underscore is masked whole.
func RedactKey(key string) string {
	channel, _, found := strings.Cut(key, "_")
	if !found {
		return "***"
	}
	return clip(channel, 64) + "_***"
}

// clip bounds a client's text for logs and messages.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
