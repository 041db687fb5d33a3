package broadcast_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/replay"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner"
	"github.com/pharos-live/pharos/runner/broadcast"
)

// bubble runs test with a rig whose job runs.
func bubble(t *testing.T, o broadcast.Options, test func(*rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, o)
		defer r.close()
		r.run()
		test(r)
	})
}

// TestRun_Ends holds how each end of a broadcast is told: to viewers by the feed's last entry, to the
// app server by what the job returns.
func TestRun_Ends(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		by     func(*rig, *publisher)
		end    string // in the feed; "-" for none
		err    string // of the job; "" for none
		before time.Duration
	}{
		{
			name: "the publish ends", end: "the streamer stopped",
			by: func(_ *rig, p *publisher) { p.unpublish("the streamer stopped") },
		},
		{
			name: "the sender closes without a word", end: "without saying why",
			by: func(_ *rig, p *publisher) { _ = p.stream.CloseRequest() },
		},
		{
			name: "the sender's connection breaks", end: "the app server's connection broke",
			by: func(r *rig, _ *publisher) { r.http.Close() },
		},
		{
			name: "the parent stops it", end: "the app server told the broadcast to end",
			by: func(r *rig, _ *publisher) { r.cancel(runner.ErrStopped) },
		},
		{
			name: "the parent is lost", end: "the app server that took the publish is gone",
			by: func(r *rig, _ *publisher) { r.cancel(runner.ErrOrphaned) },
		},
		{
			name: "the runner shuts down", end: "is shutting down", err: "is shutting down",
			by: func(r *rig, _ *publisher) { r.cancel(runner.ErrShutdown) },
		},
		{
			name: "a newer publish begins", end: "a newer publish", err: "a newer publish", before: 1600 * time.Millisecond,
			by: func(r *rig, _ *publisher) {
				if _, err := r.edge.NextEpoch(context.Background(), "news"); err != nil {
					t.Error(err)
				}
			},
		},
		{
			name: "another term takes the feed", end: "-", err: registry.ErrFenced.Error(),
			by: func(r *rig, p *publisher) {
				if _, err := r.edge.Feed("b", 8).Take(context.Background(), []byte{}); err != nil {
					t.Error(err)
				}
				p.media(5*time.Second, 6*time.Second) // with its next entry it knows
			},
		},
		{
			name: "a configuration cannot be read", end: "AVC sequence header", err: "AVC sequence header",
			by: func(_ *rig, p *publisher) {
				p.frame(&broadcastv1.Frame{Kind: broadcastv1.Kind_KIND_VIDEO, Codec: broadcastv1.Codec_CODEC_H264, Config: true, Payload: []byte{1}})
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, broadcast.Options{}, func(r *rig) {
				p := r.publish()
				defer p.close()
				p.media(0, 5*time.Second)
				tt.by(r, p)
				err := r.wait(max(tt.before, 100*time.Millisecond))
				switch {
				case tt.err == "" && err != nil:
					t.Errorf("the job returned %v, want nil", err)
				case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
					t.Errorf("the job returned %v, want an error that says %q", err, tt.err)
				}
				if got := r.end(); tt.end == "-" && got != "" || tt.end != "-" && !strings.Contains(got, tt.end) {
					t.Errorf("the feed's end says %q, want %q", got, tt.end)
				}
				if !r.free() {
					t.Error("the channel's lease is still held")
				}
				if got := r.svc.Broadcasts(); len(got) != 0 {
					t.Errorf("the service still has %v", got)
				}
			})
		})
	}
}

// TestRun_HoldsTheLeaseUntilItIsFlushed has uploads take half a second, so that the end takes time:
// whoever waits for the channel shall not go on before.
func TestRun_HoldsTheLeaseUntilItIsFlushed(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{"stopped": runner.ErrStopped, "orphaned": runner.ErrOrphaned} {
		t.Run(name, func(t *testing.T) {
			bubble(t, broadcast.Options{}, func(r *rig) {
				r.store.Delay = func(string) time.Duration { return 500 * time.Millisecond }
				p := r.publish()
				defer p.close()
				p.media(0, 3*time.Second)
				r.cancel(cause)
				time.Sleep(100 * time.Millisecond)
				if r.free() {
					t.Error("the lease is gone while the broadcast is still being flushed")
				}
				time.Sleep(time.Second)
				if !r.free() || r.end() == "" {
					t.Errorf("lease free %v, end %q; want both before the replay is written", r.free(), r.end())
				}
				if err := r.wait(2 * time.Second); err != nil { // four steps: journal, reading it, playlists, index
					t.Errorf("the job returned %v, want nil", err)
				}
				if _, err := replay.Find(context.Background(), r.store, "b"); err != nil {
					t.Errorf("got error %v for the replay once the job has returned, want none", err)
				}
			})
		})
	}
}

func TestRun_BeforeItIsLive(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		by   func(*rig)
		want string // "" for no error
		took time.Duration
	}{
		{"no publish comes", func(*rig) {}, "wait 10s for the publish: no publish came", 10 * time.Second},
		{"the parent stops it", func(r *rig) { r.cancel(runner.ErrStopped) }, "", 0},
		{"the runner shuts down", func(r *rig) { r.cancel(runner.ErrShutdown) }, "shutting down", 0},
		{"a newer publish begins", func(r *rig) { _, _ = r.edge.NextEpoch(context.Background(), "news") }, "a newer publish", 1500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, broadcast.Options{}, func(r *rig) {
				time.Sleep(time.Nanosecond) // the lease is written
				began := time.Now()
				tt.by(r)
				err := r.wait(time.Minute)
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("the job returned %v, want %q", err, tt.want)
				}
				if took := time.Since(began).Round(10 * time.Millisecond); took != tt.took {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
				if r.end() != "" || !r.free() {
					t.Errorf("end %q, lease free %v; want nothing left", r.end(), r.free())
				}
			})
		})
	}
}

func TestRun_RefusesASpecThatCannotBe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*broadcastv1.Spec)
		want   string
	}{
		{"packaging", func(s *broadcastv1.Spec) { s.Packaging.PartNs = 1 }, "PHAROS_PART"},
		{"ladder", func(s *broadcastv1.Spec) { s.Transcoding.Ladder = "huge" }, "huge"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, broadcast.Options{})
				defer r.close()
				tt.change(r.spec)
				r.run()
				if err := r.wait(100 * time.Millisecond); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got error %v, want one that names %q", err, tt.want)
				}
				select {
				case <-r.ready:
					t.Error("it was ready all the same")
				default:
				}
			})
		})
	}
}

func TestRun_OneJobForEachBroadcast(t *testing.T) {
	bubble(t, broadcast.Options{}, func(r *rig) {
		err := r.svc.Run(context.Background(), r.spec, func(*broadcastv1.Started) { t.Error("a second job was ready") })
		if err == nil || !strings.Contains(err.Error(), "runs on this runner already") {
			t.Errorf("got error %v, want that it runs already", err)
		}
		if got := r.svc.Broadcasts(); len(got) != 1 {
			t.Errorf("got broadcasts %v, want the first still", got)
		}
	})
}

// TestKeep_IsTheFirstFrameThatASuccessorWouldNeed lets the objects of segments be durable, or not.
func TestKeep_IsTheFirstFrameThatASuccessorWouldNeed(t *testing.T) {
	t.Parallel()
	t.Run("it follows what is durable", func(t *testing.T) {
		bubble(t, broadcast.Options{}, func(r *rig) {
			p := r.publish()
			defer p.close()
			p.media(0, 9*time.Second)
			time.Sleep(200 * time.Millisecond)
			ack := p.last()
			// 9 s in, the segment that begins at 8 s is open: 8 s of 30 pictures and 46.9 sounds came before.
			if got := ack.GetKeep(); got < 612 || got > 622 {
				t.Errorf("keep is frame %d, want that at 8 s, about 617", got)
			}
			if got := ack.GetReceived(); got != p.seq {
				t.Errorf("frame %d is acknowledged, want the last, %d", got, p.seq)
			}
		})
	})
	t.Run("it waits for the segment that is not", func(t *testing.T) {
		bubble(t, broadcast.Options{}, func(r *rig) {
			var away atomic.Bool
			r.store.Delay = func(key string) time.Duration {
				if strings.Contains(key, "/source/s") && away.Load() {
					return time.Hour
				}
				return 0
			}
			p := r.publish()
			defer p.close()
			p.media(0, 3*time.Second)
			away.Store(true)
			p.media(3*time.Second, 11*time.Second)
			time.Sleep(200 * time.Millisecond)
			if got := p.last().GetKeep(); got < 151 || got > 161 {
				t.Errorf("keep is frame %d, want that at 2 s, about 156", got)
			}
		})
	})
	t.Run("before there is media it is the first", func(t *testing.T) {
		bubble(t, broadcast.Options{}, func(r *rig) {
			p := r.publish()
			defer p.close()
			time.Sleep(200 * time.Millisecond)
			if got := p.last().GetKeep(); got > 1 {
				t.Errorf("keep is frame %d, want no later one than 1", got)
			}
		})
	})
}

// TestRun_FlushIsBounded has Redis go away for good, so that the end cannot be written.
func TestRun_FlushIsBounded(t *testing.T) {
	bubble(t, broadcast.Options{Flush: 4 * time.Second}, func(r *rig) {
		p := r.publish()
		defer p.close()
		p.media(0, 3*time.Second)
		r.link.Cut()
		p.unpublish("the streamer stopped")
		began := time.Now()
		err := r.wait(time.Minute)
		if err == nil || !strings.Contains(err.Error(), "could not be written in time (4s)") {
			t.Errorf("the job returned %v, want that the end could not be written", err)
		}
		if took := time.Since(began); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("it took %v, want Options.Flush and little more", took)
		}
	})
}

// TestRun_BacklogIsFull has Redis be away until no entry more can wait: the broadcast ends, and says
// why.
func TestRun_BacklogIsFull(t *testing.T) {
	bubble(t, broadcast.Options{}, func(r *rig) {
		p := r.publish()
		defer p.close()
		p.media(0, 3*time.Second)
		r.link.Cut()
		var sending sync.WaitGroup
		sending.Go(func() {
			for i := time.Duration(3); i < 600 && len(r.svc.Broadcasts()) > 0; i++ {
				p.media(i*time.Second, (i+1)*time.Second)
			}
		})
		defer sending.Wait()
		if err := r.wait(10 * time.Minute); !errors.Is(err, registry.ErrBacklog) {
			t.Errorf("the job returned %v, want ErrBacklog", err)
		}
	})
}
