package main

import (
	"context"
	"sync"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/runner/broadcast"
)

// puts is a store that notes when each object's upload began and ended. It is safe for concurrent
// use.
type puts struct {
	broadcast.Store

	mu    sync.Mutex // protects byKey
	byKey map[string]put
}

type put struct{ began, ended time.Time }

func watchPuts(s broadcast.Store) *puts { return &puts{Store: s, byKey: map[string]put{}} }

// Put stores body as the store behind does.
func (p *puts) Put(ctx context.Context, key string, body []byte, o objstore.PutOptions) error {
	began := time.Now()
	err := p.Store.Put(ctx, key, body, o)
	ended := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byKey[key] = put{began, ended}
	return err
}

func (p *puts) of(key string) (put, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, ok := p.byKey[key]
	return u, ok
}
