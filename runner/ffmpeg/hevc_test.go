package ffmpeg_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

func TestArgs_GoldenH265(t *testing.T) {
	t.Parallel()
	src := ffmpeg.Source{Width: 1280, Height: 720, FPS: 60}
	for _, b := range ffmpeg.Backends() {
		outputs := ffmpeg.WithH265(b.Fit(ladder(t, "720p30@2000000|360p30@600000"), src))
		args, err := ffmpeg.Args(ffmpeg.Spec{Codec: ffmpeg.CodecH265, Source: src, Outputs: outputs, Backend: b})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "720p60-to-30-h265."+string(b), lines(args))
	}
}

func TestWithH265_AddsATwinOfEachRung(t *testing.T) {
	t.Parallel()
	src := ffmpeg.Source{Width: 1280, Height: 720, FPS: 60}
	in := ffmpeg.Fit(ladder(t, "720p60@2000001|360p30@12000"), src)
	type row struct {
		name    string
		bitrate int
		size    [2]int
	}
	var got []row
	for _, o := range ffmpeg.WithH265(in) {
		got = append(got, row{o.Name(), o.Bitrate, [2]int{o.Width, o.Height}})
	}
	want := []row{
		{"720p60", 2_000_001, [2]int{1280, 720}},
		{"360p30", 12_000, [2]int{640, 360}},
		{"720p60-h265", 1_200_000, [2]int{1280, 720}},
		{"360p30-h265", ffmpeg.MinBitrate, [2]int{640, 360}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if in[0].Codec != "" || len(in) != 2 {
		t.Errorf("what was given has changed: %+v", in)
	}
}

func TestDefaultRung(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		src  ffmpeg.Source
		want string
	}{
		{"720p30", ffmpeg.Source{Width: 1280, Height: 720, FPS: 30}, "720p30@2700000"},
		{"720p60", ffmpeg.Source{Width: 1280, Height: 720, FPS: 60}, "720p30@2700000"},
		{"2160p60", ffmpeg.Source{Width: 3840, Height: 2160, FPS: 60}, "1080p30@6200000"},
		{"portrait", ffmpeg.Source{Width: 1080, Height: 1920, FPS: 25}, "1080p30@5100000"},
		{"rate unknown", ffmpeg.Source{Width: 640, Height: 360}, "360p30@600000"},
		{"tiny", ffmpeg.Source{Width: 64, Height: 35, FPS: 10}, "35p30@300000"},
	} {
		if got := ffmpeg.DefaultRung(tt.src).String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if out := ffmpeg.Fit([]ffmpeg.Rung{ffmpeg.DefaultRung(tt.src)}, tt.src); len(out) != 1 {
			t.Errorf("%s: the source cannot feed its own rung", tt.name)
		}
	}
}

func TestAnnexBToHVCC(t *testing.T) {
	t.Parallel()
	in := []byte{
		0, 0, 0, 1, 35 << 1, 1, 0x50, 0, 0, 0, 1, 32 << 1, 1, 9, 0, 0, 1, 33 << 1, 1, 8, 0, 0, 1, 34 << 1, 1, 7,
		0, 0, 0, 1, 39 << 1, 1, 6, 0, 0, 1, 20 << 1, 1, 5, 0, 0, 1, 20 << 1, 1, 4,
	}
	want := []byte{9, 0, 0, 0, 3, 39 << 1, 1, 6, 0, 0, 0, 3, 20 << 1, 1, 5, 0, 0, 0, 3, 20 << 1, 1, 4}
	if diff := cmp.Diff(want, ffmpeg.AnnexBToHVCC([]byte{9}, in)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for typ, want := range map[byte]bool{1: false, 19: true, 20: true, 21: false, 39: false} {
		if got := ffmpeg.IsIDR265([]byte{0, 0, 1, typ << 1, 1, 9}); got != want {
			t.Errorf("type %d: IDR %v, want %v", typ, got, want)
		}
	}
}

func TestHEVCConfig_SetsGoInBand(t *testing.T) {
	t.Parallel()
	record := func(size byte, arrays ...byte) []byte {
		b := append([]byte{1}, make([]byte, 20)...)
		return append(append(b, size), arrays...)
	}
	sets := []byte{4, 0xa0, 0, 1, 0, 3, 0x40, 1, 9, 0xa1, 0, 1, 0, 2, 0x42, 1, 0x27, 0, 1, 0, 2, 0x4e, 1, 0xa2, 0, 2, 0, 2, 0x44, 1, 0, 2, 0x44, 2}
	for _, tt := range []struct {
		name     string
		in, want []byte // no want: an error
	}{
		{"four bytes", record(0x0f, sets...), []byte{0, 0, 0, 3, 0x40, 1, 9, 0, 0, 0, 2, 0x42, 1, 0, 0, 0, 2, 0x44, 1, 0, 0, 0, 2, 0x44, 2}},
		{"one byte", record(0x0c, sets...), []byte{3, 0x40, 1, 9, 2, 0x42, 1, 2, 0x44, 1, 2, 0x44, 2}},
		{"empty", nil, nil},
		{"another version", append([]byte{0}, record(0x0f, sets...)[1:]...), nil},
		{"cut off", record(0x0f, sets[:len(sets)-1]...), nil},
		{"an array missing", record(0x0f, sets[:15]...), nil},
		{"no PPS", record(0x0f, append([]byte{2}, sets[1:15]...)...), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ffmpeg.InBand265(tt.in)
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("got error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
