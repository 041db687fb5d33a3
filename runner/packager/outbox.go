package packager

import (
	"log/slog"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
)

// Bounds of what a rendition's outbox holds for upload.
const (
	maxParts    = 128      // parts that wait for their upload; one more is a gap at once
	maxBytes    = 64 << 20 // of these parts, in bytes
	maxSegments = 8        // segments whose objects are not durable yet; beyond, the oldest that waits is given up
)

// An entry is a part, a gap or the end of a segment on its way to being announced.
type entry struct {
	event    hls.Event // what is announced
	gap      hls.Event // what is announced instead, once deadline has passed; nil: event is announced at once
	init     *sectionJob
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

// A sectionJob is an init section on its way to being durable.
type sectionJob struct {
	*section
	durable bool
}

// A segmentJob is a closed segment on its way to being one object.
type segmentJob struct {
	record   hls.Segment
	cut      uint64
	bodies   [][]byte // its parts; none: all of it is a gap
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
	parts    []*entry // to be uploaded, oldest first
	bytes    int      // of parts and of what is being uploaded
	sections []*sectionJob
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

func (o *outbox) sectionLocked(s *section) *sectionJob {
	for _, j := range o.sections {
		if j.section == s {
			return j
		}
	}
	j := &sectionJob{section: s}
	o.sections = append(o.sections, j)
	o.changedLocked()
	return j
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
	if len(j.bodies) == 0 {
		j.state = jobLost
	}
	o.segments = append(o.segments, &j)
	o.boundSegmentsLocked()
	o.changedLocked()
}

// boundSegmentsLocked gives up the oldest segment that waits if there are too many.
func (o *outbox) boundSegmentsLocked() {
	unsaved, oldest := 0, (*segmentJob)(nil)
	for _, j := range o.segments {
		if j.state == jobWaits && oldest == nil {
			oldest = j
		}
		if j.state == jobWaits || j.state == jobRuns {
			unsaved++
		}
	}
	if unsaved > maxSegments && oldest != nil {
		o.loseLocked(oldest)
	}
}

// loseLocked gives up a segment's object.
func (o *outbox) loseLocked(j *segmentJob) {
	j.state, j.bodies = jobLost, nil
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
