package pool

import (
	"context"
	"strconv"
	"sync"
)

// A Ledger is what a pool's parents agree on: one small document per pool, changed
// by compare-and-swap alone. Its methods are safe for concurrent use.
type Ledger interface {
	// Load returns the document and its version; nil and "" where there is none.
	Load(ctx context.Context, pool string) (doc []byte, version string, err error)
	// Swap replaces the document, if version is still the current one, and returns
	// the next; else ErrConflict. The version "" means that there is none yet.
	Swap(ctx context.Context, pool, version string, doc []byte) (next string, err error)
}

// MemoryLedger is a Ledger of this process.
type MemoryLedger struct {
	mu   sync.Mutex // protects docs
	docs map[string]memoryDoc
}

type memoryDoc struct {
	data    []byte
	version int
}

var _ Ledger = (*MemoryLedger)(nil)

// NewMemoryLedger returns an empty ledger. It knows of this process alone.
func NewMemoryLedger() *MemoryLedger { return &MemoryLedger{docs: map[string]memoryDoc{}} }

// Load implements Ledger. It never fails.
func (l *MemoryLedger) Load(_ context.Context, pool string) ([]byte, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.docs[pool]
	if !ok {
		return nil, "", nil
	}
	return append([]byte(nil), d.data...), strconv.Itoa(d.version), nil
}

// Swap implements Ledger. It fails with ErrConflict alone.
func (l *MemoryLedger) Swap(_ context.Context, pool, version string, doc []byte) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.docs[pool]
	current := ""
	if ok {
		current = strconv.Itoa(d.version)
	}
	if version != current {
		return "", ErrConflict
	}
	d = memoryDoc{data: append([]byte(nil), doc...), version: d.version + 1}
	l.docs[pool] = d
	return strconv.Itoa(d.version), nil
}
