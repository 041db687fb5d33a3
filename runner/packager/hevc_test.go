package packager_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/hevc"
	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/runner/packager"
)

// Records as ffmpeg writes them for x265: 1280x720 at 30 fps, and 640x360 at 50 fps, Main 10, with SEI.
var (
	hevc720 = unhex("0101600000009000000000005df000fcfdf8f800000f03" +
		"a00001001840010c01ffff01600000030090000003000003005dba0240" +
		"a10001002942010101600000030090000003000003005da00280802d165ba4a4c2f0168080000003008000000f04" +
		"a2000100064401c0718312")
	hevc360 = unhex("0102200000009000000000005af000fcfdfafa00000f04" +
		"a00001001840010c01ffff02200000030090000003000003005a959409" +
		"a10001002f42010102200000030090000003000003005aa005020171f2b6595952930bc05a848804820000030002000003006410" +
		"a2000100064401c073c189" +
		"27000200094e01900403e8019080001e4e01891833c286c41d4c0bb884d03e803d13404200989680000003000180")
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// TestPackager_H265 packages a source and a rung in H.265 beside one in H.264.
func TestPackager_H265(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracks := packager.Tracks{
			Source: &packager.Video{Record: hevc720}, ListSource: true,
			Rungs: []packager.Rung{
				{Name: "360p50", Width: 640, Height: 360, FrameRate: 50, Bitrate: 600_000},
				{Name: "360p50-h265", Width: 640, Height: 360, FrameRate: 50, Bitrate: 360_000},
			},
		}
		store := newStore()
		p, err := packager.New(testConfig(), tracks, store, silentOptions())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.SetRung(0, testSPS, testPPS); err != nil {
			t.Fatal(err)
		}
		if err := p.SetRungH265(1, hevc360); err != nil {
			t.Fatal(err)
		}
		<-p.Ready()
		var got []string
		for _, r := range p.Renditions() {
			got = append(got, r.Name+" "+r.Codecs)
		}
		want := []string{"source hvc1.1.6.L93.90", "360p50 avc1.64000c", "360p50-h265 hvc1.2.4.L90.90", "audio mp4a.40.2"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("renditions (-want +got):\n%s", diff)
		}
		if r := p.Renditions()[0]; r.Width != 1280 || r.Height != 720 || r.FrameRate != 30 {
			t.Errorf("source: got %+v", r)
		}
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		p.Start()
		for i := range int64(90) {
			s := packager.Sample{DTS: i * 3000, PTS: i * 3000, Key: i%60 == 0, Data: payload(int(i), 100)}
			if err := p.Source(s); err != nil {
				t.Fatal(err)
			}
		}
		p.End()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		checkInit(t, store, "source", hevc720)
		for name, err := range map[string]error{
			"SetRungH265": p.SetRungH265(1, hevc360), "SetSourceH265": p.SetSourceH265(hevc360),
		} {
			if err == nil {
				t.Errorf("%s after the end was taken", name)
			}
		}
	})
}

// checkInit reads a rendition's init section: by mediacommon, and its hvcC byte for byte.
func checkInit(t *testing.T, s *store, rendition string, record []byte) {
	t.Helper()
	var init []byte
	for _, key := range s.keys() {
		if strings.HasPrefix(key, "b/"+rendition+"/init-") {
			init, _ = s.get(key)
		}
	}
	at := bytes.Index(init, []byte("hvcC"))
	if at < 0 || !bytes.Contains(init, []byte("hvc1")) {
		t.Fatalf("no hvc1 or hvcC in the init section of %s", rendition)
	}
	size := int(binary.BigEndian.Uint32(init[at-4:]))
	c, err := hevc.Parse(record)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.Record(), init[at+4:at-4+size]); diff != "" {
		t.Errorf("hvcC of %s (-want +got):\n%s", rendition, diff)
	}
	var parsed fmp4.Init
	if err := parsed.Unmarshal(bytes.NewReader(init)); err != nil {
		t.Fatal(err)
	}
	got, ok := parsed.Tracks[0].Codec.(*codecs.H265)
	if !ok || !bytes.Equal(got.VPS, c.VPS[0]) || !bytes.Equal(got.SPS, c.SPS[0]) || !bytes.Equal(got.PPS, c.PPS[0]) {
		t.Errorf("init section of %s has the codec %+v", rendition, parsed.Tracks[0].Codec)
	}
}

// TestPackager_H265SetsChange begins a segment with a discontinuity and another init section, larger than
// mediacommon would make it.
func TestPackager_H265SetsChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, packager.Tracks{Source: &packager.Video{Record: hevc720}, ListSource: true}, nil, nil)
		for i := range int64(120) {
			if i == 60 {
				if err := r.p.SetSourceH265(slices.Clone(hevc360)); err != nil {
					t.Fatal(err)
				}
			}
			if i == 90 { // the same again
				if err := r.p.SetSourceH265(hevc360); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.p.Source(packager.Sample{DTS: i * 3000, PTS: i * 3000, Key: i%30 == 0, Data: payload(int(i), 100)}); err != nil {
				t.Fatal(err)
			}
		}
		r.finish()
		parts, _ := r.parts(0)
		inits := map[string]bool{}
		for _, p := range parts {
			inits[p.Init] = p.Discontinuity
		}
		if len(inits) != 2 || inits[parts[0].Init] || !inits[parts[len(parts)-1].Init] {
			t.Fatalf("init sections and discontinuities: %v", inits)
		}
		body, _ := r.store.get(hls.InitKey("b", "source", parts[len(parts)-1].Init))
		c, err := hevc.Parse(hevc360)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(body, c.Record()) {
			t.Error("the second init section lacks the second record")
		}
		var parsed fmp4.Init
		if err := parsed.Unmarshal(bytes.NewReader(body)); err != nil {
			t.Error(err)
		}
	})
}

func TestPackager_RefusesWhatIsNoH265(t *testing.T) {
	t.Parallel()
	_, err := packager.New(testConfig(), packager.Tracks{Source: &packager.Video{Record: hevc720[:30]}, ListSource: true}, newStore(), silentOptions())
	if err == nil {
		t.Error("a record that is cut off was taken")
	}
}
