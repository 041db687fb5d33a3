package pool_test

import (
	"errors"
	"testing"

	"github.com/pharos-live/pharos/pool"
)

func TestMemoryLedger_SwapsOnlyWhatItKnows(t *testing.T) {
	t.Parallel()
	l := pool.NewMemoryLedger()
	if doc, version, err := l.Load(t.Context(), "p"); doc != nil || version != "" || err != nil {
		t.Fatalf("empty: got %q, version %q, error %v; want nothing", doc, version, err)
	}
	first, err := l.Swap(t.Context(), "p", "", []byte("one"))
	if err != nil {
		t.Fatalf("first swap: %v", err)
	}
	for _, stale := range []string{"", "7"} {
		if _, err := l.Swap(t.Context(), "p", stale, []byte("two")); !errors.Is(err, pool.ErrConflict) {
			t.Errorf("version %q: got %v, want ErrConflict", stale, err)
		}
	}
	second, err := l.Swap(t.Context(), "p", first, []byte("two"))
	if err != nil || second == first {
		t.Errorf("got version %q, error %v; want another than %q", second, err, first)
	}
	doc, version, err := l.Load(t.Context(), "p")
	if string(doc) != "two" || version != second || err != nil {
		t.Errorf("got %q, version %q, error %v; want two, %q", doc, version, err, second)
	}
	if doc, _, _ := l.Load(t.Context(), "another"); doc != nil {
		t.Errorf("another pool: got %q, want nothing", doc)
	}
}
