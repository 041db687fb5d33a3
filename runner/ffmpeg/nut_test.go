package ffmpeg_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

var h264Stream = ffmpeg.Stream{
	FourCC: "H264", Width: 1280, Height: 720, Extradata: []byte{1, 2, 3}, ReorderDepth: 2,
	TimeBase: ffmpeg.TimeBase{Num: 1, Den: ffmpeg.TimeScale},
}

// readAll reads a NUT file to its end.
func readAll(r io.Reader) (ffmpeg.Stream, []ffmpeg.Packet, error) {
	nut := ffmpeg.NewReader(r)
	s, err := nut.Stream()
	if err != nil {
		return s, nil, err
	}
	var packets []ffmpeg.Packet
	for {
		p, err := nut.Next()
		if errors.Is(err, io.EOF) {
			return s, packets, nil
		}
		if err != nil {
			return s, packets, err
		}
		packets = append(packets, p)
	}
}

func write(tb testing.TB, s ffmpeg.Stream, packets []ffmpeg.Packet) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := ffmpeg.NewWriter(&b, s)
	if err != nil {
		tb.Fatal(err)
	}
	for _, p := range packets {
		if err := w.Write(p); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestNUT_WhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	packets := []ffmpeg.Packet{
		{PTS: 0, Key: true, Data: []byte("N")}, // the first letter of start codes
		{PTS: 1, Data: bytes.Repeat([]byte{0xAB}, 4096)},
		{PTS: 6000, Data: bytes.Repeat([]byte{0xAB}, 4097)},
		{PTS: 3000, Data: []byte{0}}, // B-frames go back in time
		{PTS: ffmpeg.TimeScale * 86_400 * 400, Key: true, Data: bytes.Repeat([]byte("NK"), 200_000)},
		{PTS: 90, Data: []byte{1, 2}},
		{PTS: math.MaxInt64/2 - 1, Data: []byte{1}},
	}
	for _, s := range []ffmpeg.Stream{
		h264Stream,
		{FourCC: "H264", Width: 1280, Height: 720, FrameRate: 29.97, TimeBase: h264Stream.TimeBase, Extradata: []byte{}},
		{FourCC: "HEVC", Width: 2, Height: 2, TimeBase: h264Stream.TimeBase, Extradata: bytes.Repeat([]byte{7}, 5000)},
	} {
		file := write(t, s, packets)
		got, gotPackets, err := readAll(iotest.OneByteReader(bytes.NewReader(file)))
		if err != nil {
			t.Fatal(err)
		}
		s.FrameRate = 0 // Told to ffmpeg only.
		if diff := cmp.Diff(s, got); diff != "" {
			t.Errorf("stream (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(packets, gotPackets, cmp.Comparer(bytes.Equal)); diff != "" {
			t.Errorf("packets (-want +got):\n%.500s", diff)
		}
	}
}

// The file was made by ffmpeg 5.1.9 (libx264, -bf 2 -g 8, 30000/1001 frames per second); the table is what ffprobe
// said of it.
func TestReader_ReadsWhatFFmpegWrites(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/bframes.nut")
	if err != nil {
		t.Fatal(err)
	}
	s, packets, err := readAll(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if sps, pps, err := ffmpeg.ParameterSets(s.Extradata); err != nil || sps[0] != 0x67 || pps[0] != 0x68 {
		t.Errorf("parameter sets: got %x, %x, %v", sps, pps, err)
	}
	s.Extradata = nil
	want := ffmpeg.Stream{FourCC: "H264", Width: 64, Height: 48, ReorderDepth: 2, TimeBase: ffmpeg.TimeBase{Num: 1, Den: 60_000}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
	probed := []struct {
		pts  int64 // in 1/60000 s
		size int
		key  bool
	}{
		{4004, 1518, true},
		{10010, 41, false},
		{6006, 19, false},
		{8008, 25, false},
		{16016, 54, false},
		{12012, 15, false},
		{14014, 12, false},
		{18018, 16, false},
		{20020, 914, true},
		{26026, 23, false},
		{22022, 12, false},
		{24024, 12, false},
		{32032, 19, false},
		{28028, 14, false},
		{30030, 12, false},
		{34034, 16, false},
		{36036, 895, true},
		{42042, 37, false},
		{38038, 12, false},
		{40040, 12, false},
		{48048, 25, false},
		{44044, 14, false},
		{46046, 12, false},
		{50050, 32, false},
	}
	if got, want := len(packets), len(probed); got != want {
		t.Fatalf("got %d packets, want %d", got, want)
	}
	for i, want := range probed {
		got := packets[i]
		if got.PTS != want.pts*3/2 || len(got.Data) != want.size || got.Key != want.key {
			t.Errorf("packet %d: got %d, %d bytes, key %v; want %+v", i, got.PTS, len(got.Data), got.Key, want)
		}
		if !bytes.HasPrefix(got.Data, []byte{0, 0, 1}) && !bytes.HasPrefix(got.Data, []byte{0, 0, 0, 1}) {
			t.Errorf("packet %d begins with % x, want a start code", i, got.Data[:4])
		}
	}
}

func TestReader_EndsWithAnErrorOnBadInput(t *testing.T) {
	t.Parallel()
	good := write(t, h264Stream, []ffmpeg.Packet{{PTS: 5, Key: true, Data: []byte("data")}})
	for _, tt := range []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, io.EOF},
		{"not NUT", bytes.Repeat([]byte("flv?"), 100), ffmpeg.ErrNUT},
		{"header cut", good[:40], io.ErrUnexpectedEOF},
		{"frame cut", good[:len(good)-1], io.ErrUnexpectedEOF},
		{"header changed", flip(good, 45), ffmpeg.ErrNUT},
		{"unknown start code", append(bytes.Clone(good), "NOTASTARTCODE"...), ffmpeg.ErrNUT},
		{"invalid frame code", append(bytes.Clone(good), 200), ffmpeg.ErrNUT},
		{"frame of 16 MiB and a byte", append(bytes.Clone(good), 0, 1, 0x88, 0x80, 0x80, 0x01, 0, 0, 0, 0), ffmpeg.ErrNUT},
		{"PTS beyond 63 bits", append(bytes.Clone(good), bytes.Repeat([]byte{0xFF}, 20)...), ffmpeg.ErrNUT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nut := ffmpeg.NewReader(bytes.NewReader(tt.in))
			var err error
			for err == nil {
				_, err = nut.Next()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
			if _, again := nut.Next(); !errors.Is(again, tt.want) {
				t.Errorf("error does not stick: got %v", again)
			}
		})
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x10
	return b
}

func TestWriter_RefusesWhatNUTCannotCarry(t *testing.T) {
	t.Parallel()
	w, err := ffmpeg.NewWriter(io.Discard, h264Stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []ffmpeg.Packet{{PTS: -1, Data: []byte{1}}, {}, {Data: make([]byte, ffmpeg.MaxPacket+1)}} {
		if err := w.Write(p); err == nil {
			t.Errorf("packet of %d bytes at %d was written", len(p.Data), p.PTS)
		}
	}
	for _, s := range []ffmpeg.Stream{
		{FourCC: "H26", Width: 2, Height: 2},
		{FourCC: "H264"},
		{FourCC: "H264", Width: 2, Height: 2, ReorderDepth: 17},
	} {
		if _, err := ffmpeg.NewWriter(io.Discard, s); err == nil {
			t.Errorf("stream %+v was written", s)
		}
	}
}

// FuzzReader looks for panics, endless loops, memory taken on trust, and packets that break promises.
func FuzzReader(f *testing.F) {
	file, err := os.ReadFile("testdata/bframes.nut")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file, []byte(nil), []byte(nil))
	main, stream, rest := split(f, write(f, h264Stream, []ffmpeg.Packet{{PTS: 5, Key: true, Data: []byte("data")}, {PTS: 9, Data: []byte("x")}}))
	f.Add(rest, main, stream)
	main, stream, rest = split(f, file)
	f.Add(rest, main, stream)
	f.Fuzz(func(t *testing.T, rest, main, stream []byte) {
		in := rest
		if main != nil || stream != nil {
			// Headers get valid checksums, without which the fuzzer would not come past them.
			in = ffmpeg.PutPacket([]byte(ffmpeg.NUTID), ffmpeg.StartMain, main)
			in = ffmpeg.PutPacket(in, ffmpeg.StartStream, stream)
			in = append(in, rest...)
		}
		_, packets, err := readAll(bytes.NewReader(in))
		if err != nil && !errors.Is(err, ffmpeg.ErrNUT) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error of another kind: %v", err)
		}
		total := 0
		for _, p := range packets {
			if p.PTS < 0 || len(p.Data) == 0 || len(p.Data) > ffmpeg.MaxPacket {
				t.Errorf("packet of %d bytes at %d", len(p.Data), p.PTS)
			}
			total += len(p.Data)
		}
		// An elision header of at most 255 bytes may stand in for bytes of the input, once a frame.
		if total > len(in)+255*len(packets) {
			t.Errorf("%d bytes in, %d bytes out", len(in), total)
		}
	})
}

// split takes a NUT file apart into the payloads of its two headers, and what follows. Both are short.
func split(tb testing.TB, file []byte) (main, stream, rest []byte) {
	tb.Helper()
	rest = file[len(ffmpeg.NUTID):]
	next := func() []byte {
		n, at := 0, 8
		for ; rest[at]&0x80 != 0; at++ {
			n = n<<7 | int(rest[at]&0x7F)
		}
		n = n<<7 | int(rest[at])
		payload := rest[at+1 : at+1+n-4]
		rest = rest[at+1+n:]
		return payload
	}
	return next(), next(), rest
}
