package hls

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNothing says that a broadcast has left nothing that can be played.
var ErrNothing = errors.New("nothing to play")

// A Replay is a broadcast that is over as a whole: a playlist of all its segments
// for each rendition, and one of the renditions. Like the live playlists, they are
// a pure function of the events.
//
// The playlists are plain VOD (EXT-X-PLAYLIST-TYPE, 4.4.3.5): nothing of Low-Latency
// HLS is in them, and they never change. URIs are relative and are those of the
// objects in the bucket, so that a replay plays from wherever the bucket can be
// read, without any server of ours. All renditions cover the same range of time:
// what one lacks of it is an EXT-X-GAP there.
type Replay struct {
	// Renditions are those with media, in the order of the Take. Their bit rates are
	// measured, not the Take's guesses.
	Renditions []Rendition
	Date       time.Time     // of the first picture
	Start      time.Duration // media time of the first picture, mostly 0
	Duration   time.Duration // of the longest rendition

	media [][]byte
}

// NewReplay makes the replay of a broadcast's events: one Take and its Segments, in
// any order; events of other kinds are passed over. ErrNothing: no segment is
// available.
func NewReplay(events []Event) (*Replay, error) {
	take, all, err := sortOut(events)
	if err != nil {
		return nil, fmt.Errorf("make replay: %w", err)
	}
	strips := timeline(take, all)
	if len(strips) == 0 {
		return nil, fmt.Errorf("make replay: %w", ErrNothing)
	}
	target := take.TargetDuration
	for _, s := range strips {
		target = max(target, s.target())
	}
	r := &Replay{Start: strips[0].segments[0].Start}
	for _, s := range strips {
		s.Bandwidth, s.AverageBandwidth = s.rates(target)
		r.Renditions = append(r.Renditions, s.Rendition)
		r.Start = min(r.Start, s.segments[0].Start)
		r.Duration = max(r.Duration, s.end()-s.segments[0].Start)
		r.media = append(r.media, s.render(take.Anchor, target))
	}
	r.Date = take.Anchor.Add(r.Start)
	return r, nil
}

// sortOut finds the take and gives each rendition its segments.
func sortOut(events []Event) (Take, [][]Segment, error) {
	var take *Take
	for _, e := range events {
		if t, ok := e.(Take); ok {
			take = &t
			break
		}
	}
	if take == nil {
		return Take{}, nil, errors.New("there is no take")
	}
	if err := validate(*take); err != nil {
		return Take{}, nil, err
	}
	all := make([][]Segment, len(take.Renditions))
	for _, e := range events {
		s, ok := e.(Segment)
		if !ok {
			continue
		}
		if s.Rendition < 0 || s.Rendition >= len(all) || s.Duration <= 0 {
			return Take{}, nil, fmt.Errorf("segment %d of rendition %d of %d lasts %v", s.MSN, s.Rendition, len(all), s.Duration)
		}
		all[s.Rendition] = append(all[s.Rendition], s)
	}
	return *take, all, nil
}

// Media is the playlist of the rendition at index i of Renditions.
func (r *Replay) Media(i int) []byte { return r.media[i] }

// Multivariant is the playlist of all renditions: the lines of the live one, so that
// players see the same ladder, with the measured bit rates and relative URIs.
func (r *Replay) Multivariant() []byte {
	live := strings.TrimSuffix(mediaURI("", ""), "/index.m3u8") // what stands before a rendition's name
	return []byte(strings.ReplaceAll(string(renderMultivariant("", r.Renditions)), live, ""))
}

// target is the least TARGETDURATION that this strip allows: "the EXTINF duration of
// each Media Segment, when rounded to the nearest integer, MUST be less than or equal
// to the Target Duration" (4.4.3.1).
func (s *strip) target() time.Duration {
	var longest time.Duration
	for i := range s.segments {
		longest = max(longest, s.segments[i].Duration.Round(time.Second))
	}
	return longest
}

// rates are the bit rates of the strip's media. The peak is "the largest bit rate of
// any contiguous set of segments whose total duration is between 0.5 and 1.5 times
// the target duration" (the draft, 4.1), gaps excluded; half a second more is taken,
// as Apple's validator does. Where no run is so long, it is the average.
func (s *strip) rates(target time.Duration) (peak, average int) {
	var size int64
	var length time.Duration
	for i := range s.segments {
		if s.segments[i].Gap {
			continue
		}
		size += s.segments[i].Size
		length += s.segments[i].Duration
		peak = max(peak, s.peakFrom(i, target))
	}
	average = rate(size, length)
	return max(peak, average), average
}

// peakFrom is the peak of the runs that begin with segment i.
func (s *strip) peakFrom(i int, target time.Duration) (peak int) {
	var size int64
	var length time.Duration
	for ; i < len(s.segments) && !s.segments[i].Gap; i++ {
		size += s.segments[i].Size
		length += s.segments[i].Duration
		switch {
		case length > target*3/2+time.Second/2:
			return peak
		case length >= target/2:
			peak = max(peak, rate(size, length))
		}
	}
	return peak
}

// rate is in bits per second, rounded up.
func rate(bytes int64, length time.Duration) int {
	us := micros(length)
	if us <= 0 {
		return 0
	}
	return int((bytes*8*1e6 + us - 1) / us)
}

// render is the strip's media playlist. VERSION is the least that EXT-X-MAP needs
// (section 8).
func (s *strip) render(anchor time.Time, target time.Duration) []byte {
	t := fmt.Appendf(nil, "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:%d\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MEDIA-SEQUENCE:0\n",
		target/time.Second)
	init, inForce := s.firstInit(), ""
	for i := range s.segments {
		g := &s.segments[i]
		if g.Init != "" { // a gap may not know it
			init = g.Init
		}
		discontinuity := g.Discontinuity && i > 0
		if discontinuity {
			t = append(t, "#EXT-X-DISCONTINUITY\n"...)
		}
		if init != inForce || discontinuity {
			t = append(t, mapLine(init)...)
			inForce = init
		}
		t = fmt.Appendf(t, "#EXT-X-PROGRAM-DATE-TIME:%s\n", date(anchor, g.Start))
		if g.Gap {
			t = append(t, "#EXT-X-GAP\n"...)
		}
		t = fmt.Appendf(t, "#EXTINF:%s,\n%s\n", seconds(max(micros(g.end())-micros(g.Start), 1)), g.object())
	}
	return append(t, "#EXT-X-ENDLIST\n"...)
}

// firstInit is the map of the first segment that has one.
func (s *strip) firstInit() string {
	for i := range s.segments {
		if init := s.segments[i].Init; init != "" {
			return init
		}
	}
	return ""
}

// end is where the segment ends in media time.
func (s *Segment) end() time.Duration { return s.Start + s.Duration }

// object is the URI of the segment's object, relative to its rendition's playlist. A
// gap that stands for nothing ever made has none; players do not load gaps.
func (s *Segment) object() string {
	if s.Gap && s.Term == 0 {
		return "gap.m4s"
	}
	return fmt.Sprintf("s%d.%d.m4s", s.MSN, s.Term)
}

// StoredPlaylist is a playlist that was rendered before, as of a replay, to be
// served again.
func StoredPlaylist(text []byte) *Playlist { return newPlaylist(text, true) }
