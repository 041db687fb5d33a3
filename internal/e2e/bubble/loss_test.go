package bubble_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/wire"
)

func TestRunnerDies_TheAppServerEndsTheBroadcast(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		was := v.last().Term

		c.kill(0)
		if err := c.ended(e, promised); !strings.Contains(err.Error(), "runner of this broadcast was lost") {
			t.Errorf("the streamer hears %q, want that the runner was lost", err)
		}
		v.isOver(promised, "the runner of this broadcast was lost")
		end := v.last()
		if end.Term <= was || end.Seq != 0 {
			t.Errorf("the end is entry %v, want the first of a term after %d", end, was)
		}
		a.slotFree(promised)
		if got := c.log.count("who=a", "level=WARN", "broadcast lost its runner", "killed"); got != 1 {
			t.Errorf("%d log lines say that the runner was lost, and how, want one", got)
		}

		c.runner(0).Mend() // it was not dead: it had lost everybody
		time.Sleep(20 * time.Second)
		if got := v.last(); got != end {
			t.Errorf("the feed goes on to %v behind its end, %v", got, end)
		}
		// Alone, where its end is over before it can reach Redis again.
		if c.log.count("who=runner", "fenced") == 0 && c.log.count("who=runner", "parent and registry are gone") == 0 {
			t.Errorf("the lost runner does not say that it was fenced, or alone:\n%s", c.log)
		}
		v.inOrder()

		a.publish("news", both) // on a machine in place of the lost one
		c.watch("news", promised, v.broadcast).plays(promised)
	})
}

func TestRunnerDiesBeforeItIsLive_LeavesNothingThatItCouldTake(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("void", tracks{})
		time.Sleep(time.Second)
		l, err := c.edge.Live(context.Background(), "void")
		if err != nil {
			t.Fatal(err)
		}
		c.kill(0)
		c.ended(e, promised)
		snap, err := c.edge.Snapshot(context.Background(), l.Broadcast)
		if err != nil || len(snap.Entries) != 1 || snap.Entries[0].ID.Term <= l.Term {
			t.Errorf("got the feed %v, %v, want an end that fences term %d", snap.Entries, err, l.Term)
		}
	})
}

func TestAppServerDies_TheRunnerEndsTheBroadcast(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		was := v.last().Term
		a.die()
		v.eventually(promised, "ENDLIST", func() bool { return v.model().Ended() })
		if got := v.last().Term; got != was {
			t.Errorf("term %d wrote the end, want the runner's, %d", got, was)
		}
		v.isOver(0, "")
		c.eventually(promised, "the channel is free", func() bool {
			_, err := c.edge.Live(context.Background(), "news")
			return err != nil
		})
		v.inOrder()
	})
}

func TestPoolEnds_TheRunnerEndsTheBroadcast(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		a.stopPool()
		v.isOver(promised, "the app server told the broadcast to end")
		if err := c.ended(e, promised); !strings.Contains(err.Error(), "the broadcast has ended") {
			t.Errorf("the streamer hears %q, want that the broadcast has ended", err)
		}
	})
}

func TestRunnerShutsDown_EndsTheBroadcastAndSaysSo(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		list, err := c.backend.List(context.Background(), "broadcast-a")
		if err != nil || len(list) != 1 {
			t.Fatalf("got machines %v, %v, want one", list, err)
		}
		if err := c.backend.Destroy(context.Background(), list[0]); err != nil { // SIGTERM first
			t.Fatal(err)
		}
		v.isOver(promised, "the runner of this broadcast is shutting down")
		if err := c.ended(e, promised); !strings.Contains(err.Error(), "runner of this broadcast") {
			t.Errorf("the streamer hears %q, want what became of its runner", err)
		}
	})
}

func TestRunnerHangs_TheAppServerEndsTheBroadcast(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		c.runner(0).Cut()
		c.backend.Freeze(c.backend.Booted()[0].Launch) // without pings nobody notices
		time.Sleep(80 * time.Second)
		if got := c.log.count("who=a", "the runner is behind: frames dropped"); got < 1 || got > 3 {
			t.Errorf("%d log lines say that frames are dropped, want one each half minute", got)
		}
		select {
		case <-e.closed:
			t.Fatalf("the publish has ended: %v", e.reason)
		default: // the encoder is not held up
		}
		e.stop(nil)
		if e.took < 15*time.Second || e.took > 20*time.Second {
			t.Errorf("the end took %v, want the 15 s that a runner gets, and little more", e.took)
		}
		v.isOver(time.Second, "the streamer stopped")
		if got := c.log.count("who=a", "the broadcast did not end in time"); got != 1 {
			t.Errorf("%d log lines say that the runner did not end it, want one", got)
		}
	})
}

func TestBucketIsAwayAtTheEnd_PlaylistsEndAllTheSame(t *testing.T) {
	var away atomic.Bool
	hang := func(m *objstore.Memory) {
		m.Delay = func(string) time.Duration {
			if away.Load() {
				return time.Hour
			}
			return 0
		}
	}
	bubble(t, settings{store: hang}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		away.Store(true)
		time.Sleep(5 * time.Second)
		e.stop(nil)
		a.slotFree(0)
		if e.took > 12*time.Second {
			t.Errorf("the end took %v, want at most the flush's 10 s, and little more", e.took)
		}
		v.eventually(time.Second, "ENDLIST", func() bool { return v.model().Ended() })
		if got := v.ends(); len(got) != 1 {
			t.Errorf("got the ends %q, want one", got)
		}
		v.inOrder()
	})
}

func TestRedisIsAway_TheBroadcastGoesOnInOrder(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		before := v.parts()
		c.runner(0).Cut()
		a.link.Cut()
		time.Sleep(30 * time.Second)
		if got := v.parts(); got > before+2 {
			t.Fatalf("got %d parts while Redis was away, had %d before", got, before)
		}
		c.runner(0).Mend()
		a.link.Mend()
		v.eventually(promised, "what came meanwhile", func() bool { return v.parts() > before+80 })
		if got, want := strings.Count(string(v.playlist("source").Text()), "#EXTINF"), 15; got < want {
			t.Errorf("%d segments are listed, want at least the %d that came meanwhile", got, want)
		}
		v.goesOn(10)
		for _, ev := range v.events() {
			if g, ok := ev.(hls.Gap); ok {
				t.Errorf("part %d of rendition %d is a gap", g.Number, g.Rendition)
			}
		}
		l := c.live("news", promised)
		if l.Broadcast != v.broadcast {
			t.Errorf("the channel has broadcast %s, want still %s", l.Broadcast, v.broadcast)
		}
		select {
		case <-e.sink.Done():
			t.Errorf("the publish has ended: %v", e.sink.Err())
		default:
		}
		e.stop(nil)
		v.isOver(promised, "the streamer stopped")
		v.inOrder()
	})
}

func TestRedisIsAwayAtTheStart_ThePublishIsRefused(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		a.link.Cut()
		_, err := a.tryPublish(context.Background(), "news", both)
		if err == nil || !strings.Contains(err.Error(), "the registry cannot be reached; try again soon") {
			t.Errorf("got %v, want that the registry cannot be reached", err)
		}
		if got := len(c.backend.Booted()); got != 0 {
			t.Errorf("%d machines were booted, want none", got)
		}
		a.link.Mend()
		a.publish("news", both)
		c.watch("news", promised).plays(promised)
	})
}

func TestRedisIsAwayBeforeTheTake_TheBroadcastIsLiveOnceItIsBack(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", tracks{video: true, audio: true, after: time.Second})
		c.runner(0).Cut()
		time.Sleep(10 * time.Second)
		if got := c.log.count("level=WARN", "the feed cannot be opened"); got != 1 {
			t.Errorf("%d log lines say that the feed cannot be opened, want one", got)
		}
		c.runner(0).Mend()
		v := c.watch("news", promised)
		v.plays(promised)
		if got := v.parts(); got < 24 {
			t.Errorf("got %d parts, want those of 9 s and more", got)
		}
		e.stop(nil)
		v.isOver(promised, "the streamer stopped")
		v.inOrder()
	})
}

func TestFenced_StopsWithoutAnEnd(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		// Another runner takes the broadcast, as a takeover will.
		term, err := c.edge.NextTerm(context.Background(), v.broadcast)
		if err != nil {
			t.Fatal(err)
		}
		take, err := wire.EncodeEvent(v.events()[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.edge.Feed(v.broadcast, term).Take(context.Background(), take); err != nil {
			t.Fatal(err)
		}
		c.ended(e, promised)
		a.slotFree(0)
		if got := c.log.count("who=runner", "another term's now"); got != 1 {
			t.Errorf("%d log lines say that another term has the broadcast, want one", got)
		}
		time.Sleep(10 * time.Second)
		if got := v.ends(); len(got) != 0 {
			t.Errorf("got the ends %q, want none: the broadcast is another's", got)
		}
		if got := v.last(); got.Term != term {
			t.Errorf("the newest entry is %v, want the other runner's, of term %d", got, term)
		}
	})
}

func TestEncoderLeavesWhileItsRunnerBoots_NothingStays(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		c.backend.Script(bootIn(20 * time.Second))
		ctx, leave := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Second, func() { leave(ingest.ErrLeft) })
		began := time.Now()
		_, err := a.tryPublish(ctx, "news", both)
		if !errors.Is(err, ingest.ErrLeft) {
			t.Errorf("got error %v, want that the encoder left", err)
		}
		if took := time.Since(began); took > 1100*time.Millisecond {
			t.Errorf("it took %v to notice, want a second", took)
		}
		if got := c.log.count("level=ERROR"); got != 0 {
			t.Errorf("%d errors are logged for an encoder that left, want none", got)
		}
		a.slotFree(0)
	})
}
