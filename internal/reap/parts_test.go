package reap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/reap"
)

// fragment is the boxes of a part, as far as they tell its number.
func fragment(number uint64) []byte {
	moof := []byte("\x00\x00\x00\x18moof\x00\x00\x00\x10mfhd\x00\x00\x00\x00")
	moof = binary.BigEndian.AppendUint32(moof, uint32(number)+1)
	return append(moof, "\x00\x00\x00\x0cmdat...."...)
}

// segment is the object of a segment of these parts.
func segment(numbers ...uint64) []byte {
	var all [][]byte
	for _, n := range numbers {
		all = append(all, fragment(n))
	}
	return bytes.Join(all, nil)
}

func TestParts(t *testing.T) {
	t.Parallel()
	part := func(n, term uint64) string { return hls.PartKey(broadcast, "source", n, term) }
	seg := func(msn, term uint64) string { return hls.SegmentKey(broadcast, "source", msn, term) }
	tests := []struct {
		name     string
		segments map[string][]byte
		parts    []string
		left     []string
	}{
		{"nothing at all", nil, nil, nil},
		{"nothing but segments", map[string][]byte{seg(0, 7): segment(0, 1)}, nil, nil},
		{
			"the last segment has no object",
			map[string][]byte{seg(0, 7): segment(0, 1), seg(1, 7): segment(2, 3)},
			[]string{part(0, 7), part(1, 7), part(2, 7), part(3, 7), part(4, 7), part(5, 7)},
			[]string{part(4, 7), part(5, 7)},
		},
		{
			"one between has none",
			map[string][]byte{seg(0, 7): segment(0, 1), seg(2, 7): segment(4, 5)},
			[]string{part(0, 7), part(1, 7), part(2, 7), part(3, 7), part(4, 7)},
			[]string{part(2, 7), part(3, 7)},
		},
		{
			"a successor made a former writer's part anew",
			map[string][]byte{seg(0, 7): segment(0, 1), seg(1, 9): segment(2, 3)},
			[]string{part(2, 7), part(2, 9), part(3, 9)},
			nil,
		},
		{
			"a segment of two terms",
			map[string][]byte{seg(0, 7): segment(0, 1), seg(0, 9): segment(0, 1, 2)},
			[]string{part(1, 7), part(2, 9), part(3, 9)},
			[]string{part(3, 9)},
		},
		{
			"an object that makes no sense",
			map[string][]byte{seg(0, 7): segment(0, 1), seg(1, 7): []byte("\xff\xff\xff\xffmoof nonsense")},
			[]string{part(0, 7), part(2, 7)},
			[]string{part(2, 7)},
		},
		{
			"an object that is cut off",
			map[string][]byte{seg(0, 7): segment(0, 1, 2)[:60]},
			[]string{part(0, 7), part(2, 7)},
			[]string{part(2, 7)},
		},
		{
			"other renditions' numbers are others",
			map[string][]byte{seg(0, 7): segment(0, 1)},
			[]string{hls.PartKey(broadcast, "audio", 0, 7)},
			[]string{hls.PartKey(broadcast, "audio", 0, 7)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := &objstore.Memory{}
			others := []string{broadcast + "/source/init-aa.mp4", broadcast + "/index.m3u8", "01JD9/source/p0.7.m4s"}
			for key, body := range tt.segments {
				put(t, store, key, body)
				others = append(others, key)
			}
			for _, key := range slices.Concat(tt.parts, others) {
				if !slices.Contains(others, key) || tt.segments[key] == nil {
					put(t, store, key, []byte("."))
				}
			}
			for range 2 { // again, it finds nothing to do
				r, err := reap.Parts(t.Context(), store, broadcast)
				if err != nil || r.Left != len(tt.left) {
					t.Errorf("Parts: %+v, %v, want %d left", r, err, len(tt.left))
				}
			}
			want := slices.Sorted(slices.Values(slices.Concat(tt.left, others)))
			if diff := cmp.Diff(want, keys(t, store)); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParts_GoesOnWhereItFailed: what cannot be read costs no other rendition its turn, and is found later.
func TestParts_GoesOnWhereItFailed(t *testing.T) {
	t.Parallel()
	broken := true
	store := &objstore.Memory{}
	for _, rendition := range []string{"audio", "source"} {
		put(t, store, hls.SegmentKey(broadcast, rendition, 0, 7), segment(0))
		put(t, store, hls.PartKey(broadcast, rendition, 0, 7), []byte("."))
	}
	store.Fail = func(key string) error {
		if broken && strings.Contains(key, "/audio/s") {
			return errAway
		}
		return nil
	}
	r, err := reap.Parts(t.Context(), store, broadcast)
	if !errors.Is(err, errAway) || r.Deleted != 1 {
		t.Errorf("Parts: %+v, %v, want one deleted and %v", r, err, errAway)
	}
	broken = false
	if r, err := reap.Parts(t.Context(), store, broadcast); err != nil || r.Deleted != 1 || r.Left != 0 {
		t.Errorf("Parts again: %+v, %v, want one deleted", r, err)
	}
}

func put(t *testing.T, store *objstore.Memory, key string, body []byte) {
	t.Helper()
	if err := store.Put(t.Context(), key, body, objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, store *objstore.Memory) (all []string) {
	t.Helper()
	if err := store.List(t.Context(), "", func(o objstore.Object) bool { all = append(all, o.Key); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}
