package packager_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
)

// A store keeps objects in memory. script, if not nil, is asked before each Put.
type store struct {
	mu      sync.Mutex // protects all below
	objects map[string][]byte
	options map[string]objstore.PutOptions
	most    map[string]int // rendition → the most Puts at once
	by      map[string]int
	script  func(ctx context.Context, key string) error
}

func newStore() *store {
	return &store{
		objects: map[string][]byte{}, options: map[string]objstore.PutOptions{},
		most: map[string]int{}, by: map[string]int{},
	}
}

func (s *store) Put(ctx context.Context, key string, body []byte, o objstore.PutOptions) error {
	rendition := strings.Split(key, "/")[1]
	s.mu.Lock()
	script := s.script
	s.by[rendition]++
	s.most[rendition] = max(s.most[rendition], s.by[rendition])
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.by[rendition]--
		s.mu.Unlock()
	}()
	if script != nil {
		if err := script(ctx, key); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key], s.options[key] = bytes.Clone(body), o
	return nil
}

// during changes the script.
func (s *store) during(script func(ctx context.Context, key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

func (s *store) get(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.objects[key]
	return body, ok
}

func (s *store) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

// hang waits for the end of ctx.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// slow waits for d.
func slow(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
