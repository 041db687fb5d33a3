package hlscheck

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// readFiles reads the bodies that came, init sections first, whose timescale the
// others need.
func (s *session) readFiles() {
	for _, f := range s.files {
		early, settled := f.early(), false // what came after the part was listed counts
		for _, a := range f.fetches {
			if a.Status == http.StatusOK && (f.body == nil || !settled) {
				f.body, settled = a.Body, !slices.Contains(early, a)
			}
		}
		if f.isInit && f.body != nil {
			if i, err := readInit(f.body); err == nil {
				s.inits[f.path] = i
			}
		}
	}
	for _, f := range s.files {
		if init := s.initOf(f); init != nil && f.body != nil && !f.isInit {
			f.track, _, _ = readFragment(f.body, init.scale)
		}
	}
}

// initOf is the init section in force for a part or segment; nil where it was not
// fetched.
func (s *session) initOf(f *file) *initSection {
	e := s.seen[f.playlist][f.msn]
	if e == nil || f.isInit {
		return nil
	}
	return s.inits[resolve(f.playlist, e.init)]
}

// initsOf is the init sections of a playlist that were fetched, in the order in
// which they came into force.
func (s *session) initsOf(path string) []*initSection {
	var all []*initSection
	for _, msn := range sorted(s.seen[path]) {
		if i := s.inits[resolve(path, s.seen[path][msn].init)]; i != nil && !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	return all
}

func sorted(m map[uint64]*seen) []uint64 {
	var all []uint64
	for msn := range m {
		all = append(all, msn)
	}
	slices.Sort(all)
	return all
}

func (s *session) isVideo(path string) bool {
	all := s.initsOf(path)
	return len(all) > 0 && all[0].isVideo
}

// filesOf is the parts or the segments of a playlist that were fetched and could be
// read, in order.
func (s *session) filesOf(path string, parts bool) []*file {
	var all []*file
	for _, f := range s.files {
		if f.playlist == path && f.isPart == parts && f.track != nil && !f.listed.IsZero() {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.at.msn, b.at.msn), cmp.Compare(a.at.part, b.at.part))
	})
	return all
}

func (s *session) segmentFiles(path string) []*file { return s.filesOf(path, false) }

// startOf is what tells when a segment starts: itself, or its first part.
func (s *session) startOf(path string, msn uint64) *file {
	e := s.seen[path][msn]
	if e.uri != "" {
		if f := s.files[resolve(path, e.uri)]; f != nil && f.track != nil {
			return f
		}
	}
	if len(e.segment.parts) > 0 {
		if f := s.files[resolve(path, e.segment.parts[0].uri)]; f != nil && f.track != nil {
			return f
		}
	}
	return nil
}

// eachFile calls check for every file that could be read, with the parts and the
// segments of a playlist each in order.
func (s *session) eachFile(parts bool, check func(f *file)) {
	for _, path := range s.paths {
		for _, f := range s.filesOf(path, parts) {
			check(f)
		}
	}
}

// mediaRules are about whether what is listed is there.
var mediaRules = []rule{
	{"part.ready", func(s *session) {
		for _, f := range s.files {
			for _, a := range f.fetches {
				listed := !f.listed.IsZero() && !a.Sent.Before(f.listed) && !a.Sent.After(f.last)
				if listed && !f.gap && a.Status != http.StatusOK && a.Status != http.StatusPartialContent {
					s.fault(a, fmt.Sprintf("%d for what is listed", a.Status))
				}
			}
		}
	}},
	{"part.after", func(s *session) {
		s.checkAfter(true, func(f *file) time.Duration { return s.targets(f, 3) })
	}},
	{"seg.after", func(s *session) {
		s.checkAfter(false, func(f *file) time.Duration {
			longest := 0.0
			for _, p := range s.byPath[f.playlist] {
				if p.skipped == 0 {
					longest = max(longest, p.duration())
				}
			}
			return time.Duration((f.duration + longest) * float64(time.Second))
		})
	}},
}

func (s *session) targets(f *file, n float64) time.Duration {
	return time.Duration(n * s.byPath[f.playlist][0].target * float64(time.Second))
}

// checkAfter: what has left a playlist stays for a while.
func (s *session) checkAfter(parts bool, stays func(*file) time.Duration) {
	for _, f := range s.files {
		if f.isPart != parts || f.isInit || f.gap || f.removed.IsZero() {
			continue
		}
		for _, a := range f.fetches {
			if a.Sent.After(f.removed) && a.Done.Before(f.last.Add(stays(f))) && a.Status != http.StatusOK {
				s.fault(a, fmt.Sprintf("%d, %v after it was last listed", a.Status, a.Sent.Sub(f.last)))
			}
		}
	}
}

// bytesRules are about the bytes of parts, segments and init sections.
var bytesRules = []rule{
	{"media.init", func(s *session) {
		for _, f := range s.files {
			if !f.isInit || f.body == nil {
				continue
			}
			i := s.inits[f.path]
			if i == nil {
				s.fault(f.fetches[0], "it cannot be read")
				continue
			}
			if !strings.Contains(i.brands, "iso6") && !strings.Contains(i.brands, "cmfc") {
				s.fault(f.fetches[0], fmt.Sprintf("brands %q: want iso6 or cmfc", i.brands))
			}
			for _, fault := range i.faults {
				s.fault(f.fetches[0], fault)
			}
		}
	}},
	{"media.format", func(s *session) {
		for _, f := range s.files {
			init := s.initOf(f)
			switch {
			case f.body == nil || init == nil:
			case f.track == nil:
				s.fault(f.fetches[0], "it is no moof and mdat")
			case f.track.track != init.track:
				s.fault(f.fetches[0], fmt.Sprintf("track %d, the init section has %d", f.track.track, init.track))
			case len(f.track.faults) > 0:
				s.fault(f.fetches[0], f.track.faults[0])
			}
		}
	}},
	{"media.tfdt", func(s *session) {
		for _, path := range s.paths {
			s.checkContinuity(s.filesOf(path, true))
			s.checkContinuity(s.filesOf(path, false))
		}
	}},
	{"media.idr", func(s *session) {
		s.eachFile(false, func(f *file) {
			if !f.track.samples[0].sync && slices.ContainsFunc(f.track.samples, func(x sample) bool { return x.sync }) {
				s.fault(f.fetches[0], "its first picture cannot be decoded alone")
			}
		})
	}},
	{"seg.sync", func(s *session) {
		s.eachFile(false, func(f *file) {
			if !slices.ContainsFunc(f.track.samples, func(x sample) bool { return x.sync }) {
				s.fault(f.fetches[0], "it has no picture that can be decoded alone")
			}
		})
	}},
	{"media.closed", func(s *session) {
		s.eachFile(false, func(f *file) {
			for _, x := range f.track.samples {
				if x.pts < f.track.samples[0].pts {
					s.fault(f.fetches[0], "a picture is shown before the segment's first")
					return
				}
			}
		})
	}},
	{"seg.duration", func(s *session) {
		for _, path := range s.paths {
			s.checkDurations(s.filesOf(path, false))
		}
	}},
	{"part.duration", func(s *session) {
		s.eachFile(true, func(f *file) {
			if d := math.Abs(f.track.seconds() - f.duration); d > f.track.frame()+1e-3 {
				s.fault(f.fetches[0], fmt.Sprintf("DURATION is %v s, its samples last %.6f s", f.duration, f.track.seconds()))
			}
		})
	}},
	{"part.independent", func(s *session) {
		s.eachFile(true, func(f *file) {
			part := s.seen[f.playlist][f.msn].segment.parts[f.at.part]
			if part.independent != f.track.samples[0].sync {
				s.fault(f.fetches[0], fmt.Sprintf("INDEPENDENT is %v, its first picture can be decoded alone: %v", part.independent, f.track.samples[0].sync))
			}
		})
	}},
	{"seg.parts", func(s *session) { s.eachFile(false, s.checkWhole) }},
	{"http.immutable", func(s *session) {
		for _, f := range s.files {
			for _, a := range f.fetches {
				if a.Status == http.StatusOK && !slices.Contains(f.early(), a) && !bytes.Equal(a.Body, f.body) {
					s.fault(a, "another body than before")
				}
			}
		}
	}},
}

// checkContinuity: decode times go on to the tick (Apple's rule 7.3), inside a file
// and from one to the next, unless a discontinuity lies between.
func (s *session) checkContinuity(files []*file) {
	for i, f := range files {
		if f.track.holes > 0 {
			s.fault(f.fetches[0], "decode times have a hole inside")
		}
		if i == 0 {
			continue
		}
		last := files[i-1]
		follows := f.msn == last.msn && f.at.part == last.at.part+1 || f.msn == last.msn+1 && s.lastOf(last) && f.at.part == 0
		a, b := s.seen[f.playlist][last.msn], s.seen[f.playlist][f.msn]
		if follows && a.discs == b.discs && a.init == b.init && f.track.begin != last.track.end {
			s.fault(f.fetches[0], fmt.Sprintf("it begins at %d, the one before ended at %d", f.track.begin, last.track.end))
		}
	}
}

// lastOf says whether a file is a segment, or the last part of one.
func (s *session) lastOf(f *file) bool {
	e := s.seen[f.playlist][f.msn]
	return !f.isPart || e.closed && f.at.part+1 == uint64(len(e.segment.parts))
}

// checkDurations: the sum of any run of EXTINFs is true to a frame (Apple's rule
// 8.1).
func (s *session) checkDurations(files []*file) {
	sum, media := 0.0, 0.0
	for i, f := range files {
		if i > 0 && f.msn != files[i-1].msn+1 {
			sum, media = 0, 0
		}
		sum, media = sum+f.duration, media+f.track.seconds()
		if d := math.Abs(sum - media); d > f.track.frame()+1e-3 {
			s.fault(f.fetches[0], fmt.Sprintf("EXTINFs add up to %.6f s, the samples to %.6f s", sum, media))
			return
		}
	}
}

// checkWhole: a segment is its parts (3.2).
func (s *session) checkWhole(f *file) {
	e, init := s.seen[f.playlist][f.msn], s.initOf(f)
	var all []byte
	var samples []sample
	for _, part := range e.segment.parts {
		p := s.files[resolve(f.playlist, part.uri)]
		if part.gap || p == nil || p.track == nil {
			return // it cannot be told
		}
		_, media, _ := readFragment(p.body, init.scale)
		all = append(all, media...)
		samples = append(samples, p.track.samples...)
	}
	_, media, _ := readFragment(f.body, init.scale)
	if len(e.segment.parts) > 0 && e.closed && (!bytes.Equal(media, all) || !slices.Equal(samples, f.track.samples)) {
		s.fault(f.fetches[0], "other samples than its parts")
	}
}
