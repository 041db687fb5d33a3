package packager

import (
	"errors"
	"testing"
	"time"
)

func TestHedge_WhatIsLong(t *testing.T) {
	t.Parallel()
	const first = 333 * time.Millisecond
	tests := []struct {
		name string
		took func(i int) time.Duration
		n    int
		want time.Duration
	}{
		{"nothing is known", nil, 0, first},
		{"too little is known", func(int) time.Duration { return 10 * time.Millisecond }, hedgeKnown - 1, first},
		{"all take the same", func(int) time.Duration { return 80 * time.Millisecond }, hedgeKnown, 100 * time.Millisecond},
		{"all are quick", func(int) time.Duration { return time.Millisecond }, hedgeKnown, hedgeLeast},
		{"a few stragglers", func(i int) time.Duration {
			if i%32 == 0 {
				return 5 * time.Second
			}
			return 80 * time.Millisecond
		}, hedgeSamples, 100 * time.Millisecond},
		{"the last ones count", func(i int) time.Duration {
			if i < hedgeSamples {
				return 5 * time.Second
			}
			return 80 * time.Millisecond
		}, 2 * hedgeSamples, 100 * time.Millisecond},
	}
	for _, tt := range tests {
		h := newHedge(first)
		for i := range tt.n {
			h.done(tt.took(i), nil)
		}
		if got := h.begin(); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestHedge_AtMostATenthMore(t *testing.T) {
	t.Parallel()
	h := newHedge(time.Second)
	sent := 0
	for range 1000 {
		h.begin()
		if h.allow() {
			sent++
		}
	}
	if sent < 99 || sent > 100+hedgeBurst {
		t.Errorf("%d second requests for 1000, want a tenth", sent)
	}
	for range 1000 { // a quiet time saves up no more than the burst
		h.begin()
	}
	burst := 0
	for burst < 100 && h.allow() {
		burst++
	}
	if burst != hedgeBurst {
		t.Errorf("%d second requests at once after a quiet time, want %d", burst, hedgeBurst)
	}
}

func TestHedge_NoneWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	h := newHedge(time.Second)
	for range 20 {
		h.begin()
	}
	for range hedgeFailing {
		h.done(0, errors.New("503"))
	}
	if h.allow() {
		t.Error("a second request was sent to a store that fails")
	}
	for range 16 {
		h.done(time.Millisecond, nil)
	}
	if !h.allow() {
		t.Error("none was sent once the store was well again")
	}
}
