package avc_test

import (
	"testing"

	"github.com/pharos-live/pharos/internal/avc"
)

func TestReorder(t *testing.T) {
	t.Parallel()
	// x264's for 320x180 at 30 fps with three B-frames in a pyramid: it says that two pictures are reordered.
	pyramid := []byte{
		0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00,
		0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0x99, 0x60,
	}
	for _, tt := range []struct {
		name string
		sps  []byte
		want int
	}{
		{"a pyramid of B-frames", pyramid, 2},
		{"cut off", pyramid[:9], 0},
		{"nothing", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := avc.Reorder(tt.sps); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
