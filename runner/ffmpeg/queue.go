package ffmpeg

import (
	"errors"
	"sync"
)

var (
	// ErrBehind says that a frame was left out, because ffmpeg is behind by a full queue, or because a
	// frame that it depends on was left out. Nothing is broken: writing goes on, and the next keyframe
	// that finds room is taken.
	ErrBehind = errors.New("ffmpeg is behind: frame left out")
	// ErrClosed says that the input is closed: by CloseInput, or because ffmpeg has ended.
	ErrClosed = errors.New("input of ffmpeg is closed")
)

// A queue holds frames that ffmpeg has not read yet. It is bounded in frames and bytes. When a frame
// finds no room, it and all that follow are refused until a keyframe fits, so that what is in the
// queue can always be decoded.
type queue struct {
	ch       chan Packet
	maxBytes int64

	mu     sync.Mutex // protects what follows
	bytes  int64
	closed bool
	broken bool // frames are refused until a keyframe fits; so it begins
	stats  QueueStats
}

// QueueStats counts what Write did. Frames and Bytes wait at this moment.
type QueueStats struct {
	Frames  int
	Bytes   int64
	Taken   uint64 // frames accepted
	Dropped uint64 // frames left out for want of room, and those that depend on them
}

func newQueue(frames int, bytes int64) *queue {
	return &queue{ch: make(chan Packet, frames), maxBytes: bytes, broken: true}
}

// push adds p or returns ErrBehind or ErrClosed. It never blocks.
func (q *queue) push(p Packet) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	size := int64(len(p.Data))
	if q.broken && !p.Key || q.bytes+size > q.maxBytes || len(q.ch) == cap(q.ch) {
		q.broken = true
		q.stats.Dropped++
		return ErrBehind
	}
	q.broken = false
	q.bytes += size
	q.stats.Taken++
	q.ch <- p // There is room: push alone fills the channel, under the lock.
	return nil
}

// pop waits for the next frame; false means that the queue is closed and empty.
func (q *queue) pop() (Packet, bool) {
	p, ok := <-q.ch
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= int64(len(p.Data))
	return p, ok
}

// close ends the queue: what is in it can still be popped. It may be called again.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.ch)
	}
}

func (q *queue) snapshot() QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Frames, s.Bytes = len(q.ch), q.bytes
	return s
}
