package hevc_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hevc"
)

// Parameter sets as x265 writes them: 1280x720 at 30 fps, Main, level 3.1; and 640x360 at 50 fps,
// Main 10, PQ, with two SEI about the mastering display.
var (
	vps = unhex("40010c01ffff01600000030090000003000003005dba0240")
	sps = unhex("42010101600000030090000003000003005da00280802d165ba4a4c2f0168080000003008000000f04")
	pps = unhex("4401c0718312")

	vpsPQ   = unhex("40010c01ffff02200000030090000003000003005a959409")
	spsPQ   = unhex("42010102200000030090000003000003005aa005020171f2b6595952930bc05a848804820000030002000003006410")
	ppsPQ   = unhex("4401c073c189")
	light   = unhex("4e01900403e8019080")
	display = unhex("4e01891833c286c41d4c0bb884d03e803d13404200989680000003000180")
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// array is one of a record's, of a kind of NAL unit.
func array(kind byte, sets ...[]byte) []byte {
	b := []byte{kind, byte(len(sets) >> 8), byte(len(sets))}
	for _, s := range sets {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	return b
}

// record has these arrays, and a header with nothing right in it but the version, and lengths of four bytes.
func record(arrays ...[]byte) []byte {
	b := append([]byte{1}, bytes.Repeat([]byte{0xff}, 21)...)
	b = append(b, byte(len(arrays)))
	return append(b, bytes.Join(arrays, nil)...)
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		record []byte
		want   hevc.Config
		codec  string
		text   string
	}{
		{
			"Main", record(array(32, vps), array(33, sps), array(34, pps)),
			hevc.Config{
				Width: 1280, Height: 720, DisplayWidth: 1280, FPS: 30, Transfer: hevc.TransferUnspecified,
				Profile: 1, Compatibility: 0x60000000, Constraints: [6]byte{0x90}, Level: 93,
				Chroma: 1, LumaDepth: 8, ChromaDepth: 8, Layers: 1, Nested: true,
				LengthSize: 4, VPS: [][]byte{vps}, SPS: [][]byte{sps}, PPS: [][]byte{pps},
			},
			"hvc1.1.6.L93.90", "h265 1280x720 30 fps",
		},
		{
			"Main 10 in PQ, two PPS, sets in another order, SEI", record(array(39, light, display), array(0x80|34, ppsPQ, pps), array(33, spsPQ), array(32, vpsPQ)),
			hevc.Config{
				Width: 640, Height: 360, DisplayWidth: 640, FPS: 50, Transfer: 16,
				Profile: 2, Compatibility: 0x20000000, Constraints: [6]byte{0x90}, Level: 90,
				Chroma: 1, LumaDepth: 10, ChromaDepth: 10, Layers: 1, Nested: true,
				LengthSize: 4, VPS: [][]byte{vpsPQ}, SPS: [][]byte{spsPQ}, PPS: [][]byte{ppsPQ, pps}, SEI: [][]byte{light, display},
			},
			"hvc1.2.4.L90.90", "h265 640x360 50 fps",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := hevc.Parse(tt.record)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Codec() != tt.codec || got.String() != tt.text {
				t.Errorf("got %q and %q, want %q and %q", got.Codec(), got, tt.codec, tt.text)
			}
			again, err := hevc.Parse(got.Record())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, again); diff != "" {
				t.Errorf("written and read again (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRecord_IsWhatFFmpegWrites compares with the record of an MP4 file that ffmpeg made of the same sets.
func TestRecord_IsWhatFFmpegWrites(t *testing.T) {
	t.Parallel()
	want := unhex("0101600000009000000000005df000fcfdf8f800000f03" +
		"a00001001840010c01ffff01600000030090000003000003005dba0240" +
		"a10001002942010101600000030090000003000003005da00280802d165ba4a4c2f0168080000003008000000f04" +
		"a2000100064401c0718312")
	c, err := hevc.New([][]byte{vps}, [][]byte{sps}, [][]byte{pps})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, c.Record()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCodec(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]hevc.Config{
		"hvc1.1.6.L93.B0":         {Profile: 1, Compatibility: 0x60000000, Level: 93, Constraints: [6]byte{0xb0}},
		"hvc1.2.4.H150":           {Profile: 2, Compatibility: 0x20000000, Level: 150, HighTier: true},
		"hvc1.A4.10.L120.BD.0.8":  {ProfileSpace: 1, Profile: 4, Compatibility: 0x08000000, Level: 120, Constraints: [6]byte{0xbd, 0, 8}},
		"hvc1.1.60000000.L30.0.1": {Profile: 1, Compatibility: 0x00000006, Level: 30, Constraints: [6]byte{0, 1}},
	} {
		if got := c.Codec(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParse_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := record(array(32, vps), array(33, sps), array(34, pps))
	version := slices.Clone(good)
	version[0] = 2
	for _, tt := range []struct {
		name   string
		record []byte
		want   string
	}{
		{"nothing", nil, "HEVC sequence header of 0 bytes is cut off"},
		{"start codes", append([]byte{0, 0, 0, 1}, sps...), "Annex B"},
		{"another version", version, "version 2, not 1"},
		{"H.264's", unhex("0164001fffe1001c6764001facd9405005bb016a020202800000030080"), "HEVC sequence header, array 2 of 2: it is cut off"},
		{"no VPS", record(array(33, sps), array(34, pps)), "0 VPS, 1 SPS and 1 PPS"},
		{"no SPS", record(array(32, vps), array(34, pps)), "1 VPS, 0 SPS and 1 PPS"},
		{"no PPS", record(array(32, vps), array(33, sps)), "1 VPS, 1 SPS and 0 PPS"},
		{"an empty set", record(array(32, vps), array(33, nil)), "array 2 of 2: a parameter set of 0 bytes"},
		{"a set beyond the end", good[:len(good)-1], "array 3 of 3: a parameter set of 6 bytes where 5 are left"},
		{"65 PPS", record(array(32, vps), array(33, sps), array(34, slices.Repeat([][]byte{pps}, 65)...)), "65 parameter sets of a kind"},
		{"an SPS of two bytes", record(array(32, vps), array(33, sps[:2]), array(34, pps)), "H.265 sequence parameter set cannot be read"},
		{"an SPS that is cut off", record(array(32, vps), array(33, sps[:20]), array(34, pps)), "H.265 sequence parameter set cannot be read"},
		{"an SPS of nothing but ones", record(array(32, vps), array(33, append([]byte{0x42, 1}, bytes.Repeat([]byte{0xff}, 60)...)), array(34, pps)), "H.265 sequence parameter set"},
	} {
		c, err := hevc.Parse(tt.record)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one that says %q", tt.name, err, tt.want)
		}
		if diff := cmp.Diff(hevc.Config{}, c); diff != "" {
			t.Errorf("%s: something came with the error:\n%s", tt.name, diff)
		}
	}
	for n := range good {
		if _, err := hevc.Parse(good[:n]); err == nil {
			t.Errorf("a record cut after %d bytes was taken", n)
		}
	}
}

func TestFromAnnexB(t *testing.T) {
	t.Parallel()
	long, short := []byte{0, 0, 0, 1}, []byte{0, 0, 1}
	stream := bytes.Join([][]byte{nil, vps, sps, pps, {0x26, 1, 0xaf}}, long)
	c, err := hevc.FromAnnexB(bytes.Replace(stream, long, short, 2))
	if err != nil {
		t.Fatal(err)
	}
	want, err := hevc.New([][]byte{vps}, [][]byte{sps}, [][]byte{pps})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, in := range map[string][]byte{
		"nothing":             nil,
		"no PPS":              bytes.Join([][]byte{nil, vps, sps}, long),
		"a set of 64 KiB":     bytes.Join([][]byte{nil, vps, sps, append(bytes.Clone(pps), bytes.Repeat([]byte{7}, 65_536)...)}, long),
		"sets without starts": bytes.Join([][]byte{vps, sps, pps}, nil),
	} {
		if _, err := hevc.FromAnnexB(in); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestPictureOf(t *testing.T) {
	t.Parallel()
	want := map[hevc.Picture][]byte{
		hevc.Trailing: {0, 1, 2, 3, 4, 5}, hevc.RADL: {6, 7}, hevc.RASL: {8, 9},
		hevc.BLA: {16, 17, 18}, hevc.IDR: {19, 20}, hevc.CRA: {21},
	}
	of := map[byte]hevc.Picture{}
	for picture, types := range want {
		for _, n := range types {
			of[n] = picture
		}
	}
	for n := range byte(64) {
		nalu := []byte{n << 1, 1}
		if got := hevc.PictureOf(nalu); got != of[n] {
			t.Errorf("type %d: got picture %d, want %d", n, got, of[n])
		}
		if got, want := hevc.ParameterSet(nalu), n >= 32 && n <= 34; got != want {
			t.Errorf("type %d: parameter set is %v, want %v", n, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(record(array(32, vps), array(33, sps), array(34, pps)))
	f.Add(record(array(39, light, display), array(34, ppsPQ, pps), array(33, spsPQ), array(32, vpsPQ)))
	f.Fuzz(func(t *testing.T, record []byte) {
		c, err := hevc.Parse(record)
		if err != nil {
			return
		}
		for _, side := range []int{c.Width, c.Height, c.DisplayWidth} {
			if side < 1 || side > 16_384 {
				t.Errorf("%d pixels", side)
			}
		}
		if !(c.FPS >= 0 && c.FPS <= 1000) || c.LengthSize < 1 || c.LengthSize > 4 || !strings.HasPrefix(c.Codec(), "hvc1.") {
			t.Errorf("out of bounds: %+v", c)
		}
		again, err := hevc.Parse(c.Record())
		c.LengthSize = 4
		if diff := cmp.Diff(c, again); err != nil || diff != "" {
			t.Errorf("written and read again: %v (-want +got):\n%s", err, diff)
		}
	})
}
