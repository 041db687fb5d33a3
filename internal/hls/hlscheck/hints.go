package hlscheck

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// A file is a part, a segment or an init section that playlists name.
type file struct {
	path     string
	playlist string // that names it
	isPart   bool
	isInit   bool
	gap      bool
	at       position

	hinted   time.Time // when it was first hinted; zero: never
	listed   time.Time // when it was first listed; zero: never
	last     time.Time // when it was last listed
	removed  time.Time // when a playlist first came without it
	duration float64
	fetches  []*Fetch

	body  []byte // of its first good answer
	track *fragment
	msn   uint64
}

// collectFiles gathers what playlists name, and the answers to requests for it.
func (s *session) collectFiles() {
	s.files = map[string]*file{}
	touch := func(p *playlist, uri string) *file {
		path := resolve(p.URL, uri)
		f := s.files[path]
		if f == nil {
			f = &file{path: path, playlist: p.path}
			s.files[path] = f
		}
		return f
	}
	list := func(p *playlist, f *file) {
		if f.listed.IsZero() {
			f.listed = p.Done
		}
		f.last = p.Done
	}
	for _, p := range s.playlists {
		for _, seg := range p.all() {
			if seg.init != "" {
				f := touch(p, seg.init)
				f.isInit = true
				list(p, f)
			}
			if seg.uri != "" {
				f := touch(p, seg.uri)
				f.at, f.msn, f.gap, f.duration = position{msn: seg.msn}, seg.msn, seg.gap, seg.duration
				list(p, f)
			}
			for i, part := range seg.parts {
				f := touch(p, part.uri)
				f.isPart, f.at, f.msn, f.gap, f.duration = true, position{seg.msn, uint64(i)}, seg.msn, part.gap, part.duration
				list(p, f)
			}
		}
		for _, h := range p.hints {
			f := touch(p, h["URI"])
			f.isPart = f.isPart || h["TYPE"] == "PART"
			if f.hinted.IsZero() {
				f.hinted = p.Done
			}
		}
	}
	for _, f := range s.files {
		s.noteRemoval(f)
	}
	for _, a := range s.fetches {
		if f := s.files[a.path()]; f != nil {
			f.fetches = append(f.fetches, a)
		}
	}
	s.readFiles()
}

// noteRemoval finds when a file was first left out by a full playlist.
func (s *session) noteRemoval(f *file) {
	for _, p := range s.byPath[f.playlist] {
		if p.skipped == 0 && p.Sent.After(f.last) && !f.listed.IsZero() && !strings.Contains(p.text, "\""+f.name()+"\"") && !strings.Contains(p.text, "\n"+f.name()+"\n") {
			f.removed = p.Done
			return
		}
	}
}

func (f *file) name() string { return f.path[strings.LastIndexByte(f.path, '/')+1:] }

// early are requests for a part that were sent while it was hinted and not listed.
func (f *file) early() []*Fetch {
	var all []*Fetch
	for _, a := range f.fetches {
		if f.isPart && !f.hinted.IsZero() && a.Sent.Before(f.listed) {
			all = append(all, a)
		}
	}
	return all
}

// hintRules are section 8 of the checklist.
var hintRules = []rule{
	{"hint.present", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			n := 0
			for _, h := range p.hints {
				if h["TYPE"] == "PART" && h["URI"] != "" {
					n++
				}
			}
			if n != 1 && !p.ended {
				s.fault(p.Fetch, fmt.Sprintf("%d hints of a part", n))
			}
		})
	}},
	{"hint.next", func(s *session) {
		for _, path := range s.paths {
			s.checkHints(path)
		}
	}},
	{"hint.prompt", func(s *session) {
		for _, f := range s.files {
			for _, a := range f.early() {
				if a.Status == http.StatusOK && a.Done.Sub(f.listed) > s.options.Slack {
					s.fault(a, fmt.Sprintf("the hinted part came %v after it was listed", a.Done.Sub(f.listed)))
				}
			}
		}
	}},
	{"hint.burst", func(s *session) {
		for _, f := range s.files {
			for _, a := range f.early() {
				if !a.FirstByte.IsZero() && a.Done.Sub(a.FirstByte) > s.options.Slack {
					s.fault(a, fmt.Sprintf("it was sent over %v, not when it was complete", a.Done.Sub(a.FirstByte)))
				}
			}
		}
	}},
	{"hint.body", func(s *session) {
		for _, f := range s.files {
			for _, a := range f.early() {
				if a.Status == http.StatusOK && !bytes.Equal(a.Body, f.body) {
					s.fault(a, "another body than later")
				}
			}
		}
	}},
	{"hint.404", func(s *session) {
		for _, a := range s.fetches {
			path := a.path()
			if s.files[path] != nil || !strings.HasSuffix(path, ".m4s") {
				continue
			}
			if a.Status != http.StatusNotFound || s.slow(a) {
				s.fault(a, fmt.Sprintf("%d after %v for what nobody named: want 404 at once", a.Status, a.Done.Sub(a.Sent)))
			}
		}
	}},
}

// checkHints: the part that is listed next after a state is the one that was hinted
// in it.
func (s *session) checkHints(path string) {
	for _, p := range s.byPath[path] {
		if len(p.hints) != 1 {
			continue
		}
		at := p.edge()
		for _, next := range []position{{at.msn, at.part + 1}, {at.msn + 1, 0}} {
			e := s.seen[path][next.msn]
			if e == nil || uint64(len(e.segment.parts)) <= next.part {
				continue
			}
			if got, want := p.hints[0]["URI"], e.segment.parts[next.part].uri; got != want {
				s.fault(p.Fetch, fmt.Sprintf("%s is hinted, %s came", got, want))
			}
			break
		}
	}
}
