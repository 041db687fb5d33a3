package ingest

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/ingest/rtmptest"
	"github.com/pharos-live/pharos/internal/hevc"
)

// join puts byte slices together in memory of their own.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestDemuxer_Refuses(t *testing.T) {
	t.Parallel()
	ready := func() *demuxer {
		d := &demuxer{}
		for _, body := range [][]byte{rtmptest.VideoConfig()} {
			if _, _, err := d.takeVideo(0, body); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := d.takeAudio(0, rtmptest.AudioConfig()); err != nil {
			t.Fatal(err)
		}
		return d
	}
	nal := func(b ...byte) []byte { return join([]byte{0x17, 1, 0, 0, 0}, b) }
	config := func(b ...byte) []byte { return join([]byte{0x17, 0, 0, 0, 0}, b) }
	badSPS := rtmptest.AVCConfig([]byte{0x67, 0x64, 0, 0x1f, 0xff}, rtmptest.PPS)
	for _, test := range []struct {
		name string
		kind Kind
		body []byte
		want string
	}{
		{"Sorenson", Video, []byte{0x12}, "video codec Sorenson H.263 is not supported; set the encoder to H.264"},
		{"VP6", Video, []byte{0x14}, "video codec On2 VP6 is not supported; set the encoder to H.264"},
		{"HEVC as id 12", Video, []byte{0x1c, 0, 0, 0, 0}, "video codec HEVC is not taken by this server: set the encoder to H.264, or set SUPPORTS_H265=true on the server"},
		{"HEVC", Video, []byte("\x90hvc1"), "video codec HEVC is not taken by this server: set the encoder to H.264, or set SUPPORTS_H265=true on the server"},
		{"AV1", Video, []byte("\x91av01"), "video codec AV1 is not supported; set the encoder to H.264"},
		{"VP9", Video, []byte("\xa1vp09"), "video codec VP9 is not supported; set the encoder to H.264"},
		{"an unheard-of FourCC", Video, []byte("\x90\x00\x01\x02\x03"), `video codec "\x00\x01\x02\x03" is not supported; set the encoder to H.264`},
		{"multitrack video", Video, []byte("\x96avc1"), "enhanced RTMP multitrack is not supported; send one H.264 video track"},
		{"enhanced video cut off", Video, []byte("\x90avc"), "enhanced RTMP video tag of 4 bytes is cut off"},
		{"video cut off", Video, []byte{0x17, 1}, "H.264 video tag of 2 bytes is cut off"},

		{"MP3", Audio, []byte{0x2f}, "audio codec MP3 is not supported; set the encoder to AAC"},
		{"Speex", Audio, []byte{0xb2}, "audio codec Speex is not supported; set the encoder to AAC"},
		{"Nellymoser", Audio, []byte{0x52}, "audio codec Nellymoser is not supported; set the encoder to AAC"},
		{"G.711", Audio, []byte{0x72}, "audio codec G.711 A-law is not supported; set the encoder to AAC"},
		{"PCM", Audio, []byte{0x3e}, "audio codec PCM is not supported; set the encoder to AAC"},
		{"Opus", Audio, []byte("\x90Opus"), "audio codec Opus is not supported; set the encoder to AAC"},
		{"multitrack audio", Audio, []byte("\x95mp4a"), "enhanced RTMP multitrack is not supported; send one AAC audio track"},
		{"audio cut off", Audio, []byte{0xaf}, "AAC audio tag of 1 byte is cut off"},

		{"sequence header as Annex B", Video, config(0, 0, 0, 1, 0x67, 0, 0, 0, 0), "the AVC sequence header is Annex B (start codes), not an AVCDecoderConfigurationRecord"},
		{"sequence header cut off", Video, config(1, 2, 3), "AVC sequence header of 3 bytes is cut off"},
		{"sequence header of version 2", Video, config(2, 0, 0, 0, 0, 0, 0), "AVC sequence header of version 2, not 1"},
		{"parameter set beyond the end", Video, config(1, 100, 0, 31, 0xff, 0xe1, 0xff, 0xff, 0x67), "AVC sequence header with a parameter set of 65535 bytes where 1 are left"},
		{"no parameter sets", Video, config(1, 100, 0, 31, 0xff, 0xe0, 0), "AVC sequence header without parameter sets"},
		{"no picture parameter sets", Video, config(1, 100, 0, 31, 0xff, 0xe1, 0, 1, 0x67), "AVC sequence header is cut off before its picture parameter sets"},
		{"broken SPS", Video, config(badSPS...), "H.264 sequence parameter set cannot be read: not enough bits"},
		{"Annex B", Video, nal(0, 0, 0, 1, 0x65, 1, 2, 3, 0, 0, 0, 1, 0x65, 9, 9), "H.264 video is Annex B (start codes); FLV wants NAL units behind their length"},
		{"short start code", Video, nal(0, 0, 1, 0x65, 1, 2, 3), "H.264 video is Annex B (start codes); FLV wants NAL units behind their length"},
		{"NAL unit beyond the end", Video, nal(0, 0, 9, 0, 0x65), "H.264 video is broken: a NAL unit of 2304 bytes where 1 are left"},
		{"length cut off", Video, nal(0, 0, 0, 2, 0x65, 1, 0, 0), "H.264 video is broken: 2 bytes are left where a NAL unit's length should be"},
		{"composition offset of an hour", Video, rtmptest.Picture(true, 3_600_000, 10), "composition offset of 3600000 ms"},

		{"xHE-AAC", Audio, []byte{0xaf, 0, 0xf9, 0x46}, "AAC AudioSpecificConfig cannot be read: unsupported object type: 31; set the encoder to AAC-LC"},
		{"empty AudioSpecificConfig", Audio, []byte{0xaf, 0}, "AAC AudioSpecificConfig cannot be read: not enough bits; set the encoder to AAC-LC"},
		{"channels of its own", Audio, []byte{0xaf, 0, 0x11, 0x80}, "AAC with a channel layout of its own is not supported; set the encoder to stereo"},
		{"ADTS", Audio, []byte{0xaf, 1, 0xff, 0xf1, 0x50, 0x80, 1, 2, 3, 4}, "AAC audio has ADTS headers; FLV wants raw frames"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			take := ready().takeVideo
			if test.kind == Audio {
				take = ready().takeAudio
			}
			_, ok, err := take(0, test.body)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, %v; want %q", ok, err, test.want)
			}
		})
	}
}

func TestDemuxer_NothingInIt(t *testing.T) {
	t.Parallel()
	d := &demuxer{}
	for _, test := range []struct {
		name string
		take func(uint32, []byte) (Frame, bool, error)
		body []byte
	}{
		{"empty video", d.takeVideo, nil},
		{"empty audio", d.takeAudio, nil},
		{"command frame", d.takeVideo, []byte{0x57, 0}},
		{"enhanced command frame", d.takeVideo, []byte("\xd1avc1\x00")},
		{"end of sequence", d.takeVideo, []byte{0x17, 2, 0, 0, 0}},
		{"video without its configuration", d.takeVideo, rtmptest.Picture(true, 0, 9)},
		{"audio without its configuration", d.takeAudio, rtmptest.Sound(9)},
		{"enhanced metadata", d.takeVideo, []byte("\x94avc1\x02")},
	} {
		if f, ok, err := test.take(0, test.body); ok || err != nil {
			t.Errorf("%s: got %+v, %v", test.name, f, err)
		}
	}
}

func TestDemuxer_EnhancedAVC1(t *testing.T) {
	t.Parallel()
	d := &demuxer{}
	config := join([]byte("\x90avc1"), rtmptest.AVCConfig(rtmptest.SPS, rtmptest.PPS))
	f, ok, err := d.takeVideo(0, config)
	if err != nil || !ok || !f.Config {
		t.Fatalf("got %+v, %v, %v", f, ok, err)
	}
	f, ok, err = d.takeVideo(40, join([]byte("\x91avc1"), []byte{0xff, 0xff, 0xd8}, rtmptest.NALU(0x65, 5)))
	if err != nil || !ok || !f.Key || f.CTS != -40*90 {
		t.Errorf("got %+v, %v, %v", f, ok, err)
	}
	f, ok, err = d.takeVideo(80, join([]byte("\xa3avc1"), rtmptest.NALU(0x41, 5)))
	if err != nil || !ok || f.Key || f.CTS != 0 || f.DTS != 80*90 {
		t.Errorf("got %+v, %v, %v", f, ok, err)
	}
	if f, ok, err = d.takeVideo(80, []byte("\x91avc1")); err == nil {
		t.Errorf("a cut-off tag gave %+v, %v", f, ok)
	}
}

// TestDemuxer_LengthSizes holds that NAL unit lengths of any size become four bytes, in the
// configuration too, and that empty units go.
func TestDemuxer_LengthSizes(t *testing.T) {
	t.Parallel()
	for size := 1; size <= 4; size++ {
		d := &demuxer{}
		record := rtmptest.AVCConfig(rtmptest.SPS, rtmptest.PPS)
		record[4] = 0xfc | byte(size-1)
		f, _, err := d.takeVideo(0, join([]byte{0x17, 0, 0, 0, 0}, record))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Payload[4] & 3; got != 3 {
			t.Errorf("size %d: configuration says %d", size, got+1)
		}
		length := func(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n))[4-size:] }
		data := join([]byte{0x17, 1, 0, 0, 0}, length(2), []byte{6, 9}, length(0), length(3), []byte{0x65, 1, 2})
		f, ok, err := d.takeVideo(0, data)
		if err != nil || !ok || !f.Key {
			t.Fatalf("size %d: got %+v, %v, %v", size, f, ok, err)
		}
		want := []byte{0, 0, 0, 2, 6, 9, 0, 0, 0, 3, 0x65, 1, 2}
		if diff := cmp.Diff(want, f.Payload); diff != "" {
			t.Errorf("size %d: payload (-want +got):\n%s", size, diff)
		}
	}
}

func TestDemuxer_ConfigsOnce(t *testing.T) {
	t.Parallel()
	d := &demuxer{}
	other := join(rtmptest.PPS, []byte{0x80})
	var got []bool
	for _, body := range [][]byte{
		rtmptest.VideoConfig(), rtmptest.VideoConfig(),
		join([]byte{0x17, 0, 0, 0, 0}, rtmptest.AVCConfig(rtmptest.SPS, other)), rtmptest.VideoConfig(),
	} {
		_, ok, err := d.takeVideo(0, body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ok)
	}
	for _, body := range [][]byte{rtmptest.AudioConfig(), rtmptest.AudioConfig(), {0xaf, 0, 0x12, 0x10}} {
		_, ok, err := d.takeAudio(0, body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ok)
	}
	if diff := cmp.Diff([]bool{true, false, true, true, true, false, true}, got); diff != "" {
		t.Errorf("passed on (-want +got):\n%s", diff)
	}
}

func TestParseAudioConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		asc  []byte
		want AudioConfig
	}{
		{[]byte{0x11, 0x90}, AudioConfig{48000, 2}},
		{[]byte{0x12, 0x10}, AudioConfig{44100, 2}},
		{[]byte{0x11, 0x88}, AudioConfig{48000, 1}},
		{[]byte{0x11, 0xb8}, AudioConfig{48000, 8}},
		{[]byte{0x12, 0x10, 0x56, 0xe5, 0x00}, AudioConfig{44100, 2}}, // with a sync extension
	} {
		got, err := ParseAudioConfig(test.asc)
		if err != nil || got != test.want {
			t.Errorf("%x: got %+v, %v; want %+v", test.asc, got, err, test.want)
		}
	}
}

func TestParseMetadata(t *testing.T) {
	t.Parallel()
	got, err := parseMetadata(rtmptest.AMF0("onMetaData", map[string]any{
		"width": 1280.0, "height": 720.0, "framerate": 30.0, "videodatarate": 2500.0, "audiodatarate": 160.0, "encoder": "Lavf",
	}))
	want := metadata{1280, 720, 30, 2500, 160, "Lavf"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if got, err := parseMetadata(rtmptest.AMF0("onMetaData", "no object")); err != nil || got != (metadata{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// FuzzFLV feeds tags: each is a kind (bit 0: audio; bit 1 of the first: HEVC is taken), a length of two
// bytes, a step in ms, and the body.
func FuzzFLV(f *testing.F) {
	tag := func(kind, step byte, body []byte) []byte {
		return join([]byte{kind, byte(len(body) >> 8), byte(len(body)), step}, body)
	}
	f.Add(join(tag(0, 0, rtmptest.VideoConfig()), tag(1, 0, rtmptest.AudioConfig()),
		tag(0, 40, rtmptest.Picture(true, 80, 40)), tag(1, 21, rtmptest.Sound(20)), tag(0, 200, rtmptest.Picture(false, -5, 9))))
	f.Add(join(tag(0, 0, join([]byte("\x90avc1"), rtmptest.AVCConfig(rtmptest.SPS, rtmptest.PPS))),
		tag(0, 0, join([]byte("\x93avc1"), rtmptest.NALU(0x65, 8)))))
	f.Add(tag(0, 0, []byte("\x90hvc1")))
	f.Add(join(tag(2, 0, rtmptest.HEVCStart()), tag(2, 40, rtmptest.HEVCFrame(true, 80, rtmptest.HEVCUnit(rtmptest.HEVCCRA, 9))),
		tag(2, 40, rtmptest.HEVCFrame(false, 0, rtmptest.HEVCUnit(rtmptest.HEVCRASL, 9))), tag(2, 40, rtmptest.HEVCFrame(false, 0, rtmptest.HEVCUnit(rtmptest.HEVCTrailing, 9)))))
	f.Add(tag(1, 0, []byte("\x90mp4a\x11\x90")))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := &demuxer{h265: len(in) > 0 && in[0]&2 != 0}
		var last [Audio + 1]int64
		for now := uint32(0); len(in) >= 4; {
			n := min(int(in[1])<<8|int(in[2]), len(in)-4)
			now += uint32(int8(in[3]))
			take := d.takeVideo
			if in[0]&1 != 0 {
				take = d.takeAudio
			}
			frame, ok, err := take(now, in[4:4+n])
			in = in[4+n:]
			if err != nil {
				if err.Error() == "" || len(err.Error()) > 400 {
					t.Fatalf("error text %q", err)
				}
				return // final
			}
			if !ok {
				continue
			}
			checkFrame(t, frame, &last)
		}
	})
}

// checkFrame holds what every frame promises.
func checkFrame(t testing.TB, f Frame, last *[Audio + 1]int64) {
	t.Helper()
	if f.DTS < last[f.Kind] || f.DTS < 0 {
		t.Fatalf("decode time %d after %d", f.DTS, last[f.Kind])
	}
	last[f.Kind] = f.DTS
	if len(f.Payload) == 0 {
		t.Fatal("frame without a payload")
	}
	switch {
	case f.Config && f.Codec == CodecH265:
		if c, err := hevc.Parse(f.Payload); err != nil || c.Width <= 0 || len(c.PPS) == 0 || c.LengthSize != 4 {
			t.Fatalf("configuration %+v, %v", c, err)
		}
	case f.Config && f.Kind == Video:
		if c, err := ParseVideoConfig(f.Payload); err != nil || c.Width <= 0 || len(c.PPS) == 0 {
			t.Fatalf("configuration %+v, %v", c, err)
		}
	case f.Config:
		if c, err := ParseAudioConfig(f.Payload); err != nil || c.Channels == 0 {
			t.Fatalf("configuration %+v, %v", c, err)
		}
	case f.Kind == Video:
		rest := f.Payload
		for len(rest) > 4 && int(binary.BigEndian.Uint32(rest)) <= len(rest)-4 {
			rest = rest[4+binary.BigEndian.Uint32(rest):]
		}
		if len(rest) != 0 {
			t.Fatalf("%d bytes behind the NAL units", len(rest))
		}
	}
}

func TestRedactKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"news_abcdef":     "news_***",
		"my_news_ab_cdef": "my_***",
		"secretonly":      "***",
		"":                "***",
	} {
		if got := RedactKey(key); got != want {
			t.Errorf("RedactKey(%q) = %q, want %q", key, got, want)
		}
	}
	if got := RedactKey(strings.Repeat("x", 999) + "_y"); len(got) > 80 {
		t.Errorf("a long key stays %d bytes long", len(got))
	}
}
