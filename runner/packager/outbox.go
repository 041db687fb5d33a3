package packager

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// Bounds of what a rendition's outbox holds for upload.
const (
	maxParts        = 128      // parts that wait for their upload; one more is a gap at once
	maxBytes        = 64 << 20 // of these parts, in bytes
	maxSegments     = 8        // segments whose objects are not durable yet; beyond, the oldest that waits is given up
	maxSegmentBytes = 64 << 20 // of these segments, in bytes; beyond, likewise
	maxSections     = 16       // init sections that are not durable yet; beyond, the oldest that waits is given up
)

// An entry is a part, a gap or the end of a segment on its way to being announced.
type entry struct {
	event    hls.Event // what is announced
	gap      hls.Event // what is announced instead, once deadline has passed; nil: event is announced at once
	init     *section
	deadline time.Time
	durable  bool

	key  string
	body []byte // until it is durable or late
}

// settled tells whether an entry can be announced, and as what.
func (e *entry) settled(now time.Time) (hls.Event, bool) {
	switch {
	case e.gap == nil || e.durable && e.init.durable:
		return e.event, true
	case !now.Before(e.deadline):
		return e.gap, true
	}
	return nil, false
}

// A segmentJob is a closed segment on its way to being one object.
type segmentJob struct {
	record   hls.Segment
	cut      uint64
	init     *section // in force for it
	bodies   [][]byte // its parts; none: all of it is a gap
	bytes    int      // of these, until they are stored or given up
	deadline time.Time
	state    jobState
	size     int64
	listed   bool // its Close has been announced
}

type jobState uint8

const (
	jobWaits jobState = iota
	jobRuns
	jobDurable
	jobLost
)

// An outbox is what one rendition has to upload and to announce. Builders put in and never wait; the
// goroutines of run take out.
//
//	addPart, addGap, closeSegment ─▶ entries ───in order, once settled───▶ announcer ─▶ Announce, Older
//	                                    └─▶ parts, sections, segments ─▶ uploaders ─▶ Store
type outbox struct {
	name   string // of the rendition
	config Config
	store  Store
	stats  *Stats
	log    *slog.Logger

	partHedge, segmentHedge *hedge
	sending                 sync.WaitGroup // requests under way

	mu       sync.Mutex // protects all below
	entries  []*entry
	parts    []*entry      // to be uploaded, oldest first
	bytes    int           // of parts and of what is being uploaded
	sections []*section    // not durable yet, oldest first
	segments []*segmentJob // closed and not recorded yet, oldest first
	late     bool          // the last part became a gap
	ended    bool
	changed  chan struct{} // closed and replaced by every change
}

func newOutbox(name string, c Config, store Store, stats *Stats, log *slog.Logger) *outbox {
	return &outbox{
		name: name, config: c, store: store, stats: stats,
		log:     log.With("rendition", name),
		changed: make(chan struct{}),

		partHedge: newHedge(c.Part), segmentHedge: newHedge(c.TargetDuration / 2),
	}
}

// changedLocked wakes all who wait.
func (o *outbox) changedLocked() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// addSection uploads an init section. Parts name it afterwards.
func (o *outbox) addSection(s *section) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sectionLocked(s)
}

// sectionLocked puts an init section in line for its upload, unless it was before. Beyond the bound the
// oldest that waits is given up, and with it what needs it: a source whose format changes all the time
// while the store is away.
func (o *outbox) sectionLocked(s *section) *section {
	if s.queued {
		return s
	}
	s.queued = true
	o.sections = append(o.sections, s)
	if len(o.sections) > maxSections {
		oldest := o.sections[1] // the first is being uploaded
		oldest.lost = true
		o.sections = slices.Delete(o.sections, 1, 2)
		o.log.Warn("init section is lost for good, and all that it is for", "init", oldest.hash)
	}
	o.changedLocked()
	return s
}

// addPart takes a part that was closed now. Beyond the bounds it becomes a gap.
func (o *outbox) addPart(p hls.Part, init *section, body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := &entry{
		event: p, gap: hls.Gap(p), init: o.sectionLocked(init),
		deadline: time.Now().Add(o.config.partDeadline()),
		key:      hls.PartKey(o.config.Broadcast, o.name, p.Number, o.config.Term),
		body:     body,
	}
	o.entries = append(o.entries, e)
	if len(o.parts) >= maxParts || o.bytes+len(body) > maxBytes {
		e.deadline, e.body = time.Time{}, nil
	} else {
		o.parts = append(o.parts, e)
		o.bytes += len(body)
	}
	o.changedLocked()
}

// addGap takes a part of which nothing came in.
func (o *outbox) addGap(p hls.Part) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries = append(o.entries, &entry{event: hls.Gap(p)})
	o.changedLocked()
}

// closeSegment takes a segment whose last part has been added.
func (o *outbox) closeSegment(j segmentJob) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := j.record
	o.entries = append(o.entries, &entry{event: hls.Close{Rendition: r.Rendition, MSN: r.MSN, Duration: r.Duration}})
	j.deadline = time.Now().Add(o.config.segmentDeadline())
	for _, b := range j.bodies {
		j.bytes += len(b)
	}
	if len(j.bodies) == 0 {
		j.state = jobLost
	}
	o.segments = append(o.segments, &j)
	o.boundSegmentsLocked()
	o.changedLocked()
}

// boundSegmentsLocked gives up the oldest segments that wait while there are too many, or too large ones.
func (o *outbox) boundSegmentsLocked() {
	unsaved, bytes := 0, 0
	for _, j := range o.segments {
		if j.state == jobWaits || j.state == jobRuns {
			unsaved, bytes = unsaved+1, bytes+j.bytes
		}
	}
	for _, j := range o.segments {
		if unsaved <= maxSegments && bytes <= maxSegmentBytes {
			return
		}
		if j.state == jobWaits {
			unsaved, bytes = unsaved-1, bytes-j.bytes
			o.loseLocked(j)
		}
	}
}

// loseLocked gives up a segment's object.
func (o *outbox) loseLocked(j *segmentJob) {
	j.state, j.bodies, j.bytes = jobLost, nil, 0
	o.stats.Lost.Add(1)
	o.log.Warn("segment is lost for good", "msn", j.record.MSN)
}

// end says that nothing more is put in.
func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.changedLocked()
}

// oldest is the cut of the oldest segment that is neither durable nor lost. It says false if there
// is none among those closed.
func (o *outbox) oldest() (uint64, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, j := range o.segments {
		if j.state == jobWaits || j.state == jobRuns {
			return j.cut, true
		}
	}
	return 0, false
}
