package objstore_test

import (
	"strings"
	"testing"

	"github.com/pharos-live/pharos/internal/objstore"
)

func TestPictures_AreKeptForEver(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"01JD/poster/1.7.jpg", "01JD/sheets/0-1.7.jpg"} {
		if got := objstore.ContentType(key); got != "image/jpeg" {
			t.Errorf("%s: got content type %q", key, got)
		}
		if got := objstore.CacheControl(key); !strings.Contains(got, "immutable") {
			t.Errorf("%s: got Cache-Control %q", key, got)
		}
	}
}
