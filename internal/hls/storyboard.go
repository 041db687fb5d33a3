package hls

import (
	"bytes"
	"fmt"
	"time"
)

// StoryboardType is the content type of a storyboard.
const StoryboardType = "text/vtt; charset=utf-8"

// Storyboard is the list of small pictures as WebVTT: one cue for each, in media
// time, whose text says where its sheet is and which part of that it is, as a
// media fragment (W3C Media Fragments 1.0, 4.2.2: "#xywh=x,y,w,h" in pixels).
// Sheets are to come in order. url says where one is; relative URLs are resolved
// against the storyboard's own.
func Storyboard(sheets []Sheet, url func(Sheet) string) []byte {
	var b bytes.Buffer
	b.WriteString("WEBVTT\n")
	for _, s := range sheets {
		at := url(s)
		for i := range s.Count {
			start := s.Start + time.Duration(i)*s.Interval
			fmt.Fprintf(&b, "\n%s --> %s\n%s#xywh=%d,%d,%d,%d\n", cueTime(start), cueTime(start+s.Interval),
				at, i%s.Columns*s.Width, i/s.Columns*s.Height, s.Width, s.Height)
		}
	}
	return b.Bytes()
}

// cueTime is a WebVTT timestamp: hours have two digits or more, and the rest is
// fixed.
func cueTime(d time.Duration) string {
	ms := d.Round(time.Millisecond).Milliseconds()
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}
