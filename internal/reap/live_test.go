package reap_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/reap"
)

// TestHours_NoPartIsLeftAndNoneIsDeletedTooEarly is hours of a broadcast beside the models that viewers see,
// on a store that fails now and then, and is away for five minutes.
func TestHours_NoPartIsLeftAndNoneIsDeletedTooEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, nil, nil)
		const hours = 2
		s.fail = func(n int) error {
			at := time.Since(s.began)
			away := at > time.Hour && at < time.Hour+5*time.Minute
			if away || n%10 == 3 && at < hours*time.Hour-time.Minute { // the last round has no second try
				return errAway
			}
			return nil
		}
		for m := range hours * 4 {
			s.run(time.Duration(m+1) * 15 * time.Minute)
			s.join()
			// Two renditions, a part a second: those of the last Delay, of an open and of a late segment, and
			// of a round that was tried again.
			if got, most := len(s.left()), 2*int((reap.Delay(target)+2*target+2*reap.DefaultEvery)/time.Second); got > most {
				t.Errorf("after %v %d parts are in the bucket, want at most %d", s.media, got, most)
			}
		}
		s.finish()
		stats := s.live.Stats()
		if got, most := stats.Requests.Load(), uint64(hours*3600/10+20); got > most {
			t.Errorf("%d requests, want at most %d: one each ten seconds", got, most)
		}
		if got := stats.Left.Load(); got > 0 {
			t.Errorf("%d parts were given up", got)
		}
		time.Sleep(reap.Delay(target))
		if _, err := reap.Parts(t.Context(), s.store, broadcast); err != nil {
			t.Error(err)
		}
		if left := s.left(); len(left) > 0 {
			t.Errorf("%d parts are left, such as %s", len(left), left[0])
		}
		if got, want := s.segments(), 2*hours*1800; got != want {
			t.Errorf("%d segments are there, want %d", got, want)
		}
	})
}

// lostSegments are those whose object the store never takes.
func lostSegments(key string) bool {
	k, ok := hls.ParseMediaKey(key)
	return ok && !k.Part && k.Rendition == "source" && k.Number%100 == 13
}

// TestLostSegment_KeepsItsParts: they are all there is of it.
func TestLostSegment_KeepsItsParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, nil, lostSegments)
		s.run(5 * time.Minute) // 150 segments, 2 of which are lost
		s.finish()
		time.Sleep(reap.Delay(target))
		r, err := reap.Parts(t.Context(), s.store, broadcast)
		if err != nil {
			t.Error(err)
		}
		left := s.left()
		if got, want := len(left), 2*2; got != want || r.Left != want {
			t.Errorf("%d parts are left, Parts says %d, want %d", got, r.Left, want)
		}
		for _, key := range left {
			if !lostSegments(hls.SegmentKey(broadcast, "source", s.parts[key], term)) || !strings.Contains(key, "/source/") {
				t.Errorf("part %s of segment %d is left", key, s.parts[key])
			}
		}
	})
}

// TestStandstill_KeepsWhatPlaylistsShow: time alone forgets nothing.
func TestStandstill_KeepsWhatPlaylistsShow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShow(t, nil, nil)
		s.run(time.Minute)
		before := len(s.left())
		time.Sleep(time.Hour)
		// What the model had forgotten goes; the rest stays, however long it takes.
		after := len(s.left())
		if least := 2 * int(hls.PartAvailability(target)/time.Second); after < least || after >= before {
			t.Errorf("%d of %d parts are there after an hour of nothing, want at least %d", after, before, least)
		}
		s.finish()
	})
}

// TestFeedAway_DeletesNothing: app servers show what was, and send players to it.
func TestFeedAway_DeletesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s *show
		const from, to = 5 * time.Minute, 15 * time.Minute
		told := func(ctx context.Context) error {
			at := time.Since(s.began)
			if at < from || at >= to {
				return nil
			}
			select {
			case <-time.After(to - at):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		s = newShow(t, told, nil)
		s.run(from)
		s.run(from + time.Minute)
		during := s.deletions()
		s.run(to + reap.Slack(target) - time.Second)
		if s.deletions() != during {
			t.Errorf("%d deletes while the feed was away, or before everyone can have caught up", s.deletions()-during)
		}
		s.run(to + 2*reap.Slack(target))
		if s.deletions() == during {
			t.Error("nothing is deleted after the feed was back")
		}
		s.finish()
	})
}

func TestClose_DoesNotWaitForAStoreThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := reap.NewLive(broadcast, []string{"source"}, hanging{}, reap.Options{TargetDuration: target})
		for i := range uint64(40) {
			at := time.Duration(i) * 2 * time.Second
			l.Note(hls.Part{Number: i, MSN: i, Start: at, Duration: 2 * time.Second, Term: term}, hls.Object{MSN: i, Term: term})
		}
		ended := make(chan error)
		go func() { ended <- l.Run(t.Context()) }()
		time.Sleep(reap.Slack(target) + reap.DefaultEvery + time.Second) // it hangs in its first request
		closed := time.Now()
		l.Close()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(closed); took > 3*time.Second {
			t.Errorf("Run took %v to end", took)
		}
		if l.Stats().Left.Load() == 0 {
			t.Error("it does not count what it left")
		}
	})
}

// hanging is a store that never answers.
type hanging struct{}

func (hanging) Delete(ctx context.Context, _ ...string) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestObjectThatNeverComes_KeepsThePartsForEver: and those behind it, until it is known to be lost.
func TestObjectThatNeverComes_KeepsThePartsForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &counting{}
		l := reap.NewLive(broadcast, []string{"source"}, store, reap.Options{TargetDuration: target})
		ended := make(chan error)
		go func() { ended <- l.Run(t.Context()) }()
		for i := range uint64(100) {
			at := time.Duration(i) * 2 * time.Second
			l.Note(hls.Part{Number: i, MSN: i, Start: at, Duration: 2 * time.Second, Term: term})
			if i != 10 {
				l.Note(hls.Object{MSN: i, Term: term})
			}
		}
		time.Sleep(time.Hour)
		if got := store.n.Load(); got != 10 {
			t.Errorf("%d parts are deleted, want the 10 before the segment without an object", got)
		}
		l.Note(hls.Segment{MSN: 10, Gap: true})
		time.Sleep(time.Hour)
		if got, want := store.n.Load(), int64(100-1-12); got != want { // all that are older than 24 s, but for its own
			t.Errorf("%d parts are deleted once it is known to be lost, want %d", got, want)
		}
		l.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// counting is a store that counts what is deleted.
type counting struct{ n atomic.Int64 }

func (c *counting) Delete(_ context.Context, keys ...string) error {
	c.n.Add(int64(len(keys)))
	return nil
}
