package objstore

import (
	"fmt"
	"testing"
	"time"
)

func TestPresigner_RemembersABoundedNumberOfURLs(t *testing.T) {
	t.Parallel()
	p := newPresigner("https://s3.example/media", S3Options{})
	hour := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const n = 3*maxPresigned + 5
	for i := range n {
		p.remember(hour, fmt.Sprint(i), "url")
		if len(p.made) > maxPresigned {
			t.Fatalf("%d URLs remembered, want at most %d", len(p.made), maxPresigned)
		}
	}
	if u, ok := p.remembered(hour, fmt.Sprint(n-1)); !ok || u != "url" {
		t.Errorf("the newest: %q, %v, want it remembered", u, ok)
	}
	p.remember(hour.Add(presignEvery), "later", "url")
	if _, ok := p.remembered(hour, "later"); ok || len(p.made) != 1 {
		t.Errorf("in the next hour %d URLs are remembered, want 1", len(p.made))
	}
}
