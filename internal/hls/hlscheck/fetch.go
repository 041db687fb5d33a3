package hlscheck

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Fetch is one request of a client, and what it got.
type Fetch struct {
	URL  string // as it was asked for, absolute or a rooted path
	Hops []Hop  // redirects that were followed

	Sent, FirstByte, Done time.Time // first byte and end of the last answer; zero FirstByte: not known

	Status  int
	Proto   string      // "HTTP/2.0"; "" = not known
	Gzip    bool        // the client takes gzip
	Header  http.Header // of the last answer
	Body    []byte      // of the last answer, decompressed
	Aborted bool        // the client left before the answer: nothing is concluded from it
}

// A Hop is a redirect on the way to an answer.
type Hop struct {
	Status int
	Header http.Header
}

// A Violation is a rule that an answer breaks.
type Violation struct {
	Rule   string    // as Rules names it
	URL    string    // of the answer that shows it
	At     time.Time // when that was there
	Detail string
}

func (v Violation) String() string {
	return v.Rule + ": " + v.URL + " at " + v.At.Format("15:04:05.000") + ": " + v.Detail
}

// Options say what may be expected of the client's own surroundings. The zero
// value works.
type Options struct {
	// Slack is what is granted to the network and the client wherever time is
	// measured; 0 = 100 ms.
	Slack time.Duration
	// Long is from how much media on the average bit rate is judged; 0 = 10 min.
	Long time.Duration
}

// Defaults of Options.
const (
	DefaultSlack = 100 * time.Millisecond
	DefaultLong  = 10 * time.Minute
)

// Check holds what one client saw, of one broadcast, against all rules. Fetches
// may come in any order. It does not block, and may be called by several at once.
func Check(fetches []Fetch, o Options) []Violation {
	o.Slack, o.Long = cmp.Or(o.Slack, DefaultSlack), cmp.Or(o.Long, DefaultLong)
	s := newSession(fetches, o)
	for _, r := range rules {
		s.rule = r.name
		r.check(s)
	}
	return s.violations
}

// Rules is the names of all rules that Check knows.
func Rules() []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.name)
	}
	return names
}

// A rule is one line of the checklist.
type rule struct {
	name  string
	check func(*session)
}

var rules = slices.Concat(multivariantRules, headerRules, segmentRules, partRules, historyRules, timeRules,
	reloadRules, deltaRules, hintRules, alignRules, endRules, mediaRules, bytesRules, httpRules)

// A session is everything that a client saw, read and ordered.
type session struct {
	options Options
	fetches []*Fetch // by the time they were done

	multivariants []*multivariant
	playlists     []*playlist // complete answers, by the time they were done
	byPath        map[string][]*playlist
	paths         []string                    // of byPath, in order
	files         map[string]*file            // by path: what playlists name
	seen          map[string]map[uint64]*seen // path → msn → what was said of it
	inits         map[string]*initSection     // by path: that could be read

	asked []request // for media playlists

	rule       string // that is being checked
	violations []Violation
}

// fault notes a violation of the rule that is being checked.
func (s *session) fault(f *Fetch, detail string) {
	v := Violation{Rule: s.rule, Detail: detail}
	if f != nil {
		v.URL, v.At = f.URL, f.Done
	}
	s.violations = append(s.violations, v)
}

func newSession(fetches []Fetch, o Options) *session {
	s := &session{options: o, byPath: map[string][]*playlist{}, inits: map[string]*initSection{}}
	for i := range fetches {
		if !fetches[i].Aborted {
			s.fetches = append(s.fetches, &fetches[i])
		}
	}
	slices.SortStableFunc(s.fetches, func(a, b *Fetch) int { return a.Done.Compare(b.Done) })
	for _, f := range s.fetches {
		if f.Status != http.StatusOK || !f.isPlaylist() {
			continue
		}
		if strings.Contains(string(f.Body), "#EXT-X-STREAM-INF") {
			s.multivariants = append(s.multivariants, readMultivariant(f))
			continue
		}
		p := readPlaylist(f)
		if len(s.byPath[p.path]) == 0 {
			s.paths = append(s.paths, p.path)
		}
		s.byPath[p.path] = append(s.byPath[p.path], p)
		s.playlists = append(s.playlists, p)
	}
	for _, path := range s.paths {
		expand(s.byPath[path])
	}
	s.collectSeen()
	s.collectFiles()
	s.asked = s.requests()
	return s
}

// isPlaylist goes by the name: what the answer says of itself is judged elsewhere.
func (f *Fetch) isPlaylist() bool { return strings.HasSuffix(f.path(), ".m3u8") }

func (f *Fetch) path() string {
	u, err := url.Parse(f.URL)
	if err != nil {
		return f.URL
	}
	return u.Path
}

func (f *Fetch) query() url.Values {
	u, err := url.Parse(f.URL)
	if err != nil {
		return nil
	}
	return u.Query()
}

// resolve is the path that a playlist means by uri.
func resolve(base, uri string) string {
	b, err := url.Parse(base)
	if err != nil {
		return uri
	}
	u, err := b.Parse(uri)
	if err != nil {
		return uri
	}
	return u.Path
}
