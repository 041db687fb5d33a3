package bubble_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/registry"
)

func TestPublish_BecomesAPlaylistWithinThreeSeconds(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		began := time.Now()
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised - time.Since(began))
		if got, want := v.names(), []string{"source", "audio"}; !slices.Equal(got, want) {
			t.Errorf("got the renditions %v, want %v", got, want)
		}
		l := c.live("news", 0)
		if l.Server != "a" || l.Video != "1280x720p30 h264" || l.Audio != "48000 Hz aac" {
			t.Errorf("the registry knows %+v, want server a, its video and its audio", l)
		}
		v.goesOn(30)
		e.stop(nil)
		v.inOrder()
	})
}

func TestUnpublish_EndsAllPlaylistsAndFreesTheSlot(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		e.stop(nil)
		if e.took > time.Second {
			t.Errorf("the end took %v, want at most a second", e.took)
		}
		a.slotFree(0) // Close has waited for that
		v.isOver(promised, "the streamer stopped")
		if _, err := c.edge.Live(context.Background(), "news"); err == nil {
			t.Error("the channel is still live")
		}
		if got := c.log.count("who=a", `msg="broadcast ended"`); got != 1 {
			t.Errorf("the app server logged %d ends, want one", got)
		}
		if got := c.log.count("level=WARN") + c.log.count("level=ERROR"); got != 0 {
			t.Errorf("got %d warnings, want none", got)
		}
		// What a next publish gets is a broadcast of its own.
		a.publish("news", both)
		c.watch("news", promised, v.broadcast).plays(promised)
	})
}

func TestEncoderLeaves_EndsTheBroadcast(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("news", both)
		v := c.watch("news", promised)
		v.plays(promised)
		e.stop(ingest.ErrLeft)
		v.isOver(promised, ingest.ErrLeft.Error())
		a.slotFree(0)
	})
}

func TestAudioAlone_IsABroadcast(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("radio", tracks{audio: true})
		v := c.watch("radio", promised)
		v.plays(2 * promised) // a second of it waits for video
		if got, want := v.names(), []string{"audio"}; !slices.Equal(got, want) {
			t.Errorf("got the renditions %v, want %v", got, want)
		}
		v.goesOn(10)
		e.stop(nil)
		v.isOver(promised, "the streamer stopped")
	})
}

func TestVideoAlone_GetsSilence(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("mute", tracks{video: true})
		v := c.watch("mute", promised)
		v.plays(2 * promised)
		if got, want := v.names(), []string{"source", "audio"}; !slices.Equal(got, want) {
			t.Errorf("got the renditions %v, want %v", got, want)
		}
		v.goesOn(10)
		e.stop(nil)
		v.isOver(promised, "the streamer stopped")
	})
}

func TestPublishWithoutMedia_LeavesNothing(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		e := a.publish("void", tracks{})
		c.eventually(promised, "the channel starts", func() bool {
			l, err := c.edge.Live(context.Background(), "void")
			return err == nil && l.State == registry.StateStarting
		})
		l, _ := c.edge.Live(context.Background(), "void")
		time.Sleep(10 * time.Second) // as long as ingest lets it be silent
		if got := a.used(); got != 1 {
			t.Errorf("%d slots are taken, want the publish's", got)
		}
		e.stop(nil)
		a.slotFree(0)
		if _, err := c.edge.Snapshot(context.Background(), l.Broadcast); err == nil {
			t.Error("there is a feed of a broadcast that nobody could see")
		}
		if got := c.log.count("error=", "the publish ended before any media came"); got == 0 {
			t.Error("no log line says that no media came")
		}
		a.publish("void", both) // in the slot that is free again
		c.watch("void", promised).plays(promised)
	})
}

func TestShortPublish_EndsWithAllItsFrames(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		began := time.Now()
		e := a.publish("blink", both)
		v := c.watch("blink", promised) // once a second of it has been measured
		time.Sleep(500*time.Millisecond - time.Nanosecond)
		lasted := time.Since(began)
		e.stop(nil)
		v.isOver(promised, "the streamer stopped")
		var got time.Duration
		for _, ev := range v.events() {
			if p, ok := ev.(hls.Part); ok && p.Rendition == 0 {
				got += p.Duration
			}
		}
		if got < lasted || got > lasted+50*time.Millisecond {
			t.Errorf("%v of video are listed, want %v", got, lasted)
		}
	})
}

func TestRefusals_SayWhatTheStreamerCanUse(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		a.publish("first", both)
		c.live("first", promised)
		tests := []struct{ key, want, never string }{
			{"wrong", "stream key refused", ""},
			{"unlucky", "stream keys cannot be checked now; try again soon", "10.0.0.7"},
			{"second", "all runners are full: FLAME_MAX and FLAME_MAX_CONCURRENCY limit them", "machines ×"},
		}
		for _, tt := range tests {
			began := time.Now()
			_, err := a.tryPublish(context.Background(), tt.key, both)
			if err == nil {
				t.Errorf("%s: the publish was taken", tt.key)
				continue
			}
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("%s: refused after %v, want at once", tt.key, took)
			}
			if !strings.Contains(err.Error(), tt.want) || tt.never != "" && strings.Contains(err.Error(), tt.never) {
				t.Errorf("%s: got %q, want %q", tt.key, err, tt.want)
			}
			if tt.never != "" && c.log.count(tt.never) == 0 {
				t.Errorf("%s: no log line says %q", tt.key, tt.never)
			}
		}
		if got := len(c.backend.Booted()); got != 1 {
			t.Errorf("%d machines were booted, want the one of the first publish", got)
		}
	})
}

func TestRunnerLogsNothing_WhileABroadcastIsCalm(t *testing.T) {
	bubble(t, settings{}, func(c *cluster) {
		a := c.server("a", 1, settings{})
		a.publish("news", both)
		c.watch("news", promised).plays(promised)
		before := strings.Count(c.log.String(), "\n")
		time.Sleep(30 * time.Second)
		if got := strings.Count(c.log.String(), "\n") - before; got != 0 {
			t.Errorf("got %d log lines in half a calm minute, want none", got)
		}
	})
}
