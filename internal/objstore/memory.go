package objstore

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a Store in memory, for tests: it can be slow and can fail. The zero value is an
// empty store that is neither. It keeps time plainly, so that it works in synctest bubbles.
type Memory struct {
	// Delay is how long a Put, a Get, or the Delete of a key takes; nil = no time. It and Fail are
	// called without a lock, together with themselves, and must be set before the store is used.
	Delay func(key string) time.Duration
	// Fail is asked once the delay has passed; an error fails the operation, which then has done
	// nothing. nil = never.
	Fail func(key string) error

	mu      sync.Mutex // guards objects
	objects map[string]memoryObject
}

// memoryObject is never changed, only replaced: its body may be read without the lock.
type memoryObject struct {
	body     []byte
	modified time.Time
}

var _ Store = (*Memory)(nil)

// Put stores a copy of body under key.
func (m *Memory) Put(ctx context.Context, key string, body []byte, _ PutOptions) error {
	if err := m.begin(ctx, key); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil {
		m.objects = make(map[string]memoryObject)
	}
	m.objects[key] = memoryObject{bytes.Clone(body), time.Now()}
	return nil
}

// Get returns a copy of the object under key.
func (m *Memory) Get(ctx context.Context, key string) ([]byte, error) {
	o, err := m.get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	if len(o.body) > MaxGet {
		return nil, fmt.Errorf("get %q: %w", key, ErrTooLarge)
	}
	return bytes.Clone(o.body), nil
}

func (m *Memory) get(ctx context.Context, key string) (memoryObject, error) {
	if err := m.begin(ctx, key); err != nil {
		return memoryObject{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return memoryObject{}, ErrNotFound
	}
	return o, nil
}

// Delete removes the objects under keys, one after another.
func (m *Memory) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := m.begin(ctx, key); err != nil {
			return fmt.Errorf("delete %q: %w", key, err)
		}
		m.mu.Lock()
		delete(m.objects, key)
		m.mu.Unlock()
	}
	return nil
}

// List calls fn for the objects there were when it was called, in the order of their keys.
func (m *Memory) List(ctx context.Context, prefix string, fn func(Object) bool) error {
	if err := validPrefix(prefix); err != nil {
		return err
	}
	for _, o := range m.snapshot(prefix) {
		if ctx.Err() != nil {
			return fmt.Errorf("list %q: %w", prefix, context.Cause(ctx))
		}
		if !fn(o) {
			return nil
		}
	}
	return nil
}

func (m *Memory) snapshot(prefix string) []Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Object
	for key, o := range m.objects {
		if strings.HasPrefix(key, prefix) {
			all = append(all, Object{Key: key, Size: int64(len(o.body)), ModTime: o.modified})
		}
	}
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// URL returns the path under MediaPath at which Handler serves key.
func (m *Memory) URL(key string, _ time.Time) (string, error) {
	return mediaURL(key)
}

// Check passes unless Fail fails it.
func (m *Memory) Check(ctx context.Context) error {
	if err := check(ctx, m); err != nil {
		return fmt.Errorf("media in memory: %w", err)
	}
	return nil
}

// Handler serves the objects under MediaPath; it must be given whole paths. Delay and Fail apply.
func (m *Memory) Handler() http.Handler {
	return mediaHandler(func(ctx context.Context, key string) (content, error) {
		o, err := m.get(ctx, key)
		if err != nil {
			return content{}, err
		}
		return content{bytes.NewReader(o.body), o.modified, func() error { return nil }}, nil
	})
}

// begin is the time that an operation on key takes, and its failures.
func (m *Memory) begin(ctx context.Context, key string) error {
	if err := ready(ctx, key); err != nil {
		return err
	}
	if m.Delay != nil {
		if err := sleep(ctx, m.Delay(key)); err != nil {
			return err
		}
	}
	if m.Fail != nil {
		return m.Fail(key)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
