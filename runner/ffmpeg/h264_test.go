package ffmpeg_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

func TestAnnexBToAVCC(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		in, want []byte
	}{
		{"nothing", nil, nil},
		{"no start code", []byte{0x65, 1, 2}, nil},
		{"short start code", []byte{0, 0, 1, 0x65, 9}, []byte{0, 0, 0, 2, 0x65, 9}},
		{"long start code", []byte{0, 0, 0, 1, 0x65, 9}, []byte{0, 0, 0, 2, 0x65, 9}},
		{"two slices", []byte{0, 0, 0, 1, 0x65, 9, 0, 0, 1, 0x65, 8}, []byte{0, 0, 0, 2, 0x65, 9, 0, 0, 0, 2, 0x65, 8}},
		{
			"sets and delimiter are left out, SEI stays",
			[]byte{0, 0, 1, 9, 0xF0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 6, 5, 0, 0, 1, 0x41, 3},
			[]byte{0, 0, 0, 2, 6, 5, 0, 0, 0, 2, 0x41, 3},
		},
		{"zeros behind a NAL unit are none of it", []byte{0, 0, 1, 0x65, 9, 0, 0, 0, 0, 1, 0x41, 3, 0, 0}, []byte{0, 0, 0, 2, 0x65, 9, 0, 0, 0, 2, 0x41, 3}},
		{"zeros within stay", []byte{0, 0, 1, 0x65, 0, 0, 3, 0, 7}, []byte{0, 0, 0, 6, 0x65, 0, 0, 3, 0, 7}},
		{"empty NAL units vanish", []byte{0, 0, 1, 0, 0, 1, 0x41, 3}, []byte{0, 0, 0, 2, 0x41, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, ffmpeg.AnnexBToAVCC(nil, tt.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			got := ffmpeg.AnnexBToAVCC([]byte("before"), tt.in)
			if diff := cmp.Diff(append([]byte("before"), tt.want...), got); diff != "" {
				t.Errorf("appended (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParameterSets(t *testing.T) {
	t.Parallel()
	sps, pps, err := ffmpeg.ParameterSets([]byte{0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x68, 4, 0, 0, 1, 6, 5})
	if err != nil || !cmp.Equal(sps, []byte{0x67, 1, 2}) || !cmp.Equal(pps, []byte{0x68, 3}) {
		t.Errorf("got %x, %x, %v", sps, pps, err)
	}
	for _, in := range [][]byte{nil, {0, 0, 1, 0x67, 1}, {0, 0, 1, 0x68, 1}, {1, 0x64, 0, 31, 0xFF}} {
		if _, _, err := ffmpeg.ParameterSets(in); err == nil {
			t.Errorf("ParameterSets(%x) found sets", in)
		}
	}
}

func TestIsIDR(t *testing.T) {
	t.Parallel()
	if !ffmpeg.IsIDR([]byte{0, 0, 1, 6, 5, 0, 0, 1, 0x65, 1}) || ffmpeg.IsIDR([]byte{0, 0, 1, 0x41, 0x65}) {
		t.Error("IDR slices are not told from others")
	}
}

func TestAVCConfig_SetsGoInBand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		in, want []byte // no want: an error
	}{
		{"four bytes", []byte{1, 0x64, 0, 31, 0xFF, 0xE1, 0, 2, 0x67, 1, 1, 0, 1, 0x68, 0xFD, 0xF8}, []byte{0, 0, 0, 2, 0x67, 1, 0, 0, 0, 1, 0x68}},
		{"one byte, two PPS", []byte{1, 0x42, 0, 31, 0xFC, 0xE1, 0, 2, 0x67, 1, 2, 0, 1, 0x68, 0, 1, 0x69}, []byte{2, 0x67, 1, 1, 0x68, 1, 0x69}},
		{"empty", nil, nil},
		{"another version", []byte{0, 0x64, 0, 31, 0xFF, 0xE1, 0, 2, 0x67, 1, 1, 0, 1, 0x68}, nil},
		{"SPS cut", []byte{1, 0x64, 0, 31, 0xFF, 0xE1, 0, 9, 0x67, 1}, nil},
		{"PPS missing", []byte{1, 0x64, 0, 31, 0xFF, 0xE1, 0, 2, 0x67, 1}, nil},
		{"no SPS", []byte{1, 0x64, 0, 31, 0xFF, 0xE0, 1, 0, 1, 0x68}, nil},
		{"no PPS", []byte{1, 0x64, 0, 31, 0xFF, 0xE1, 0, 2, 0x67, 1, 0}, nil},
		{"set longer than its length can say", append(append([]byte{1, 0x64, 0, 31, 0xFC, 0xE1, 1, 0}, make([]byte, 256)...), 1, 0, 1, 0x68), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ffmpeg.InBand(tt.in)
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("got error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
