package ingest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/ingest/rtmptest"
)

// taking is a demuxer that takes HEVC and has its configuration.
func taking(t *testing.T) *demuxer {
	t.Helper()
	d := &demuxer{h265: true}
	f, ok, err := d.takeVideo(0, rtmptest.HEVCStart())
	if err != nil || !ok || !f.Config || f.Codec != CodecH265 {
		t.Fatalf("configuration: got %+v, %v, %v", f, ok, err)
	}
	return d
}

func TestHEVC_Tags(t *testing.T) {
	t.Parallel()
	idr, p := rtmptest.HEVCUnit(rtmptest.HEVCIDR, 9), rtmptest.HEVCUnit(rtmptest.HEVCTrailing, 7)
	for _, test := range []struct {
		name string
		body []byte
		want Frame // without a Payload: nothing comes of it
	}{
		{"coded frames", rtmptest.HEVCFrame(true, 80, idr), Frame{CTS: 80 * 90, Key: true, Payload: idr}},
		{"a negative offset", rtmptest.HEVCFrame(false, -40, p), Frame{CTS: -40 * 90, Payload: p}},
		{"coded frames X", rtmptest.HEVCFrame(true, 0, idr), Frame{Key: true, Payload: idr}},
		{"a tag that lies about its keyframe", rtmptest.HEVCFrame(true, 0, p), Frame{Payload: p}},
		{"codec id 12", join([]byte{0x1c, 1, 0, 0, 80}, idr), Frame{CTS: 80 * 90, Key: true, Payload: idr}},
		{"sets that the configuration has", rtmptest.HEVCFrame(true, 0, join(unit(rtmptest.HEVCSets[0]), unit(rtmptest.HEVCSets[1]), unit(rtmptest.HEVCSets[2]), idr)), Frame{Key: true, Payload: idr}},
		{"a set that it has not", rtmptest.HEVCFrame(true, 0, join(unit([]byte{34 << 1, 1, 9}), idr)), Frame{Key: true, Payload: join(unit([]byte{34 << 1, 1, 9}), idr)}},
		{"SEI", rtmptest.HEVCFrame(false, 0, join(unit([]byte{39 << 1, 1, 9}), p)), Frame{Payload: join(unit([]byte{39 << 1, 1, 9}), p)}},

		{"the end of a sequence", rtmptest.EnhancedVideo(true, rtmptest.SequenceEnd, "hvc1", nil), Frame{}},
		{"metadata", rtmptest.EnhancedVideo(true, rtmptest.Metadata, "hvc1", []byte{2, 0, 1, 'x'}), Frame{}},
		{"codec id 12, the end of a sequence", []byte{0x1c, 2, 0, 0, 0}, Frame{}},
		{"nothing but sets", rtmptest.HEVCFrame(true, 0, unit(rtmptest.HEVCSets[0])), Frame{}},
		{"nothing but SEI", rtmptest.HEVCFrame(true, 0, unit([]byte{39 << 1, 1, 9})), Frame{}},
		{"the same configuration", rtmptest.HEVCStart(), Frame{}},
		{"the same configuration as codec id 12", join([]byte{0x1c, 0, 0, 0, 0}, rtmptest.HEVCConfig(rtmptest.HEVCSets)), Frame{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, ok, err := taking(t).takeVideo(40, test.body)
			if err != nil {
				t.Fatal(err)
			}
			if test.want.Payload == nil {
				if ok {
					t.Errorf("got %+v, want nothing", got)
				}
				return
			}
			test.want.Kind, test.want.Codec, test.want.DTS = Video, CodecH265, 40*90
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func unit(nalu []byte) []byte { return join([]byte{0, 0, byte(len(nalu) >> 8), byte(len(nalu))}, nalu) }

func TestHEVC_Refuses(t *testing.T) {
	t.Parallel()
	avc := join([]byte("\x90avc1"), rtmptest.AVCConfig(rtmptest.SPS, rtmptest.PPS))
	start := func(record []byte) []byte {
		return rtmptest.EnhancedVideo(true, rtmptest.SequenceStart, "hvc1", record)
	}
	badSPS := rtmptest.HEVCSets
	badSPS[1] = badSPS[1][:9]
	for _, test := range []struct {
		name string
		body []byte
		want string
	}{
		{"AV1", []byte("\x91av01"), "video codec AV1 is not supported; set the encoder to H.264 or HEVC"},
		{"H.264 in mid-stream", avc, "the video codec has changed to H.264 in mid-stream; publish again"},
		{"H.264 in mid-stream, by its id", rtmptest.VideoConfig(), "the video codec has changed to H.264 in mid-stream; publish again"},
		{"cut off", []byte("\x91hvc1\x00"), "HEVC video tag of 6 bytes is cut off"},
		{"codec id 12, cut off", []byte{0x1c, 1}, "HEVC video tag of 2 bytes is cut off"},
		{"a sequence header that is cut off", start([]byte{1, 2, 3}), "HEVC sequence header of 3 bytes is cut off"},
		{"a sequence header as Annex B", start([]byte{0, 0, 0, 1, 0x40, 1}), "the HEVC sequence header is Annex B"},
		{"a broken SPS", start(rtmptest.HEVCConfig(badSPS)), "H.265 sequence parameter set cannot be read"},
		{"Annex B", rtmptest.HEVCFrame(true, 0, []byte{0, 0, 0, 1, 0x28, 1, 2, 3, 0, 0, 0, 1, 0x28, 9, 9}), "HEVC video is Annex B (start codes); FLV wants NAL units behind their length"},
		{"a NAL unit beyond the end", rtmptest.HEVCFrame(true, 0, []byte{0, 0, 9, 0, 0x28}), "HEVC video is broken: a NAL unit of 2304 bytes where 1 are left"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, ok, err := taking(t).takeVideo(0, test.body)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %+v, %v, %v; want %q", f, ok, err, test.want)
			}
		})
	}
}

// TestHEVC_Keyframes holds where segments may begin: at IDR pictures, and at a CRA picture only where the
// publish begins with it.
func TestHEVC_Keyframes(t *testing.T) {
	t.Parallel()
	const bla = 16 << 1
	for _, test := range []struct {
		name  string
		types []byte
		want  string // K: a keyframe; p: another picture; -: left out
	}{
		{"closed GOPs", []byte{rtmptest.HEVCIDR, rtmptest.HEVCTrailing, rtmptest.HEVCIDR, rtmptest.HEVCTrailing}, "KpKp"},
		{"open GOPs", []byte{rtmptest.HEVCCRA, rtmptest.HEVCRASL, rtmptest.HEVCTrailing, rtmptest.HEVCCRA, rtmptest.HEVCRASL, rtmptest.HEVCTrailing}, "K-pKpp"},
		{"an IDR, then open GOPs", []byte{rtmptest.HEVCIDR, rtmptest.HEVCTrailing, rtmptest.HEVCCRA, rtmptest.HEVCRASL}, "KpKp"},
		{"an open GOP, then an IDR", []byte{rtmptest.HEVCCRA, rtmptest.HEVCIDR, rtmptest.HEVCRASL}, "KKp"},
		{"a splice", []byte{rtmptest.HEVCIDR, rtmptest.HEVCTrailing, bla, rtmptest.HEVCRASL, rtmptest.HEVCTrailing, rtmptest.HEVCCRA, rtmptest.HEVCRASL}, "KpK-pKp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d, got := taking(t), ""
			for i, typ := range test.types {
				f, ok, err := d.takeVideo(uint32(40*i), rtmptest.HEVCFrame(false, 0, rtmptest.HEVCUnit(typ, 5)))
				switch {
				case err != nil:
					t.Fatal(err)
				case !ok:
					got += "-"
				case f.Key:
					got += "K"
				default:
					got += "p"
				}
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestHEVC_LengthSizes(t *testing.T) {
	t.Parallel()
	d := &demuxer{h265: true}
	record := rtmptest.HEVCConfig(rtmptest.HEVCSets)
	record[21] = 0x0d // two bytes
	f, _, err := d.takeVideo(0, rtmptest.EnhancedVideo(true, rtmptest.SequenceStart, "hvc1", record))
	if err != nil || f.Payload[21]&3 != 3 {
		t.Fatalf("got %+v, %v; want a configuration of four bytes", f, err)
	}
	f, _, err = d.takeVideo(0, rtmptest.HEVCFrame(true, 0, []byte{0, 3, rtmptest.HEVCIDR, 1, 7, 0, 0, 0, 3, rtmptest.HEVCIDR, 1, 8}))
	want := []byte{0, 0, 0, 3, rtmptest.HEVCIDR, 1, 7, 0, 0, 0, 3, rtmptest.HEVCIDR, 1, 8}
	if diff := cmp.Diff(want, f.Payload); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
