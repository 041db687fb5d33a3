package hlscheck_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pharos-live/pharos/internal/hls/hlscheck"
)

// plain is the nth answer with the full playlist of a rendition, from the end if n
// is negative.
func (s *show) plain(rendition string, n int) *hlscheck.Fetch {
	var all []*hlscheck.Fetch
	for _, f := range s.fetches {
		if f.URL == base+rendition+"/index.m3u8" {
			all = append(all, f)
		}
	}
	if n < 0 {
		n += len(all)
	}
	return all[n]
}

// exactly is the answer to one URL.
func (s *show) exactly(url string) *hlscheck.Fetch {
	s.t.Helper()
	for _, f := range s.fetches {
		if strings.HasSuffix(f.URL, url) {
			return f
		}
	}
	s.t.Fatalf("nobody asked for %s", url)
	return nil
}

// early answers a request by the state of some parts before.
func (s *show) early(url, rendition string, parts int) {
	s.t.Helper()
	f := s.exactly(url)
	at := f.Done.Add(-time.Duration(parts) * step)
	for _, p := range s.playlists(rendition) {
		if p.URL == base+rendition+"/index.m3u8" && p.Done.Sub(at).Abs() < step/2 {
			f.Body, f.Done = p.Body, p.Done.Add(4*ms)
			f.Sent = slices.MinFunc([]time.Time{f.Sent, p.Sent}, time.Time.Compare)
			return
		}
	}
	s.t.Fatal("no such state")
}

// refuse answers a request with an error.
func (s *show) refuse(url string, status int) {
	s.t.Helper()
	f := s.exactly(url)
	f.Status, f.Body = status, nil
	f.Header, f.Hops = s.header(f), nil
}

// grant answers a request with the playlist that was there then.
func (s *show) grant(url string) {
	s.t.Helper()
	f := s.exactly(url)
	for _, p := range s.playlists("source") {
		if p.URL == base+"source/index.m3u8" && !p.Done.After(f.Sent) {
			f.Status, f.Body = 200, p.Body
		}
	}
	f.Header = s.header(f)
}

// later moves all that happened after a time.
func (s *show) later(than time.Time, by time.Duration) {
	for _, f := range s.fetches {
		if f.Sent.After(than) {
			f.Sent = f.Sent.Add(by)
		}
		if f.Done.After(than) {
			f.Done, f.FirstByte = f.Done.Add(by), f.FirstByte.Add(by)
		}
	}
}

// drop takes the oldest segments out of the last states of all renditions.
func (s *show) drop(n int) {
	segment := regexp.MustCompile(`(?s)(#EXT-X-PROGRAM-DATE-TIME.*?\ns\d+\.m4s\n)`)
	sequence := regexp.MustCompile(`MEDIA-SEQUENCE:(\d+)`)
	last := s.fetches[len(s.fetches)-1].Done.Add(-step / 2)
	for _, f := range s.playlists("") {
		if f.Done.Before(last) {
			continue
		}
		left := n
		f.Body = segment.ReplaceAllFunc(f.Body, func(m []byte) []byte {
			if left--; left >= 0 {
				return nil
			}
			return m
		})
		f.Body = sequence.ReplaceAllFunc(f.Body, func(m []byte) []byte {
			var was int
			_, _ = fmt.Sscanf(string(m), "MEDIA-SEQUENCE:%d", &was)
			return fmt.Appendf(nil, "MEDIA-SEQUENCE:%d", was+n)
		})
	}
}

// skipOneMore makes a delta update skip its first segment too.
func (s *show) skipOneMore(f *hlscheck.Fetch) {
	done := false
	f.Body = regexp.MustCompile(`(?s)(#EXT-X-PROGRAM-DATE-TIME.*?\ns\d+\.m4s\n)`).ReplaceAllFunc(f.Body, func(m []byte) []byte {
		if done {
			return m
		}
		done = true
		return nil
	})
	f.Body = regexp.MustCompile(`SKIPPED-SEGMENTS=(\d+)`).ReplaceAllFunc(f.Body, func(m []byte) []byte {
		var was int
		_, _ = fmt.Sscanf(string(m), "SKIPPED-SEGMENTS=%d", &was)
		return fmt.Appendf(nil, "SKIPPED-SEGMENTS=%d", was+1)
	})
}

// everywhere edits all answers of the state that f shows.
func (s *show) everywhere(f *hlscheck.Fetch, old, text string) {
	was := string(f.Body)
	for _, p := range s.playlists("") {
		if string(p.Body) == was {
			edit(p, old, text)
		}
	}
}

// retarget changes the target duration and what goes with it, but nothing else.
func (s *show) retarget(was, is int) {
	s.replace("", fmt.Sprintf("TARGETDURATION:%d", was), fmt.Sprintf("TARGETDURATION:%d", is))
	s.script.target = time.Duration(is) * time.Second
	for _, f := range s.fetches {
		f.Header = s.header(f)
	}
}
