//go:build integration

package registry_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/registry/registrytest"
)

func TestRegistry_RealRedis(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, func(tb testing.TB) *registrytest.Redis { return registrytest.RedisServer(tb).Redis() })
}

func TestOpen_RealRedisByItsURL(t *testing.T) {
	t.Parallel()
	r := open(t, registrytest.RedisServer(t).URL())
	if err := r.Check(t.Context()); err != nil {
		t.Errorf("got error %v, want none", err)
	}
}

func TestCheck_TellsAReplicaFromAPrimary(t *testing.T) {
	t.Parallel()
	s := registrytest.RedisServer(t)
	if err := s.Redis().Client(t).Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	if err := open(t, s.URL()).Check(t.Context()); err == nil {
		t.Error("got no error from a replica, want one")
	}
}

// A broadcast goes on while its Redis crashes, hangs, or comes back empty: all entries arrive, once and in order.
func TestFeed_OutlivesItsRedis(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		away, back func(*registrytest.Server)
	}{
		{"that crashes", (*registrytest.Server).Stop, (*registrytest.Server).Start},
		{"that comes back empty", func(s *registrytest.Server) { s.Stop(); s.Wipe() }, (*registrytest.Server).Start},
		{"that hangs", (*registrytest.Server).Freeze, (*registrytest.Server).Thaw},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			outlive(t, tt.away, tt.back)
		})
	}
}

func outlive(t *testing.T, away, back func(*registrytest.Server)) {
	ctx := t.Context()
	s := registrytest.RedisServer(t)
	r := open(t, s.URL())
	live, cancel := context.WithCancel(ctx)
	ended := make(chan struct{}, 2)
	start := func(run func(context.Context) error) {
		go func() {
			_ = run(live)
			ended <- struct{}{}
		}()
	}
	t.Cleanup(func() {
		cancel()
		<-ended
		<-ended
	})
	start(r.Doorbell().Run)
	ring, leave := r.Doorbell().Feed("b1")
	defer leave()
	lease := r.HoldLive(ctx, registry.Live{Channel: "kitchen", Broadcast: "b1", Epoch: 1, Term: 1})
	f := r.Feed("b1", 1)
	if _, err := f.Take(ctx, []byte("take")); err != nil {
		t.Fatalf("got error %v from Take, want none", err)
	}
	start(f.Run)

	want := []registry.Entry{{ID: registry.EntryID{Term: 1}, Data: []byte("take")}}
	appendUpTo := func(n int) {
		for i := len(want); i <= n; i++ {
			data := fmt.Appendf(nil, "part %d", i)
			if _, err := f.Append(ctx, data); err != nil {
				t.Fatalf("got error %v from Append, want none", err)
			}
			want = append(want, registry.Entry{ID: registry.EntryID{Term: 1, Seq: uint64(i)}, Data: data})
		}
	}
	appendUpTo(100)
	flush(t, f)
	away(s)
	appendUpTo(400)
	for lease.Trusted() {
		<-time.After(10 * time.Millisecond)
	}
	appendUpTo(700)
	back(s)
	flush(t, f)
	appendUpTo(720)
	flush(t, f)
	got, err := r.After(ctx, "b1", registry.EntryID{})
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for !lease.Trusted() {
		<-time.After(10 * time.Millisecond)
	}
	if err := lease.Err(); err != nil {
		t.Errorf("got error %v from the lease, want none", err)
	}
	if err := lease.Release(ctx); err != nil {
		t.Errorf("got error %v from Release, want none", err)
	}
	for len(ring) > 0 {
		<-ring
	}
	appendUpTo(721)
	<-ring // the doorbell is back too
}

func flush(t *testing.T, f *registry.Feed) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := f.Flush(ctx); err != nil {
		t.Fatalf("got error %v from Flush, want none", err)
	}
}

// BenchmarkAppend_ReaderWokenRealRedis is BenchmarkAppend_ReaderWoken on a redis-server over a unix socket.
func BenchmarkAppend_ReaderWokenRealRedis(b *testing.B) {
	s := registrytest.RedisServer(b)
	benchmarkAppend(b, open(b, s.URL()), open(b, s.URL()))
}
