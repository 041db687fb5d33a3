package replay

import (
	"slices"
	"strings"

	"github.com/pharos-live/pharos/internal/hls"
)

// pictures is what a broadcast's posters and sheets come to: the storyboard, whose URIs are relative to the
// replay's playlist, and the key of the last poster. nil and "" where there are none.
func pictures(broadcast string, events []hls.Event) (storyboard []byte, poster string) {
	var last hls.Poster
	newest := map[uint64]hls.Sheet{}
	for _, e := range events {
		switch e := e.(type) {
		case hls.Poster:
			if e.Number > last.Number {
				last = e
			}
		case hls.Sheet:
			if was, ok := newest[e.Number]; !ok || was.Revision < e.Revision || was.Term < e.Term {
				newest[e.Number] = e
			}
		}
	}
	if last.Number > 0 {
		poster = hls.PosterKey(broadcast, last.Number, last.Term)
	}
	if len(newest) == 0 {
		return nil, poster
	}
	sheets := make([]hls.Sheet, 0, len(newest))
	for _, s := range newest {
		sheets = append(sheets, s)
	}
	slices.SortFunc(sheets, func(a, b hls.Sheet) int { return int(a.Start - b.Start) })
	return hls.Storyboard(sheets, func(s hls.Sheet) string {
		return strings.TrimPrefix(hls.SheetKey(broadcast, s.Number, s.Revision, s.Term), broadcast+"/")
	}), poster
}
