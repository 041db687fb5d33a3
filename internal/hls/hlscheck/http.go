package hlscheck

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// httpRules are section 11 of the checklist.
var httpRules = []rule{
	{"http.h2", func(s *session) {
		for _, f := range s.fetches {
			if f.Proto != "" && !strings.HasPrefix(f.Proto, "HTTP/2") && !strings.HasPrefix(f.Proto, "HTTP/3") {
				s.fault(f, f.Proto)
			}
		}
	}},
	{"http.gzip", func(s *session) {
		s.eachGood(func(f *Fetch) {
			if f.Gzip && f.isPlaylist() && f.Header.Get("Content-Encoding") != "gzip" {
				s.fault(f, "not compressed, though the client takes gzip")
			}
		})
	}},
	{"http.vary", func(s *session) {
		s.eachGood(func(f *Fetch) {
			if f.isPlaylist() && !strings.EqualFold(f.Header.Get("Vary"), "Accept-Encoding") {
				s.fault(f, fmt.Sprintf("Vary is %q", f.Header.Get("Vary")))
			}
		})
	}},
	{"http.type", func(s *session) {
		s.eachGood(func(f *Fetch) {
			kind := f.Header.Get("Content-Type")
			if f.isPlaylist() && kind != "application/vnd.apple.mpegurl" {
				s.fault(f, "Content-Type of a playlist is "+kind)
			}
			if s.files[f.path()] != nil && kind != "video/mp4" && kind != "audio/mp4" && kind != "video/iso.segment" {
				s.fault(f, "Content-Type of media is "+kind)
			}
		})
	}},
	{"http.length", func(s *session) {
		s.eachGood(func(f *Fetch) {
			if f.Header.Get("Content-Length") == "" {
				s.fault(f, "no Content-Length: it is not known to be whole")
			}
		})
	}},
	{"http.cors", func(s *session) {
		for _, f := range s.fetches {
			// A browser sends "Origin: null" once it was redirected to another host,
			// which only the asterisk answers.
			headers := []http.Header{f.Header}
			for _, hop := range f.Hops {
				headers = append(headers, hop.Header)
			}
			for _, h := range headers {
				if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
					s.fault(f, fmt.Sprintf("Access-Control-Allow-Origin is %q", h.Get("Access-Control-Allow-Origin")))
					return
				}
			}
			if exposed := f.Header.Get("Access-Control-Expose-Headers"); f.isPlaylist() && (!strings.Contains(exposed, "Age") || !strings.Contains(exposed, "Date")) {
				s.fault(f, fmt.Sprintf("Access-Control-Expose-Headers is %q: players tune in by Age and Date", exposed))
				return
			}
		}
	}},
	{"http.cache-multivariant", func(s *session) {
		for _, m := range s.multivariants {
			s.checkLifetime(m.Fetch, m.Header, time.Second, 10*time.Minute)
		}
	}},
	{"http.cache-blocking", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if readDirectives(p.query()).hasMSN && !p.ended {
				s.checkLifetime(p.Fetch, p.Header, targets(p, 1), targets(p, 6))
			}
		})
	}},
	{"http.cache-plain", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if !readDirectives(p.query()).hasMSN && !p.ended {
				s.checkLifetime(p.Fetch, p.Header, 0, max(targets(p, 0.5), time.Second))
			}
		})
	}},
	{"http.cache-end", func(s *session) {
		s.eachPlaylist(func(p *playlist) {
			if p.ended { // the same URL may be resumed
				s.checkLifetime(p.Fetch, p.Header, time.Second, targets(p, 6))
			}
		})
	}},
	{"http.cache-errors", func(s *session) {
		for _, f := range s.fetches {
			if f.Status >= http.StatusBadRequest {
				s.checkLifetime(f, f.Header, 0, time.Second)
			}
		}
	}},
	{"http.cache-media", func(s *session) {
		s.eachGood(func(f *Fetch) {
			if file := s.files[f.path()]; file != nil {
				s.checkLifetime(f, f.Header, s.targets(file, 6), forEver)
			}
		})
	}},
	{"http.cache-redirect", func(s *session) {
		for _, f := range s.fetches {
			for _, hop := range f.Hops { // it must not outlive a signature
				s.checkLifetime(f, hop.Header, time.Second, 5*time.Hour)
			}
		}
	}},
}

// forEver is a lifetime without a bound that matters.
const forEver = 10 * 365 * 24 * time.Hour

func targets(p *playlist, n float64) time.Duration {
	return time.Duration(n * p.target * float64(time.Second))
}

// eachGood calls check for every complete answer.
func (s *session) eachGood(check func(f *Fetch)) {
	for _, f := range s.fetches {
		if f.Status == http.StatusOK {
			check(f)
		}
	}
}

// checkLifetime looks at how long a shared cache may keep an answer.
func (s *session) checkLifetime(f *Fetch, h http.Header, least, most time.Duration) {
	got, ok := lifetime(h.Get("Cache-Control"))
	if !ok || got < least || got > most {
		s.fault(f, fmt.Sprintf("Cache-Control is %q: want %v to %v", h.Get("Cache-Control"), least, most))
	}
}

// lifetime is the max-age, or s-maxage, of a Cache-Control (RFC 9111, 5.2.2); what
// must not be kept has none.
func lifetime(control string) (time.Duration, bool) {
	age, ok := time.Duration(0), false
	for item := range strings.SplitSeq(control, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache", "private":
			return 0, true
		case "max-age", "s-maxage":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return 0, false
			}
			age, ok = max(age, time.Duration(n)*time.Second), true
		}
	}
	return age, ok
}
