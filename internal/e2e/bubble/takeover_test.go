package bubble_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/internal/objstore"
)

const newer = "a newer publish of this channel has begun"

func TestSecondPublish_NewestWinsAndGetsTheOnlySlot(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		former := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		began := time.Now()
		next := a.publish("news", both)
		if took := time.Since(began); took > promised {
			t.Errorf("the newer publish had to wait %v, want at most %v", took, promised)
		}
		v.isOver(promised-time.Since(began), newer)
		if err := c.ended(former, promised); !strings.Contains(err.Error(), newer) {
			t.Errorf("the former streamer hears %q, want %q", err, newer)
		}
		w := c.watch("news", promised, v.broadcast)
		w.plays(promised)
		w.goesOn(10)
		if got := len(c.backend.Booted()); got != 1 {
			t.Errorf("%d machines were booted, want one for both, in turn", got)
		}
		if got := c.log.count("level=WARN", "msg=\"broadcast"); got != 0 {
			t.Errorf("%d warnings of how a broadcast ended, want none: it was meant to", got)
		}
		next.stop(nil)
		w.isOver(promised, "the streamer stopped")
		a.slotFree(0)
	})
}

func TestSecondPublish_NewestWinsOnAnotherAppServer(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a, b := c.server("a", 1, settings{}), c.server("b", 1, settings{})
		former := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		began := time.Now()
		b.publish("news", both)
		v.isOver(promised-time.Since(began), newer)
		if err := c.ended(former, promised); !strings.Contains(err.Error(), newer) {
			t.Errorf("the former streamer hears %q, want %q", err, newer)
		}
		w := c.watch("news", promised, v.broadcast)
		w.plays(promised)
		if l := c.live("news", 0); l.Server != "b" {
			t.Errorf("the channel is live by server %s, want b", l.Server)
		}
		a.slotFree(0)
	})
}

// TestSecondPublish_TheFormersServerIsCutOff holds that the runner hears of a newer publish by
// itself, where its app server hears of nothing.
func TestSecondPublish_TheFormersServerIsCutOff(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a, b := c.server("a", 1, settings{}), c.server("b", 1, settings{})
		former := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		a.link.Cut()
		began := time.Now()
		b.publish("news", both)
		v.isOver(promised-time.Since(began), newer)
		c.watch("news", promised, v.broadcast).plays(promised)
		if err := c.ended(former, 2*promised); !strings.Contains(err.Error(), newer) {
			t.Errorf("the former streamer hears %q, want %q", err, newer)
		}
	})
}

// TestSecondPublish_TheFormersRunnerIsCutOff holds that the app server ends a publish by itself, where
// the runner hears of nothing.
func TestSecondPublish_TheFormersRunnerIsCutOff(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a, b := c.server("a", 1, settings{}), c.server("b", 1, settings{})
		former := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		c.runner(0).Cut()
		go b.publishSoon("news") // waits for the former's lease
		select {
		case <-former.sink.Done():
			if err := former.sink.Err(); !strings.Contains(err.Error(), newer) {
				t.Errorf("the former streamer hears %q, want %q", err, newer)
			}
		case <-time.After(time.Second):
			t.Error("the former publish goes on")
		}
		v.isOver(20*time.Second, newer) // by the app server: the runner's flush is over then
		c.watch("news", promised, v.broadcast).plays(promised)
	})
}

// TestSecondPublish_TheFormerStillWaits has the former publish wait for its runner's boot: it gives
// its place to the newer one at once.
func TestSecondPublish_TheFormerStillWaits(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		c.backend.Script(bootIn(10 * time.Second))
		former := make(chan error)
		go func() {
			_, err := a.tryPublish(context.Background(), "news", both)
			former <- err
		}()
		time.Sleep(time.Second)
		go a.publishSoon("news")
		select {
		case err := <-former:
			if err == nil || !strings.Contains(err.Error(), newer) {
				t.Errorf("the former publish got %v, want %q", err, newer)
			}
		case <-time.After(100 * time.Millisecond):
			t.Error("the former publish waits on")
			<-former
		}
		c.watch("news", 10*time.Second).plays(promised)
		if got := len(c.backend.Booted()); got != 1 {
			t.Errorf("%d machines were booted, want one for both", got)
		}
	})
}

// TestManyPublishesInARow_TheNewestStays has each begin while the ones before still boot their
// runners.
func TestManyPublishesInARow_TheNewestStays(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		servers := []*app{c.server("a", 1, settings{}), c.server("b", 1, settings{})}
		c.backend.Script(bootIn(time.Second), bootIn(time.Second))
		type result struct {
			e   *encoder
			err error
		}
		results := make(chan result, 6)
		for i := range 6 {
			time.Sleep(50 * time.Millisecond)
			go func() {
				e, err := servers[i%2].tryPublish(context.Background(), "news", both)
				results <- result{e, err}
			}()
		}
		var taken []*encoder
		for range 6 {
			if r := <-results; r.err == nil {
				taken = append(taken, r.e)
			}
		}
		time.Sleep(2 * promised)
		on := 0
		for _, e := range taken {
			select {
			case <-e.closed:
			default:
				on++
			}
		}
		if on != 1 {
			t.Errorf("%d publishes go on, want one", on)
		}
		newest, err := c.edge.Epoch(context.Background(), "news")
		if err != nil {
			t.Fatal(err)
		}
		if l := c.live("news", 0); l.Epoch != newest {
			t.Errorf("epoch %d is live, want the newest, %d", l.Epoch, newest)
		}
		v := c.watch("news", 0)
		v.plays(promised)
		v.goesOn(10)
	})
}

// TestSecondPublish_AFormerThatDoesNotEnd has the bucket hang, so that the former broadcast cannot
// be flushed: the newer one waits no longer than it must.
func TestSecondPublish_AFormerThatDoesNotEnd(t *testing.T) {
	slow := func(m *objstore.Memory) {
		m.Delay = func(string) time.Duration { return 700 * time.Millisecond }
	}
	bubble(t, settings{store: slow}, func(c *cluster) {
		a := c.server("a", 2, settings{})
		a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(2 * promised)
		began := time.Now()
		a.publish("news", both)
		if took := time.Since(began); took > ingest.Takeover+100*time.Millisecond {
			t.Errorf("the newer publish had to wait %v, want at most %v", took, ingest.Takeover)
		}
		v.isOver(10*time.Second, newer)
		c.watch("news", 2*promised, v.broadcast).plays(2 * promised)
	})
}

func TestWrongKey_DisturbsNobody(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		if _, err := a.tryPublish(context.Background(), "wrong", both); err == nil {
			t.Error("a wrong key was taken")
		}
		v.goesOn(10)
	})
}
