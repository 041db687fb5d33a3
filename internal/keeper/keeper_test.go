package keeper_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/keeper"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/replay"
)

// noticed is when a broadcast that nobody has is over at the latest: its lease expires, it is
// nobody's for the grace, and two rounds.
const noticed = 30 * time.Second

func TestKeeper_LeavesTheLivingAlone(t *testing.T) {
	bubble(t, func(r *rig) {
		r.keep("a", r.redis.Link(), keeper.Options{})
		u := r.runner()
		u.segments(5)
		time.Sleep(3 * time.Minute) // nothing new in the bucket either
		if got := r.ends(); len(got) > 0 {
			t.Errorf("got the ends %q of a broadcast that lives", got)
		}
		if r.has(replay.IndexKey(id)) {
			t.Error("a broadcast that lives has a replay")
		}
	})
}

func TestKeeper_LeavesABroadcastToItsIngest(t *testing.T) {
	bubble(t, func(r *rig) {
		r.keep("a", r.redis.Link(), keeper.Options{})
		u := r.runner()
		u.segments(3)
		epoch := u.live.Epoch
		lease := r.edge.HoldPublish(r.ctx, registry.Publish{Channel: channel, Epoch: epoch, Broadcast: id})
		u.die()
		time.Sleep(2 * time.Minute)
		if got := r.ends(); len(got) > 0 {
			t.Errorf("got the ends %q while the ingest is there", got)
		}
		r.ok(lease.Release(r.ctx))
		r.index(noticed)
	})
}

func TestKeeper_EndsAndFinalisesWhatNobodyHas(t *testing.T) {
	bubble(t, func(r *rig) {
		r.keep("a", r.redis.Link(), keeper.Options{})
		u := r.runner()
		u.segments(5)
		u.journal()
		u.segments(3) // the feed alone knows of these
		u.die()
		index := r.index(noticed)
		if index.Duration != 16 || index.Channel != channel || !strings.Contains(index.Reason, "lost") {
			t.Errorf("got %+v, want 16 s of %s, lost", index, channel)
		}
		for _, name := range []string{"source", "audio"} {
			if got, want := r.listed(name), uris(8, u.term); got != want {
				t.Errorf("%s lists %s, want %s", name, got, want)
			}
		}
		snap, err := r.edge.Snapshot(r.ctx, id)
		r.ok(err)
		last := snap.Entries[len(snap.Entries)-1]
		if got := r.ends(); len(got) != 1 || last.ID.Term <= u.term || last.ID.Seq != 0 {
			t.Errorf("got the ends %q, the last at %v, want one that fences term %d", got, last.ID, u.term)
		}
		if got := r.log.count("ended a broadcast that nobody had"); got != 1 {
			t.Errorf("%d log lines say that it was ended, want one", got)
		}
		time.Sleep(time.Minute)
		if got := r.log.count("finalised a broadcast"); got != 1 {
			t.Errorf("%d log lines say that it was finalised, want one", got)
		}
	})
}

func TestKeeper_WorksWithoutRedis(t *testing.T) {
	bubble(t, func(r *rig) {
		u := r.runner()
		u.segments(5)
		u.journal()
		u.segments(3) // nobody knows of these: they lie in the bucket
		u.die()
		r.ok(r.redis.Client(r.T).FlushAll(r.ctx).Err())
		r.keep("a", r.redis.Link(), keeper.Options{})
		time.Sleep(30 * time.Second)
		if r.has(replay.IndexKey(id)) {
			t.Error("it was finalised while its newest sign is younger than a minute")
		}
		index := r.index(2 * time.Minute)
		if index.Duration != 16 {
			t.Errorf("got %v s, want all 16", index.Duration)
		}
		if got, want := r.listed("audio"), uris(8, u.term); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := r.ends(); len(got) != 1 {
			t.Errorf("got the ends %q, want one, which fences the runner", got)
		}
	})
}

func TestKeeper_TakesOnlyWhatIsCertain(t *testing.T) {
	tests := map[string]struct {
		tamper func(r *rig, u *runner)
		want   int // segments
	}{
		"a hole": {func(r *rig, u *runner) {
			r.ok(r.store.Delete(r.ctx, hls.SegmentKey(id, "source", 6, u.term)))
		}, 6},
		"an object that is no segment": {func(r *rig, u *runner) {
			r.put(hls.SegmentKey(id, "audio", 5, u.term), []byte("nothing"))
		}, 5},
		"a time that does not follow": {func(r *rig, u *runner) {
			r.put(hls.SegmentKey(id, "audio", 7, u.term), segmentBody(r.T, time.Hour, two))
		}, 7},
		"another format": {func(r *rig, _ *runner) {
			r.put(hls.InitKey(id, "source", "bb"), initSection(r.T))
		}, 5},
		"no init section": {func(r *rig, _ *runner) {
			r.ok(r.store.Delete(r.ctx, hls.InitKey(id, "source", "aa")))
		}, 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				u := r.runner()
				u.segments(5)
				u.journal()
				u.segments(3)
				u.die()
				tt.tamper(r, u)
				r.ok(r.redis.Client(r.T).FlushAll(r.ctx).Err())
				r.keep("a", r.redis.Link(), keeper.Options{})
				r.index(3 * time.Minute)
				for _, name := range []string{"source", "audio"} {
					if got, want := r.listed(name), uris(tt.want, u.term); got != want {
						t.Errorf("%s lists %s, want %s", name, got, want)
					}
				}
			})
		})
	}
}

func TestKeeper_FinalisesBeforeTheFirstTenSeconds(t *testing.T) {
	bubble(t, func(r *rig) {
		u := r.runner()
		u.segments(2) // the journal has the take alone
		u.die()
		r.ok(r.redis.Client(r.T).FlushAll(r.ctx).Err())
		r.keep("a", r.redis.Link(), keeper.Options{})
		r.index(3 * time.Minute)
		if got, want := r.listed("source"), uris(2, u.term); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestKeeper_MakesTheReplayOfAnEndThatTheRunnerWrote(t *testing.T) {
	bubble(t, func(r *rig) {
		u := r.runner()
		u.segments(4)
		r.ok(u.feed.End(r.ctx, u.encode(hls.End{Reason: "the streamer stopped"})))
		time.Sleep(time.Second)
		u.die() // between ENDLIST and journal
		r.keep("a", r.redis.Link(), keeper.Options{})
		if index := r.index(noticed); index.Duration != 8 || index.Reason != "the streamer stopped" {
			t.Errorf("got %+v, want 8 s and the runner's reason", index)
		}
		if got := r.ends(); len(got) != 1 {
			t.Errorf("got the ends %q, want the runner's alone", got)
		}
	})
}

func TestKeeper_WhatAFencedRunnerStillWritesDoesNotCount(t *testing.T) {
	bubble(t, func(r *rig) {
		u := r.runner()
		u.segments(3)
		u.journal()
		u.link.Cut() // it lives, and has lost Redis alone
		r.keep("a", r.redis.Link(), keeper.Options{})
		r.index(noticed)
		before := r.listed("source")
		for n := range 3 {
			u.pending = append(u.pending, hls.Segment{Rendition: 0, MSN: uint64(3 + n), Start: time.Duration(3+n) * two, Duration: two, Size: 1, Init: "aa", Term: u.term})
		}
		u.journal()
		_, err := replay.Finalise(r.ctx, r.store, id)
		r.ok(err)
		if got := r.listed("source"); got != before {
			t.Errorf("got %s after the fenced runner wrote on, want %s as before", got, before)
		}
		u.stop()
		u.gone.Wait()
	})
}

func TestKeeper_DeletesWhatNeverBecameABroadcast(t *testing.T) {
	bubble(t, func(r *rig) {
		r.ok(replay.Mark(r.ctx, r.store, replay.Marker{Broadcast: id, Channel: channel}))
		r.put(hls.InitKey(id, "source", "aa"), []byte("x"))
		r.put("other/source/s0.7.m4s", []byte("x"))
		r.keep("a", r.redis.Link(), keeper.Options{})
		time.Sleep(2 * time.Minute)
		if r.under(id+"/") != 0 || r.has(replay.MarkerKey(id)) || r.has(replay.IndexKey(id)) {
			t.Error("something of it is left")
		}
		if !r.has("other/source/s0.7.m4s") {
			t.Error("it took somebody else's with it")
		}
	})
}

func TestKeeper_DeletesPartsOnceNoPlaylistListsThem(t *testing.T) {
	bubble(t, func(r *rig) {
		const after = 10 * time.Minute
		r.keep("a", r.redis.Link(), keeper.Options{PartsAfter: after})
		u := r.runner()
		u.segments(3)
		u.die()
		r.index(noticed)
		time.Sleep(after - time.Minute)
		if r.parts.times() != 0 || !r.has(replay.MarkerKey(id)) {
			t.Error("the parts went while the feed is kept")
		}
		time.Sleep(2 * time.Minute)
		if r.parts.times() != 1 || r.has(replay.MarkerKey(id)) {
			t.Errorf("the reaper was asked %d times, marker %v; want once, and none", r.parts.times(), r.has(replay.MarkerKey(id)))
		}
		if !r.has(replay.IndexKey(id)) {
			t.Error("the replay is gone")
		}
	})
}

func TestKeeper_Retention(t *testing.T) {
	for name, tt := range map[string]struct {
		retention time.Duration
		stays     bool
	}{"ten minutes": {10 * time.Minute, false}, "for ever": {0, true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.keep("a", r.redis.Link(), keeper.Options{Retention: tt.retention})
				u := r.runner()
				u.segments(3)
				u.die()
				r.index(noticed)
				r.put("other/source/s0.7.m4s", []byte("x"))
				time.Sleep(9 * time.Minute)
				if !r.has(replay.PlaylistKey(id)) || !r.has(replay.IndexKey(id)) {
					t.Fatal("the replay went before its time")
				}
				time.Sleep(3 * time.Minute)
				left := r.under(id+"/") + r.under(replay.IndexPrefix) + r.under("_open/")
				if tt.stays != (left > 0) {
					t.Errorf("%d objects are left, stays %v", left, tt.stays)
				}
				if !r.has("other/source/s0.7.m4s") {
					t.Error("it took somebody else's with it")
				}
				if want := map[bool]int{true: 0, false: 1}[tt.stays]; r.log.count("deleted a broadcast") != want {
					t.Errorf("%d log lines say that it was deleted, want %d", r.log.count("deleted a broadcast"), want)
				}
			})
		})
	}
}

// TestKeeper_DeletesOnAfterAFault: whatever keeper goes on, nothing is left, and nothing that
// was deleted in part is finalised again.
func TestKeeper_DeletesOnAfterAFault(t *testing.T) {
	for _, fault := range []string{replay.IndexKey(id), id + "/audio", id + "/journal/", replay.MarkerKey(id)} {
		t.Run(strings.ReplaceAll(fault, "/", " "), func(t *testing.T) {
			bubble(t, func(r *rig) {
				o := keeper.Options{Retention: 5 * time.Minute}
				stop := r.keep("a", r.redis.Link(), o)
				u := r.runner()
				u.segments(3)
				u.die()
				r.index(noticed)
				time.Sleep(4 * time.Minute)
				r.setFail(fault)
				time.Sleep(3 * time.Minute)
				stop()
				r.setFail("")
				r.keep("b", r.redis.Link(), o)
				time.Sleep(3 * time.Minute)
				if left := r.under(id+"/") + r.under(replay.IndexPrefix) + r.under("_open/"); left > 0 {
					t.Errorf("%d objects are left", left)
				}
				if got := r.log.count("finalised a broadcast"); got != 1 {
					t.Errorf("it was finalised %d times, want once", got)
				}
			})
		})
	}
}

func TestKeeper_AnotherTakesOver(t *testing.T) {
	bubble(t, func(r *rig) {
		first := r.redis.Link()
		r.keep("a", first, keeper.Options{})
		time.Sleep(time.Second)
		r.keep("b", r.redis.Link(), keeper.Options{})
		u := r.runner()
		u.segments(3)
		u.die()
		first.Cut()
		time.Sleep(6 * time.Second)
		if got := r.log.count("who=b", "is the keeper now"); got != 1 {
			t.Errorf("%d log lines say that b is the keeper 6 s after a was lost, want one", got)
		}
		r.index(noticed)
		if a, b := r.log.count("who=a", "finalised"), r.log.count("who=b", "finalised"); a != 0 || b != 1 {
			t.Errorf("finalised %d times by a, %d by b, want by b alone", a, b)
		}
	})
}

func TestKeeper_WaitsForTheBucket(t *testing.T) {
	bubble(t, func(r *rig) {
		r.keep("a", r.redis.Link(), keeper.Options{})
		u := r.runner()
		u.segments(3)
		u.die()
		r.setFail(id + "/source/index.m3u8")
		time.Sleep(5 * time.Minute)
		if r.has(replay.IndexKey(id)) {
			t.Error("it has an index without its playlists")
		}
		if got := r.log.count("cannot attend to a broadcast"); got < 2 || got > 10 {
			t.Errorf("%d tries in five minutes, want some, further and further apart", got)
		}
		if got := r.ends(); len(got) != 1 {
			t.Errorf("got the ends %q, want one however often it is tried", got)
		}
		r.setFail("")
		r.index(10 * time.Minute)
	})
}

func TestKeeper_DecidesNothingWhileRedisIsAway(t *testing.T) {
	bubble(t, func(r *rig) {
		u := r.runner()
		u.segments(3)
		u.journal()
		k := &deaf{Registry: r.edge, deaf: true}
		ctx, cancel := context.WithCancel(r.ctx)
		done := make(chan struct{})
		go func() { defer close(done); _ = keeper.New(k, r.store, keeper.Options{}).Run(ctx) }()
		time.Sleep(2 * time.Minute)
		if r.has(replay.IndexKey(id)) || len(r.ends()) > 0 {
			t.Error("a broadcast was ended while nobody could say whether it lives")
		}
		cancel()
		<-done
	})
}

// deaf is a registry whose leases cannot be read.
type deaf struct {
	*registry.Registry
	deaf bool
}

func (d *deaf) Live(ctx context.Context, channel string) (registry.Live, error) {
	if d.deaf {
		return registry.Live{}, context.DeadlineExceeded
	}
	return d.Registry.Live(ctx, channel)
}

func TestKeeper_JournalOfTheKeeperIsWhole(t *testing.T) {
	bubble(t, func(r *rig) {
		r.keep("a", r.redis.Link(), keeper.Options{})
		u := r.runner()
		u.segments(3)
		u.die()
		r.index(noticed)
		j, err := journal.Read(r.ctx, r.store, id)
		r.ok(err)
		if !j.Ended || j.Term <= u.term || len(j.Segments[0]) != 3 || len(j.Segments[1]) != 3 || j.Channel != channel {
			t.Errorf("got %+v, want the end of three segments under a new term", j)
		}
	})
}
