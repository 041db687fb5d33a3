package hls

import "time"

// Kind is the media type of a rendition.
type Kind uint8

// The kinds of renditions.
const (
	Video Kind = iota + 1
	Audio
)

// The values of Rendition.VideoRange (the draft, 4.4.6.2).
const (
	SDR = "SDR"
	PQ  = "PQ"
	HLG = "HLG"
)

// A Rendition is one media playlist of a broadcast. Its set and all its fields
// are fixed for the life of the broadcast, but for the numbers, which say where
// a term begins, and the bit rates, of which the first Take's stand.
type Rendition struct {
	Name             string // "source", "audio", "720p30": a path element
	Kind             Kind
	Codecs           string  // RFC 6381: "avc1.64001f", "mp4a.40.2"
	Width, Height    int     // pixels; 0 for audio
	FrameRate        float64 // the most frames in a second; 0 for audio
	Bandwidth        int     // peak bits per second
	AverageBandwidth int     // bits per second
	Channels         int     // audio
	SampleRate       int     // audio, Hz
	VideoRange       string  // SDR, PQ or HLG; "" is SDR
	NextPart         uint64  // the number of the term's first part
	NextMSN          uint64  // the media sequence number of the term's first segment
}

// An Event is one change of a broadcast: Take, Part, Close, Object, Gap or End
// in its feed, and Segment in the list of older segments. Numbers are carried,
// never inferred; times are media time since the anchor.
type Event interface{ event() }

// Take opens a term: all that a reader or a successor needs. Its durations
// never change in the life of a broadcast.
type Take struct {
	Renditions     []Rendition
	TargetDuration time.Duration // whole seconds
	PartTarget     time.Duration
	Window         time.Duration // how far back a viewer can seek
	Anchor         time.Time     // the date of media time zero
}

// A Part is readable in the bucket from the moment its event is seen.
type Part struct {
	Rendition     int    // index into Take.Renditions
	Number        uint64 // counted through the whole broadcast, per rendition, without holes
	MSN           uint64 // of the segment that it belongs to
	Start         time.Duration
	Duration      time.Duration
	Independent   bool   // starts with a picture that can be decoded alone
	Size          int64  // bytes
	Init          string // the hash in init-{hash}.mp4, in force for its segment
	Discontinuity bool   // its segment begins with a discontinuity
	Term          uint64 // in its object's key

	// DiscontinuitySequence is how many discontinuities there have been in its
	// rendition, its segment's own among them.
	DiscontinuitySequence uint64
}

// Gap is a part that viewers will never get: it has no object.
type Gap Part

// Close ends the open segment of a rendition. It comes after its last part.
type Close struct {
	Rendition int
	MSN       uint64
	Duration  time.Duration
}

// Object says that the object of a closed segment is durable.
type Object struct {
	Rendition int
	MSN       uint64
	Size      int64 // bytes
	Term      uint64
}

// End ends the broadcast: every playlist gets its ENDLIST.
type End struct{ Reason string }

// A Segment is a closed, durable segment as a whole: an item of the list of
// older segments, which has no parts any more.
type Segment struct {
	Rendition     int
	MSN           uint64
	Start         time.Duration
	Duration      time.Duration
	Size          int64
	Init          string
	Discontinuity bool
	Gap           bool // none of it is available
	Term          uint64

	DiscontinuitySequence uint64 // as a Part's
}

func (Take) event()    {}
func (Part) event()    {}
func (Gap) event()     {}
func (Close) event()   {}
func (Object) event()  {}
func (End) event()     {}
func (Segment) event() {}
