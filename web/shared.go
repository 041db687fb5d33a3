package web

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

const (
	// maxFetches is how many objects are read at once: what these may take comes on top of the bound in
	// bytes.
	maxFetches = 32
	// keptShare is the part of the bound that one object may take and still be kept, as a divisor.
	keptShare = 8
)

var (
	errFetchTime = errors.New("the bucket did not answer in time")
	errLeft      = errors.New("nobody waits for it any more")
)

// A shared keeps bytes that many ask for at the same time. Each is loaded once, for all who ask; then it is
// kept, within a bound in bytes, until others have been asked for more recently. What is larger than an
// eighth of the bound is served to those who wait, and not kept. An error is told to those who wait, and
// forgotten. It is safe for concurrent use; nobody may change the bytes.
type shared struct {
	max   int           // bytes
	slots chan struct{} // one for each load under way

	mu      sync.Mutex // protects all below
	kept    map[string]*list.Element
	order   *list.List // of *item, the most recently used first
	bytes   int        // of what is kept
	loading map[string]*load
}

type item struct {
	name string
	body []byte
}

// A load is bytes on their way. body and err are set before done is closed.
type load struct {
	done    chan struct{}
	body    []byte
	err     error
	waiting int // guarded by shared.mu
	cancel  context.CancelCauseFunc
}

func newShared(bytes int) *shared {
	return &shared{
		max: bytes, slots: make(chan struct{}, maxFetches),
		kept: map[string]*list.Element{}, order: list.New(), loading: map[string]*load{},
	}
}

// get returns the bytes of that name, which fetch loads where they are not there. It blocks until they are,
// or until ctx ends. fetch's context ends after 15 s, and when the last who waited has left.
func (s *shared) get(ctx context.Context, name string, fetch func(context.Context) ([]byte, error)) ([]byte, error) {
	s.mu.Lock()
	if e, ok := s.kept[name]; ok {
		s.order.MoveToFront(e)
		s.mu.Unlock()
		return e.Value.(*item).body, nil
	}
	l, ok := s.loading[name]
	if !ok {
		l = s.startLocked(ctx, name, fetch)
	}
	l.waiting++
	s.mu.Unlock()
	select {
	case <-l.done:
		return l.body, l.err
	case <-ctx.Done():
		s.leave(name, l)
		return nil, context.Cause(ctx)
	}
}

// startLocked begins a load, which outlives the request that asked first.
func (s *shared) startLocked(ctx context.Context, name string, fetch func(context.Context) ([]byte, error)) *load {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	l := &load{done: make(chan struct{}), cancel: cancel}
	s.loading[name] = l
	go func() {
		defer cancel(nil)
		ctx, stop := context.WithTimeoutCause(ctx, fetchTime, errFetchTime)
		defer stop()
		body, err := s.fetch(ctx, fetch)
		s.finish(name, l, body, err)
	}()
	return l
}

func (s *shared) fetch(ctx context.Context, fetch func(context.Context) ([]byte, error)) ([]byte, error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-s.slots }()
	return fetch(ctx)
}

// finish hands a load to those who wait, and keeps it.
func (s *shared) finish(name string, l *load, body []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.body, l.err = body, err
	defer close(l.done)
	if s.loading[name] == l {
		delete(s.loading, name)
	}
	if err == nil && len(body) <= s.max/keptShare && s.kept[name] == nil {
		s.keepLocked(name, body)
	}
}

func (s *shared) keepLocked(name string, body []byte) {
	s.kept[name] = s.order.PushFront(&item{name, body})
	s.bytes += len(body)
	for s.bytes > s.max {
		last := s.order.Remove(s.order.Back()).(*item)
		delete(s.kept, last.name)
		s.bytes -= len(last.body)
	}
}

// leave ends the load that nobody waits for, and returns once it has ended. Whoever comes meanwhile begins
// another.
func (s *shared) leave(name string, l *load) {
	s.mu.Lock()
	l.waiting--
	last := l.waiting == 0 && s.loading[name] == l
	if last {
		delete(s.loading, name)
	}
	s.mu.Unlock()
	if last {
		l.cancel(errLeft)
		<-l.done
	}
}
