package ingest

// Bounds of a GOP.
const (
	DefaultGOPBytes = 64 << 20
	maxGOPFrames    = 36_000 // almost six minutes of 60 fps video and 48 kHz audio
)

// audioWindow is how much sound is kept while there is no video, in 90 kHz ticks: 2 s.
const audioWindow = 2 * 90_000

// A GOP keeps the frames since the last keyframe, so that a broadcast can start there and not at
// the next one. It is not safe for concurrent use; the frames' payloads are shared, not copied.
//
// A group of pictures beyond the bounds is dropped whole and counted, since a part of one is of no
// use; then nothing is kept until the next keyframe. As long as there is no video at all, the last
// two seconds of sound are kept.
type GOP struct {
	maxBytes int

	configs  [Audio + 1]*Frame // as of the first of frames
	frames   []Frame           // since the last keyframe, and configurations that changed within
	bytes    int
	video    bool // a picture or a video configuration has been seen
	keyed    bool // frames begins with a keyframe
	overflow uint64
}

// NewGOP returns an empty GOP that holds at most maxBytes of payloads; 0 = DefaultGOPBytes.
func NewGOP(maxBytes int) *GOP {
	if maxBytes == 0 {
		maxBytes = DefaultGOPBytes
	}
	return &GOP{maxBytes: maxBytes}
}

// Add takes the next frame of the publish.
func (g *GOP) Add(f Frame) {
	g.video = g.video || f.Kind == Video
	switch {
	case f.Config:
		g.addConfig(f)
	case f.Key:
		g.restart(f)
	case f.Kind == Video && !g.keyed:
		// cannot be decoded
	case g.video && !g.keyed && g.overflow > 0:
		// waiting for the next keyframe
	default:
		g.append(f)
		g.trimAudio()
	}
	if len(g.frames) > maxGOPFrames || g.bytes > g.maxBytes {
		g.overflow++
		g.settle()
		g.frames, g.bytes, g.keyed = nil, 0, false
	}
}

// Frames returns the configurations, then the frames since the last keyframe, in order.
func (g *GOP) Frames() []Frame {
	all := make([]Frame, 0, len(g.frames)+2)
	for _, kind := range []Kind{Video, Audio} {
		if c := g.configs[kind]; c != nil {
			all = append(all, *c)
		}
	}
	return append(all, g.frames...)
}

// Overflows returns how many groups of pictures were dropped for being beyond the bounds.
func (g *GOP) Overflows() uint64 { return g.overflow }

// addConfig puts the first configuration of a kind in front, and a change where it happened.
func (g *GOP) addConfig(f Frame) {
	if g.configs[f.Kind] == nil || len(g.frames) == 0 {
		g.configs[f.Kind] = &f
		return
	}
	g.append(f)
}

// restart begins anew with a keyframe. Sound that belongs beside or after it, but came earlier,
// stays.
func (g *GOP) restart(key Frame) {
	g.settle()
	before := g.frames
	g.frames, g.bytes, g.keyed = nil, 0, true
	g.append(key)
	for _, f := range before {
		if f.Kind == Audio && !f.Config && f.DTS >= key.DTS {
			g.append(f)
		}
	}
}

// settle moves configurations that changed on the way to the front: what follows is theirs.
func (g *GOP) settle() {
	for _, f := range g.frames {
		if f.Config {
			g.configs[f.Kind] = &f
		}
	}
}

func (g *GOP) append(f Frame) {
	g.frames = append(g.frames, f)
	g.bytes += len(f.Payload)
}

// trimAudio forgets old sound while there is no keyframe to begin at.
func (g *GOP) trimAudio() {
	if g.keyed {
		return
	}
	last := g.frames[len(g.frames)-1].DTS
	for len(g.frames) > 0 {
		f := g.frames[0]
		if !f.Config && last-f.DTS <= audioWindow {
			return
		}
		if f.Config {
			g.configs[f.Kind] = &f
		}
		g.bytes -= len(f.Payload)
		g.frames = g.frames[1:]
	}
}
