package ingest

import (
	"sync"
	"time"
)

// Bounds of what waits for a runner that is behind.
const (
	queueBytes = 64 << 20
	queueSpan  = 30 * time.Second
)

// audioSpan is how much sound stays where a publish without video is beyond the bounds: 2 s, in
// 90 kHz ticks.
const audioSpan = 2 * 90_000

// A frameQueue stands between the encoder, which is never blocked, and the stream to the runner,
// which may be. Beyond its bounds it goes on with the last keyframe that waits, because what is
// older would only make viewers later; where none waits, with the next that comes. Nothing goes
// out twice, and configurations are never lost. It is safe for concurrent use.
type frameQueue struct {
	maxBytes int
	maxSpan  int64 // 90 kHz ticks
	ready    chan struct{}

	mu      sync.Mutex // protects all below
	frames  []Frame
	bytes   int
	video   bool   // a picture has come
	waits   bool   // for a keyframe: other pictures are left out
	dropped uint64 // frames, so far
	closed  bool
	why     string
}

func newFrameQueue(maxBytes int, maxSpan time.Duration) *frameQueue {
	return &frameQueue{
		maxBytes: maxBytes,
		maxSpan:  int64(maxSpan / time.Millisecond * ticksPerMS),
		ready:    make(chan struct{}, 1),
	}
}

// push adds a frame, unless the queue is closed. It says how many frames the bounds made it drop
// now; those that come while it waits for a keyframe only lost counts.
func (q *frameQueue) push(f Frame) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0
	}
	if f.Kind == Video && !f.Config {
		q.video = true
		if q.waits && !f.Key {
			q.dropped++
			return 0
		}
		q.waits = false
	}
	q.frames = append(q.frames, f)
	q.bytes += len(f.Payload)
	if q.beyondLocked() {
		dropped = q.skipLocked()
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return dropped
}

func (q *frameQueue) beyondLocked() bool {
	return q.bytes > q.maxBytes || q.spanLocked() > q.maxSpan
}

// spanLocked is how much time waits. Configurations may be as old as the publish: they do not count.
func (q *frameQueue) spanLocked() int64 {
	for _, f := range q.frames {
		if !f.Config {
			return q.frames[len(q.frames)-1].DTS - f.DTS
		}
	}
	return 0
}

// skipLocked drops what stands before the point from which the queue can go on.
func (q *frameQueue) skipLocked() (dropped int) {
	before := len(q.frames)
	q.cutLocked(q.restartLocked())
	if q.beyondLocked() { // by a group of pictures that is too long itself
		q.cutLocked(len(q.frames))
	}
	q.waits = q.video && q.keyLocked() < 0
	dropped = before - len(q.frames)
	q.dropped += uint64(dropped) //nolint:gosec // never negative: only a configuration stays of what is cut
	return dropped
}

// restartLocked is the index of the frame from which the queue can go on: the last keyframe; without
// any, the end of the queue, and without video the last of its sound.
func (q *frameQueue) restartLocked() int {
	if key := q.keyLocked(); key >= 0 {
		return key
	}
	n := len(q.frames)
	if q.video {
		return n
	}
	from := n
	for from > 0 && q.frames[n-1].DTS-q.frames[from-1].DTS < audioSpan {
		from--
	}
	return from
}

// keyLocked is the index of the last keyframe, -1 without any.
func (q *frameQueue) keyLocked() int {
	for i := len(q.frames) - 1; i >= 0; i-- {
		if q.frames[i].Key && !q.frames[i].Config {
			return i
		}
	}
	return -1
}

// cutLocked drops the frames before index from, but keeps the newest configuration of each kind, and
// the sound that came before the keyframe there but belongs beside or after it.
func (q *frameQueue) cutLocked(from int) {
	var configs [Audio + 1]*Frame
	var kept []Frame
	for _, f := range q.frames[:from] {
		switch {
		case f.Config:
			configs[f.Kind] = &f
		case f.Kind == Audio && from < len(q.frames) && q.frames[from].Key && f.DTS >= q.frames[from].DTS:
			kept = append(kept, f)
		}
	}
	all := make([]Frame, 0, 2+len(kept)+len(q.frames)-from)
	for _, c := range configs {
		if c != nil {
			all = append(all, *c)
		}
	}
	q.frames = append(append(all, kept...), q.frames[from:]...)
	q.bytes = 0
	for _, f := range q.frames {
		q.bytes += len(f.Payload)
	}
}

// pop waits for a frame; false means that the queue is closed and empty. It is for one goroutine.
func (q *frameQueue) pop() (Frame, bool) {
	for {
		q.mu.Lock()
		if len(q.frames) > 0 {
			f := q.frames[0]
			q.frames[0] = Frame{}
			q.frames = q.frames[1:]
			q.bytes -= len(f.Payload)
			q.mu.Unlock()
			return f, true
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return Frame{}, false
		}
		<-q.ready
	}
}

// close lets pop drain the queue and then end. Only its first call says why.
func (q *frameQueue) close(why string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed, q.why = true, why
	close(q.ready)
}

func (q *frameQueue) reason() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.why
}

// lost counts all frames that were left out so far.
func (q *frameQueue) lost() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
