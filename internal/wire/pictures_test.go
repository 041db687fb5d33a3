package wire_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/wire"
)

func TestPicturesCrossTheWireWhole(t *testing.T) {
	t.Parallel()
	for _, want := range []hls.Event{
		hls.Poster{Number: 3, At: 21 * time.Second, Width: 640, Height: 360, Size: 41_234, Term: 12},
		hls.Sheet{
			Number: 2, Revision: 9, Start: 250 * time.Second, Interval: 5 * time.Second, Count: 17, Columns: 5,
			Width: 160, Height: 90, Size: 71_234, Term: 12,
		},
	} {
		data, err := wire.EncodeEvent(want)
		if err != nil {
			t.Fatalf("encode %T: %v", want, err)
		}
		got, err := wire.DecodeEvent(data)
		if err != nil {
			t.Fatalf("decode %T: %v", want, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%T changed on the way (-want +got):\n%s", want, diff)
		}
	}
}
