package ingest

import (
	"testing"

	"github.com/pharos-live/pharos/ingest/rtmptest"
)

// TestDemuxer_Keyframes holds at which pictures decoding is said to be able to begin.
func TestDemuxer_Keyframes(t *testing.T) {
	t.Parallel()
	unit := func(b ...byte) []byte { return append([]byte{0, 0, 0, byte(len(b))}, b...) }
	slice := unit(0x41, 0x9a, 1, 2)
	recovery := unit(0x06, 0x06, 0x01, 0xc4, 0x80) // as x264 writes it
	for _, test := range []struct {
		name string
		data []byte
		want bool
	}{
		{"an IDR", unit(0x65, 0x88, 1, 2), true},
		{"another picture", slice, false},
		{"an open group of pictures", join(recovery, slice), true},
		{"behind other messages", join(unit(0x06, 0x05, 0xff, 0x01), unit(append([]byte{0x06, 0x05, 0x03, 0, 0, 3, 1, 0x06, 0x01}, 0xc4, 0x80)...), slice), true},
		{"a refresh that takes 30 pictures", join(unit(0x06, 0x06, 0x01, 0x0f, 0x88, 0x80), slice), false},
		{"a message that is cut off", join(unit(0x06, 0x06, 0x09, 0xc4), slice), false},
		{"an empty message", join(unit(0x06), unit(0x06, 0x06), slice), false},
		{"a message of another kind", join(unit(0x06, 0x01, 0x01, 0xc4, 0x80), slice), false},
	} {
		d := &demuxer{}
		if _, _, err := d.takeVideo(0, rtmptest.VideoConfig()); err != nil {
			t.Fatal(err)
		}
		f, ok, err := d.takeVideo(0, join([]byte{0x27, 1, 0, 0, 0}, test.data))
		if err != nil || !ok || f.Key != test.want {
			t.Errorf("%s: got a keyframe %v (%v, %v), want %v", test.name, f.Key, ok, err, test.want)
		}
	}
}
