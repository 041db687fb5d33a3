package hls

import (
	"context"
	"fmt"
	"sort"
	"strconv"
)

// rendering is a playlist and the state that it shows.
type rendering struct {
	state    uint64
	playlist *Playlist
}

// Media is the playlist of a rendition, as soon as it shows what d asks for (the
// draft, 6.2.5.2). Whatever d says, it waits until the rendition has a complete
// segment and all others have a part to report. Once the broadcast has ended,
// directives are ignored and nobody waits.
//
// Errors: *BadRequestError for what is too far ahead, at once; ErrNotFound for a
// rendition that the broadcast has not, or that ended without a segment; the
// cause of ctx.
func (b *Broadcast) Media(ctx context.Context, rendition string, d Directives) (*Playlist, error) {
	r, err := b.lookup(ctx, rendition)
	if err != nil {
		return nil, err
	}
	for {
		p, changed, err := b.answer(r, d)
		if p != nil || err != nil {
			return p, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// answer is the playlist for d, or the channel to wait on.
func (b *Broadcast) answer(r *rendition, d Directives) (*Playlist, <-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.feed.ended && len(r.segments) == 0:
		return nil, nil, fmt.Errorf("rendition %s ended without a segment: %w", r.Name, ErrNotFound)
	case b.feed.ended:
		return b.playlistLocked(r, false), nil, nil
	case !r.shows(d) && r.tooFar(d, &b.constants):
		return nil, nil, &BadRequestError{fmt.Sprintf("segment %d, part %d is too far ahead", d.MSN, d.Part)}
	case b.isReady && len(r.segments) > 0 && r.shows(d):
		return b.playlistLocked(r, d.Skip), nil, nil
	}
	return nil, r.changed, nil
}

// shows says whether the playlist contains what d asks for, or something later.
func (r *rendition) shows(d Directives) bool {
	open := r.at.closed
	switch {
	case !d.HasMSN:
		return true
	case !d.HasPart:
		return d.MSN < open
	case d.MSN > open:
		return false
	case d.MSN == open:
		return d.Part < r.current.count
	}
	// "If the Client requests a Part Index greater than that of the final Partial
	// Segment of the Parent Segment, the Server MUST treat the request as one for
	// Part Index 0 of the following Parent Segment."
	s := r.find(d.MSN)
	return s == nil || d.MSN+1 < open || !s.whole || d.Part < s.count || r.current.count > 0
}

// tooFar says whether d, which is not shown yet, is beyond what may be waited for.
// Once it is not, it stays so.
func (r *rendition) tooFar(d Directives, c *constants) bool {
	open := r.at.closed // the last complete segment plus one
	if d.MSN > open && d.MSN-open > 1 {
		return true
	}
	if !d.HasPart {
		return false
	}
	var listed uint64 // parts of that segment
	if d.MSN == open {
		listed = r.current.count
	} else if s := r.find(d.MSN); s != nil {
		listed = s.count
	}
	// The part after the last is one beyond it.
	return d.Part >= listed && d.Part-listed >= c.advance
}

// playlistLocked is the rendition's playlist in this state, rendered once.
func (b *Broadcast) playlistLocked(r *rendition, delta bool) *Playlist {
	if delta && r.skippable(&b.constants) == 0 {
		delta = false // "nothing can be skipped": the full playlist, and the same bytes
	}
	cached := &r.rendered[0]
	if delta {
		cached = &r.rendered[1]
	}
	if cached.playlist == nil || cached.state != b.state {
		hint := 1024
		if cached.playlist != nil {
			hint = len(cached.playlist.text) + 512
		}
		text := b.render(make([]byte, 0, hint), r, delta)
		*cached = rendering{state: b.state, playlist: newPlaylist(text, b.feed.ended)}
	}
	return cached.playlist
}

// skippable is how many segments a delta update leaves out: those "further from
// the end of the last Media Segment than the Skip Boundary" (6.2.5.1).
func (r *rendition) skippable(c *constants) int {
	s := r.from(r.listed)
	if len(s) == 0 {
		return 0
	}
	end, boundary := s[len(s)-1].sum, micros(c.skipBoundary())
	return sort.Search(len(s), func(i int) bool { return end-s[i].sum < boundary })
}

// render appends the media playlist of r. Everything but the numbers was made
// when it happened.
func (b *Broadcast) render(t []byte, r *rendition, delta bool) []byte {
	segments, version, skip := r.from(r.listed), 6, 0
	if delta {
		version, skip = 9, r.skippable(&b.constants) // EXT-X-SKIP needs 9 (section 8)
	}
	t = fmt.Appendf(t, "#EXTM3U\n#EXT-X-VERSION:%d\n%s#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-DISCONTINUITY-SEQUENCE:%d\n",
		version, b.constants.header, r.listed, segments[0].before())
	if skip > 0 {
		t = fmt.Appendf(t, "#EXT-X-SKIP:SKIPPED-SEGMENTS=%d\n", skip)
		segments = segments[skip:]
	}
	// The map in force may have been said by a segment that is not shown.
	if s := &segments[0]; !s.mapped && s.init != "" {
		t = append(t, mapLine(s.init)...)
	}
	for i := range segments {
		s := &segments[i]
		t = append(t, s.head...)
		if s.whole && s.msn >= r.detailed {
			t = appendParts(t, r.partsOf(s))
		}
		t = append(t, s.tail...)
	}
	if b.feed.ended {
		return append(t, "#EXT-X-ENDLIST\n"...)
	}
	t = append(t, r.current.head...)
	t = appendParts(t, r.partsOf(&r.current))
	t = fmt.Appendf(t, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=%q\n", partURI(r.at.next))
	return b.appendReports(t, r)
}

func appendParts(t []byte, parts []part) []byte {
	for i := range parts {
		t = append(t, parts[i].line...)
	}
	return t
}

// appendReports says how far the other renditions are. Their URIs resolve to the
// multivariant playlist's, which is how players find them.
func (b *Broadcast) appendReports(t []byte, self *rendition) []byte {
	for _, r := range b.renditions {
		at, ok := r.position()
		if r == self || !ok {
			continue
		}
		t = append(t, "#EXT-X-RENDITION-REPORT:URI=\"../"...)
		t = append(t, r.Name...)
		t = append(t, "/index.m3u8\",LAST-MSN="...)
		t = strconv.AppendUint(t, at.MSN, 10)
		t = append(t, ",LAST-PART="...)
		t = strconv.AppendUint(t, at.Part, 10)
		t = append(t, '\n')
	}
	return t
}
