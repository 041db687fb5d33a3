package main

import (
	"net/http"
	"strconv"
	"sync"
)

// A longPoll is the least that can be done: a handler that waits for a channel to be closed, and
// then writes bytes that are there.
type longPoll struct {
	mu      sync.Mutex // protects all below
	body    []byte
	changed chan struct{} // closed and replaced by every publish
}

func newLongPoll() *longPoll { return &longPoll{changed: make(chan struct{})} }

func (l *longPoll) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	changed := l.changed
	l.mu.Unlock()
	select {
	case <-changed:
	case <-r.Context().Done():
		return
	}
	l.mu.Lock()
	body := l.body
	l.mu.Unlock()
	w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the viewer has left: nothing to do about it
}

// publish answers all who wait.
func (l *longPoll) publish(body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.body = body
	close(l.changed)
	l.changed = make(chan struct{})
}
