package wire_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/wire"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

func TestEventsCrossTheWireWhole(t *testing.T) {
	t.Parallel()
	part := hls.Part{
		Rendition: 2, Number: 17, MSN: 3, Start: 6 * time.Second, Duration: 333 * time.Millisecond,
		Independent: true, Size: 12345, Init: "0123456789abcdef", Discontinuity: true, Term: 1795334400000,
		DiscontinuitySequence: 5,
	}
	events := []hls.Event{
		hls.Take{
			Renditions: []hls.Rendition{
				{
					Name: "source", Kind: hls.Video, Codecs: "avc1.64001f", Width: 1280, Height: 720, FrameRate: 60,
					Bandwidth: 6_000_000, AverageBandwidth: 5_000_000, NextPart: 7, NextMSN: 2,
				},
				{Name: "audio", Kind: hls.Audio, Codecs: "mp4a.40.2", Bandwidth: 160_000, Channels: 2, SampleRate: 48000},
				{Name: "2160p60-h265", Kind: hls.Video, VideoRange: "PQ"},
			},
			TargetDuration: 4 * time.Second, PartTarget: 350 * time.Millisecond, Window: 15 * time.Minute,
			Anchor: time.Date(2026, 11, 22, 8, 0, 0, 123_000_000, time.UTC),
		},
		part,
		hls.Gap(part),
		hls.Close{Rendition: 1, MSN: 9, Duration: 2 * time.Second},
		hls.Object{Rendition: 1, MSN: 9, Size: 4711, Term: 12},
		hls.End{Reason: "the streamer stopped"},
		hls.Segment{
			Rendition: 1, MSN: 9, Start: 18 * time.Second, Duration: 2 * time.Second, Size: 4711,
			Init: "00ff", Discontinuity: true, Gap: true, Term: 12, DiscontinuitySequence: 5,
		},
	}
	for _, want := range events {
		data, err := wire.EncodeEvent(want)
		if err != nil {
			t.Fatalf("encode %T: %v", want, err)
		}
		got, err := wire.DecodeEvent(data)
		if err != nil {
			t.Fatalf("decode %T: %v", want, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%T changed on the way (-want +got):\n%s", want, diff)
		}
	}
}

func TestUnknownKindIsPassedOver(t *testing.T) {
	t.Parallel()
	data, err := proto.Marshal(&broadcastv1.Entry{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.DecodeEvent(data)
	if got != nil || err != nil {
		t.Errorf("got %v, %v; want nothing and no error", got, err)
	}
	if _, err := wire.DecodeEvent([]byte{0xff}); err == nil {
		t.Error("garbage was decoded without an error")
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, e := range []hls.Event{hls.End{Reason: "x"}, hls.Part{Number: 1}, hls.Take{Renditions: []hls.Rendition{{Name: "a"}}}} {
		data, err := wire.EncodeEvent(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := wire.DecodeEvent(data)
		if err != nil || e == nil {
			return
		}
		again, err := wire.EncodeEvent(e)
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		back, err := wire.DecodeEvent(again)
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Errorf("changed on the way (-first +second):\n%s", diff)
		}
	})
}
