package wire

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pharos-live/pharos/internal/hls"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

// errEmpty is an entry of a kind that this build does not know.
var errEmpty = errors.New("entry of no known kind")

// EncodeEvent gives an event as the bytes of a feed entry.
func EncodeEvent(e hls.Event) ([]byte, error) {
	var entry broadcastv1.Entry
	switch e := e.(type) {
	case hls.Take:
		entry.Kind = &broadcastv1.Entry_Take{Take: takeToProto(e)}
	case hls.Part:
		entry.Kind = &broadcastv1.Entry_Part{Part: partToProto(e)}
	case hls.Gap:
		entry.Kind = &broadcastv1.Entry_Gap{Gap: partToProto(hls.Part(e))}
	case hls.Close:
		entry.Kind = &broadcastv1.Entry_Close{Close: &broadcastv1.Close{
			Rendition: int32(e.Rendition), Msn: e.MSN, DurationNs: int64(e.Duration),
		}}
	case hls.Object:
		entry.Kind = &broadcastv1.Entry_Object{Object: &broadcastv1.Object{
			Rendition: int32(e.Rendition), Msn: e.MSN, Size: e.Size, Term: e.Term,
		}}
	case hls.End:
		entry.Kind = &broadcastv1.Entry_End{End: &broadcastv1.Finish{Reason: e.Reason}}
	case hls.Segment:
		entry.Kind = &broadcastv1.Entry_Segment{Segment: segmentToProto(e)}
	case hls.Poster:
		entry.Kind = &broadcastv1.Entry_Poster{Poster: posterToProto(e)}
	case hls.Sheet:
		entry.Kind = &broadcastv1.Entry_Sheet{Sheet: sheetToProto(e)}
	default:
		return nil, fmt.Errorf("encode event %T: %w", e, errEmpty)
	}
	return proto.Marshal(&entry)
}

// DecodeEvent reads the bytes of a feed entry. A kind that this build does not
// know gives a nil event and no error, so that an older reader passes over what
// a newer writer adds.
func DecodeEvent(data []byte) (hls.Event, error) {
	var entry broadcastv1.Entry
	if err := proto.Unmarshal(data, &entry); err != nil {
		return nil, fmt.Errorf("decode feed entry: %w", err)
	}
	switch k := entry.GetKind().(type) {
	case *broadcastv1.Entry_Take:
		return takeFromProto(k.Take), nil
	case *broadcastv1.Entry_Part:
		return partFromProto(k.Part), nil
	case *broadcastv1.Entry_Gap:
		return hls.Gap(partFromProto(k.Gap)), nil
	case *broadcastv1.Entry_Close:
		return hls.Close{
			Rendition: int(k.Close.GetRendition()), MSN: k.Close.GetMsn(), Duration: time.Duration(k.Close.GetDurationNs()),
		}, nil
	case *broadcastv1.Entry_Object:
		return hls.Object{
			Rendition: int(k.Object.GetRendition()), MSN: k.Object.GetMsn(), Size: k.Object.GetSize(), Term: k.Object.GetTerm(),
		}, nil
	case *broadcastv1.Entry_End:
		return hls.End{Reason: k.End.GetReason()}, nil
	case *broadcastv1.Entry_Segment:
		return segmentFromProto(k.Segment), nil
	case *broadcastv1.Entry_Poster:
		return posterFromProto(k.Poster), nil
	case *broadcastv1.Entry_Sheet:
		return sheetFromProto(k.Sheet), nil
	default:
		return nil, nil
	}
}

func takeToProto(t hls.Take) *broadcastv1.Take {
	out := &broadcastv1.Take{
		TargetDurationNs: int64(t.TargetDuration),
		PartTargetNs:     int64(t.PartTarget),
		WindowNs:         int64(t.Window),
		Anchor:           timestamppb.New(t.Anchor),
	}
	for _, r := range t.Renditions {
		out.Renditions = append(out.Renditions, &broadcastv1.Rendition{
			Name: r.Name, Kind: broadcastv1.RenditionKind(r.Kind), Codecs: r.Codecs,
			Width: int32(r.Width), Height: int32(r.Height), FrameRate: r.FrameRate,
			Bandwidth: int64(r.Bandwidth), AverageBandwidth: int64(r.AverageBandwidth),
			Channels: int32(r.Channels), SampleRate: int32(r.SampleRate),
			NextPart: r.NextPart, NextMsn: r.NextMSN, VideoRange: r.VideoRange,
		})
	}
	return out
}

func takeFromProto(t *broadcastv1.Take) hls.Take {
	out := hls.Take{
		TargetDuration: time.Duration(t.GetTargetDurationNs()),
		PartTarget:     time.Duration(t.GetPartTargetNs()),
		Window:         time.Duration(t.GetWindowNs()),
		Anchor:         t.GetAnchor().AsTime(),
	}
	for _, r := range t.GetRenditions() {
		out.Renditions = append(out.Renditions, hls.Rendition{
			Name: r.GetName(), Kind: hls.Kind(r.GetKind()), Codecs: r.GetCodecs(),
			Width: int(r.GetWidth()), Height: int(r.GetHeight()), FrameRate: r.GetFrameRate(),
			Bandwidth: int(r.GetBandwidth()), AverageBandwidth: int(r.GetAverageBandwidth()),
			Channels: int(r.GetChannels()), SampleRate: int(r.GetSampleRate()),
			NextPart: r.GetNextPart(), NextMSN: r.GetNextMsn(), VideoRange: r.GetVideoRange(),
		})
	}
	return out
}

func partToProto(p hls.Part) *broadcastv1.Part {
	return &broadcastv1.Part{
		Rendition: int32(p.Rendition), Number: p.Number, Msn: p.MSN,
		StartNs: int64(p.Start), DurationNs: int64(p.Duration),
		Independent: p.Independent, Size: p.Size, Init: p.Init,
		Discontinuity: p.Discontinuity, Term: p.Term, DiscontinuitySequence: p.DiscontinuitySequence,
	}
}

func partFromProto(p *broadcastv1.Part) hls.Part {
	return hls.Part{
		Rendition: int(p.GetRendition()), Number: p.GetNumber(), MSN: p.GetMsn(),
		Start: time.Duration(p.GetStartNs()), Duration: time.Duration(p.GetDurationNs()),
		Independent: p.GetIndependent(), Size: p.GetSize(), Init: p.GetInit(),
		Discontinuity: p.GetDiscontinuity(), Term: p.GetTerm(), DiscontinuitySequence: p.GetDiscontinuitySequence(),
	}
}

func segmentToProto(s hls.Segment) *broadcastv1.Segment {
	return &broadcastv1.Segment{
		Rendition: int32(s.Rendition), Msn: s.MSN,
		StartNs: int64(s.Start), DurationNs: int64(s.Duration), Size: s.Size,
		Init: s.Init, Discontinuity: s.Discontinuity, Gap: s.Gap, Term: s.Term, DiscontinuitySequence: s.DiscontinuitySequence,
	}
}

func segmentFromProto(s *broadcastv1.Segment) hls.Segment {
	return hls.Segment{
		Rendition: int(s.GetRendition()), MSN: s.GetMsn(),
		Start: time.Duration(s.GetStartNs()), Duration: time.Duration(s.GetDurationNs()), Size: s.GetSize(),
		Init: s.GetInit(), Discontinuity: s.GetDiscontinuity(), Gap: s.GetGap(), Term: s.GetTerm(),
		DiscontinuitySequence: s.GetDiscontinuitySequence(),
	}
}
