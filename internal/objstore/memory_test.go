package objstore_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/objstore/objstoretest"
)

func TestMemory_Conforms(t *testing.T) {
	t.Parallel()
	objstoretest.Run(t, func(*testing.T) objstore.Store { return new(objstore.Memory) })
}

func TestMemory_TakesItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &objstore.Memory{Delay: func(key string) time.Duration {
			if key == "slow" {
				return time.Minute
			}
			return 0
		}}
		start := time.Now()
		if err := m.Put(t.Context(), "slow", nil, objstore.PutOptions{}); err != nil || time.Since(start) != time.Minute {
			t.Errorf("Put: %v after %v, want nil after 1m", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := m.Get(ctx, "slow"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Get: %v after %v, want %v after 1s", err, time.Since(start), context.DeadlineExceeded)
		}
	})
}

func TestMemory_AFailedPutHasDoneNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is full")
	m := &objstore.Memory{Fail: func(key string) error {
		if key == "b/fails" {
			return broken
		}
		return nil
	}}
	if err := m.Put(t.Context(), "b/fails", nil, objstore.PutOptions{}); !errors.Is(err, broken) {
		t.Errorf("Put: %v, want %v", err, broken)
	}
	if err := m.List(t.Context(), "", func(o objstore.Object) bool { t.Errorf("there is %s", o.Key); return true }); err != nil {
		t.Errorf("List: %v", err)
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/media/b/fails", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("GET: status %d, Cache-Control %q, want 503, no-store", w.Code, w.Header().Get("Cache-Control"))
	}
}
