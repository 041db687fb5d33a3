package avc_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/avc"
)

// Parameter sets as x264 writes them: 640x360 at 30 fps, Constrained Baseline, level 3.
var (
	sps = []byte{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x58, 0xb6, 0x58}
	pps = []byte{0x68, 0xce, 0x0f, 0xc8}
)

// record holds these sets, each behind its length.
func record(spss, ppss [][]byte) []byte {
	b := []byte{1, 0x42, 0xc0, 0x1e, 0xff, 0xe0 | byte(len(spss))}
	for _, s := range spss {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	b = append(b, byte(len(ppss)))
	for _, s := range ppss {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	return b
}

func TestParse(t *testing.T) {
	t.Parallel()
	other := []byte{0x68, 0xce, 0x0f, 0xc9}
	want := avc.Config{
		Width: 640, Height: 360, FPS: 30, Profile: 0x42, Constraints: 0xc0, Level: 30,
		LengthSize: 4, SPS: sps, PPS: pps,
	}
	got, err := avc.Parse(record([][]byte{sps, sps}, [][]byte{pps, other}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := got.String(), "h264 640x360 30 fps"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParse_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := record([][]byte{sps}, [][]byte{pps})
	version := slices.Clone(good)
	version[0] = 2
	tests := []struct {
		name   string
		record []byte
		want   string
	}{
		{"nothing", nil, "cut off"},
		{"start codes", append([]byte{0, 0, 0, 1}, sps...), "Annex B"},
		{"another version", version, "version 2"},
		{"no SPS", record(nil, [][]byte{pps}), "without parameter sets"},
		{"no PPS", record([][]byte{sps}, nil), "without parameter sets"},
		{"an empty set", record([][]byte{{}}, [][]byte{pps}), "0 bytes"},
		{"an SPS of one byte", record([][]byte{{0x67}}, [][]byte{pps}), "sequence parameter set"},
		{"an SPS that is none", record([][]byte{bytes.Repeat([]byte{0xff}, 40)}, [][]byte{pps}), "sequence parameter set"},
	}
	for _, tt := range tests {
		if _, err := avc.Parse(tt.record); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one that says %q", tt.name, err, tt.want)
		}
	}
	for n := range good {
		if _, err := avc.Parse(good[:n]); err == nil {
			t.Errorf("a record cut after %d bytes was taken", n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(record([][]byte{sps}, [][]byte{pps}))
	f.Fuzz(func(t *testing.T, record []byte) {
		c, err := avc.Parse(record)
		if err != nil {
			return
		}
		if c.Width < 1 || c.Width > 16_384 || c.Height < 1 || c.Height > 16_384 || !(c.FPS >= 0 && c.FPS <= 1000) || len(c.SPS) < 4 || len(c.PPS) == 0 {
			t.Errorf("out of bounds: %+v", c)
		}
	})
}
