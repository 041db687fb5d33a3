package hlscheck

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A multivariant is a multivariant playlist as its text says it.
type multivariant struct {
	*Fetch
	faults      []string
	version     int
	independent bool
	variants    []variant
	media       []map[string]string // EXT-X-MEDIA
}

type variant struct {
	attributes map[string]string
	path       string // of its media playlist
}

// video says whether the variant has pictures.
func (v variant) video() bool {
	return v.attributes["RESOLUTION"] != "" ||
		slices.ContainsFunc(strings.Split(v.attributes["CODECS"], ","), func(c string) bool { return c != "" && !isAudio(c) })
}

func isAudio(codec string) bool {
	for _, prefix := range []string{"mp4a", "opus", "fLaC", "ac-3", "ec-3"} {
		if strings.HasPrefix(codec, prefix) {
			return true
		}
	}
	return false
}

func (v variant) integer(name string) float64 {
	n, err := strconv.ParseUint(v.attributes[name], 10, 63)
	if err != nil {
		return 0
	}
	return float64(n)
}

func readMultivariant(f *Fetch) *multivariant {
	m := &multivariant{Fetch: f, faults: faultsOfText(f.Body)}
	var stream map[string]string
	for line := range strings.Lines(string(f.Body)) {
		line = strings.TrimRight(line, "\r\n")
		tag, value, _ := strings.Cut(line, ":")
		switch {
		case tag == "#EXT-X-VERSION":
			m.version, _ = strconv.Atoi(value)
		case tag == "#EXT-X-INDEPENDENT-SEGMENTS":
			m.independent = true
		case tag == "#EXT-X-MEDIA", tag == "#EXT-X-STREAM-INF":
			all, faults := attributes(value)
			m.faults = append(m.faults, faults...)
			if tag == "#EXT-X-MEDIA" {
				m.media = append(m.media, all)
			} else {
				stream = all
			}
		case line != "" && !strings.HasPrefix(line, "#"):
			if stream == nil {
				m.faults = append(m.faults, line+" has no EXT-X-STREAM-INF")
			}
			m.variants = append(m.variants, variant{attributes: stream, path: resolve(f.URL, line)})
			stream = nil
		}
	}
	return m
}

// group is the audio renditions of a variant.
func (m *multivariant) group(v variant) []map[string]string {
	var members []map[string]string
	for _, r := range m.media {
		if r["TYPE"] == "AUDIO" && v.attributes["AUDIO"] != "" && r["GROUP-ID"] == v.attributes["AUDIO"] {
			members = append(members, r)
		}
	}
	return members
}

// playlists is the paths of all media playlists that it names.
func (m *multivariant) playlists() []string {
	var all []string
	for _, v := range m.variants {
		all = append(all, v.path)
	}
	for _, r := range m.media {
		if r["URI"] != "" {
			all = append(all, resolve(m.URL, r["URI"]))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var multivariantRules = []rule{
	{"mv.identical", func(s *session) {
		for _, m := range s.multivariants {
			if string(m.Body) != string(s.multivariants[0].Body) {
				s.fault(m.Fetch, "another text than before")
			}
		}
	}},
	{"mv.independent", func(s *session) {
		for _, m := range s.multivariants {
			if !m.independent {
				s.fault(m.Fetch, "no EXT-X-INDEPENDENT-SEGMENTS")
			}
		}
		for _, p := range s.playlists {
			if _, both := p.once["#EXT-X-INDEPENDENT-SEGMENTS"]; both && len(s.multivariants) > 0 {
				s.fault(p.Fetch, "EXT-X-INDEPENDENT-SEGMENTS here too")
			}
		}
	}},
	{"mv.groups", func(s *session) { s.eachMultivariant(checkGroups) }},
	{"mv.order", func(s *session) {
		const first = 2_000_000 // Apple's rule 1.32
		s.eachMultivariant(func(s *session, m *multivariant) {
			distance := func(v variant) float64 { return math.Abs(v.integer("BANDWIDTH") - first) }
			for _, v := range m.variants {
				if distance(v) < distance(m.variants[0]) {
					s.fault(m.Fetch, "the first variant is not the one nearest to 2 Mbit/s")
					return
				}
			}
		})
	}},
	{"mv.video-range", func(s *session) {
		s.eachMultivariant(func(s *session, m *multivariant) {
			stated := slices.ContainsFunc(m.variants, func(v variant) bool { return v.attributes["VIDEO-RANGE"] != "" })
			for _, v := range m.variants {
				if r := v.attributes["VIDEO-RANGE"]; stated && v.video() && r != "SDR" && r != "PQ" && r != "HLG" {
					s.fault(m.Fetch, fmt.Sprintf("%s has VIDEO-RANGE %q, others state one", v.path, r))
				}
			}
		})
	}},
	{"mv.demuxed", func(s *session) {
		s.eachVariant(func(s *session, m *multivariant, v variant) {
			if v.video() && v.attributes["AUDIO"] == "" && slices.ContainsFunc(strings.Split(v.attributes["CODECS"], ","), isAudio) {
				s.fault(m.Fetch, v.path+" has its audio inside")
			}
		})
	}},
	{"mv.resolution", func(s *session) {
		s.eachVariant(func(s *session, m *multivariant, v variant) {
			if !v.video() {
				return
			}
			var w, h int
			if _, err := fmt.Sscanf(v.attributes["RESOLUTION"], "%dx%d", &w, &h); err != nil {
				s.fault(m.Fetch, v.path+" has no RESOLUTION")
			}
			for _, i := range s.initsOf(v.path)[:min(1, len(s.initsOf(v.path)))] {
				if i.height != h { // the width depends on the shape of samples too
					s.fault(m.Fetch, fmt.Sprintf("%s has RESOLUTION %dx%d, its pictures are %d high", v.path, w, h, i.height))
				}
			}
		})
	}},
	{"mv.frame-rate", func(s *session) {
		s.eachVariant(func(s *session, m *multivariant, v variant) {
			if !v.video() {
				return
			}
			rate, err := strconv.ParseFloat(v.attributes["FRAME-RATE"], 64)
			if _, decimals, _ := strings.Cut(v.attributes["FRAME-RATE"], "."); err != nil || rate <= 0 || len(decimals) != 3 {
				s.fault(m.Fetch, v.path+" has no FRAME-RATE of three decimals")
				return
			}
			for _, f := range s.segmentFiles(v.path) {
				if got := float64(len(f.track.samples)) / f.track.seconds(); got > rate*1.05 {
					s.fault(m.Fetch, fmt.Sprintf("%s has FRAME-RATE %v, %s has %.3f", v.path, rate, f.path, got))
					return
				}
			}
		})
	}},
	{"mv.codecs", func(s *session) { s.eachVariant(checkCodecs) }},
	{"mv.bandwidth", func(s *session) { s.eachVariant(checkPeak) }},
	{"mv.average", func(s *session) { s.eachVariant(checkAverage) }},
}

func (s *session) eachMultivariant(check func(*session, *multivariant)) {
	for _, m := range s.multivariants[:min(1, len(s.multivariants))] { // they are identical
		check(s, m)
	}
}

func (s *session) eachVariant(check func(*session, *multivariant, variant)) {
	s.eachMultivariant(func(s *session, m *multivariant) {
		for _, v := range m.variants {
			check(s, m, v)
		}
	})
}

// checkGroups: the draft, 4.4.6.1, and Apple's rule 8.10.
func checkGroups(s *session, m *multivariant) {
	names, defaults := map[string]bool{}, map[string]bool{}
	for _, r := range m.media {
		group := r["TYPE"] + " " + r["GROUP-ID"]
		name := group + " " + r["NAME"]
		switch {
		case r["GROUP-ID"] == "" || r["NAME"] == "":
			s.fault(m.Fetch, "a rendition without GROUP-ID or NAME")
		case names[name]:
			s.fault(m.Fetch, "NAME is there twice: "+name)
		case r["DEFAULT"] == "YES" && defaults[group]:
			s.fault(m.Fetch, "two defaults in "+group)
		case r["DEFAULT"] == "YES" && r["AUTOSELECT"] != "YES":
			s.fault(m.Fetch, "a default that is not to be selected automatically: "+name)
		case r["LANGUAGE"] == "" || r["TYPE"] == "AUDIO" && r["CHANNELS"] == "":
			s.fault(m.Fetch, "no LANGUAGE or CHANNELS: "+name)
		}
		names[name] = true
		defaults[group] = defaults[group] || r["DEFAULT"] == "YES"
	}
	for _, v := range m.variants {
		if v.attributes["AUDIO"] != "" && len(m.group(v)) == 0 {
			s.fault(m.Fetch, v.path+" names a group that is not there: "+v.attributes["AUDIO"])
		}
	}
}

// checkCodecs: "every media sample format" of the variant and its group (4.4.6.2, 6.2.4).
func checkCodecs(s *session, m *multivariant, v variant) {
	listed := strings.Split(v.attributes["CODECS"], ",")
	if v.attributes["CODECS"] == "" {
		s.fault(m.Fetch, v.path+" has no CODECS")
		return
	}
	paths := []string{v.path}
	for _, r := range m.group(v) {
		paths = append(paths, resolve(m.URL, r["URI"]))
	}
	for _, path := range paths {
		for _, i := range s.initsOf(path)[:min(1, len(s.initsOf(path)))] { // formats may change later; what is said then is fixed
			if !slices.Contains(listed, i.codec) {
				s.fault(m.Fetch, fmt.Sprintf("%s has CODECS %q, its samples are %s", v.path, v.attributes["CODECS"], i.codec))
			}
		}
	}
}

// checkPeak: "the largest bit rate of any contiguous set of segments whose total
// duration is between 0.5 and 1.5 times the target duration" (4.1); Apple's rule
// 1.29 grants live media a quarter more than is stated.
func checkPeak(s *session, m *multivariant, v variant) {
	stated := v.integer("BANDWIDTH")
	if stated == 0 {
		s.fault(m.Fetch, v.path+" has no BANDWIDTH")
		return
	}
	peak, ok := s.peak(v.path)
	audio := 0.0
	for _, r := range m.group(v) {
		p, known := s.peak(resolve(m.URL, r["URI"]))
		audio, ok = max(audio, p), ok && known
	}
	if ok && peak+audio > stated*1.25 {
		s.fault(m.Fetch, fmt.Sprintf("%s has BANDWIDTH %.0f, measured were %.0f", v.path, stated, peak+audio))
	}
}

func (s *session) peak(path string) (float64, bool) {
	if len(s.byPath[path]) == 0 {
		return 0, false
	}
	target, files, peak := s.byPath[path][0].target, s.segmentFiles(path), 0.0
	for i := range files {
		bits, seconds := 0.0, 0.0
		for j := i; j < len(files) && files[j].msn == files[i].msn+uint64(j-i); j++ {
			bits += 8 * float64(len(files[j].body))
			seconds += files[j].track.seconds()
			if seconds > 1.5*target+0.5 {
				break
			}
			if seconds >= 0.5*target {
				peak = max(peak, bits/seconds)
			}
		}
	}
	return peak, peak > 0
}

// checkAverage: Apple's rules 9.14 and 1.28.
func checkAverage(s *session, m *multivariant, v variant) {
	stated := v.integer("AVERAGE-BANDWIDTH")
	if stated == 0 || stated > v.integer("BANDWIDTH") {
		s.fault(m.Fetch, v.path+" has no AVERAGE-BANDWIDTH, or one above its BANDWIDTH")
		return
	}
	average, ok := s.average(v.path)
	audio := 0.0
	for _, r := range m.group(v) {
		a, known := s.average(resolve(m.URL, r["URI"]))
		audio, ok = max(audio, a), ok && known
	}
	if ok && average+audio > stated*1.1 {
		s.fault(m.Fetch, fmt.Sprintf("%s has AVERAGE-BANDWIDTH %.0f, measured were %.0f", v.path, stated, average+audio))
	}
}

func (s *session) average(path string) (float64, bool) {
	bits, seconds := 0.0, 0.0
	for _, f := range s.segmentFiles(path) {
		bits += 8 * float64(len(f.body))
		seconds += f.track.seconds()
	}
	return bits / max(seconds, 1), seconds >= s.options.Long.Seconds()
}
