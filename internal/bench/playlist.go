package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A playlist is what the bench wants to know of a media playlist.
type playlist struct {
	msn, part uint64 // the part that comes next: of which segment, and which one of it
	ended     bool
	parts     []listedPart // in order
}

// A listedPart is one EXT-X-PART.
type listedPart struct {
	number   uint64 // counted through the whole broadcast, from its name
	duration time.Duration
}

// parsePlaylist reads a playlist of our own making; it is no general parser.
func parsePlaylist(text string) (playlist, error) {
	var p playlist
	for line := range strings.Lines(text) {
		tag, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		var err error
		switch tag {
		case "#EXT-X-MEDIA-SEQUENCE":
			p.msn, err = strconv.ParseUint(value, 10, 64)
		case "#EXTINF":
			p.msn++
			p.part = 0
		case "#EXT-X-PART":
			var l listedPart
			l, err = parsePart(value)
			p.parts = append(p.parts, l)
			p.part++
		case "#EXT-X-ENDLIST":
			p.ended = true
		}
		if err != nil {
			return playlist{}, fmt.Errorf("read playlist line %q: %w", strings.TrimSpace(line), err)
		}
	}
	return p, nil
}

func parsePart(attributes string) (listedPart, error) {
	var l listedPart
	var err error
	for attribute := range strings.SplitSeq(attributes, ",") {
		name, value, _ := strings.Cut(attribute, "=")
		switch name {
		case "DURATION":
			var s float64
			s, err = strconv.ParseFloat(value, 64)
			l.duration = time.Duration(s * float64(time.Second))
		case "URI":
			name := strings.TrimSuffix(strings.TrimPrefix(strings.Trim(value, `"`), "p"), ".m4s")
			l.number, err = strconv.ParseUint(name, 10, 64)
		case "GAP":
			err = fmt.Errorf("part %d is a gap: the machine is too busy to store it in time", l.number)
		}
		if err != nil {
			return listedPart{}, err
		}
	}
	return l, nil
}
