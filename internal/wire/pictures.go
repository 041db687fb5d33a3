package wire

import (
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
)

func posterToProto(p hls.Poster) *broadcastv1.Poster {
	return &broadcastv1.Poster{
		Number: p.Number, AtNs: int64(p.At), Width: int32(p.Width), Height: int32(p.Height), Size: p.Size, Term: p.Term,
	}
}

func posterFromProto(p *broadcastv1.Poster) hls.Poster {
	return hls.Poster{
		Number: p.GetNumber(), At: time.Duration(p.GetAtNs()),
		Width: int(p.GetWidth()), Height: int(p.GetHeight()), Size: p.GetSize(), Term: p.GetTerm(),
	}
}

func sheetToProto(s hls.Sheet) *broadcastv1.Sheet {
	return &broadcastv1.Sheet{
		Number: s.Number, Revision: s.Revision, StartNs: int64(s.Start), IntervalNs: int64(s.Interval),
		Count: int32(s.Count), Columns: int32(s.Columns), Width: int32(s.Width), Height: int32(s.Height),
		Size: s.Size, Term: s.Term,
	}
}

func sheetFromProto(s *broadcastv1.Sheet) hls.Sheet {
	return hls.Sheet{
		Number: s.GetNumber(), Revision: s.GetRevision(),
		Start: time.Duration(s.GetStartNs()), Interval: time.Duration(s.GetIntervalNs()),
		Count: int(s.GetCount()), Columns: int(s.GetColumns()), Width: int(s.GetWidth()), Height: int(s.GetHeight()),
		Size: s.GetSize(), Term: s.GetTerm(),
	}
}
