package broadcast

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/journal"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/replay"
)

// A recorderRig is a recorder with a bucket that can be away.
type recorderRig struct {
	*testing.T
	*recorder
	bucket *objstore.Memory
	log    bytes.Buffer // read it only once nothing is written

	mu   sync.Mutex // protects all below
	away bool
	puts []string // that succeeded, in order
}

func withRecorder(t *testing.T, test func(*recorderRig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorderRig{T: t}
		r.bucket = &objstore.Memory{Fail: func(key string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.away {
				return errors.New("no route to the bucket")
			}
			if !slices.Contains(r.puts, key) {
				r.puts = append(r.puts, key)
			}
			return nil
		}}
		r.recorder = newRecorder(r.bucket, journal.Object{Broadcast: "b", Channel: "news", Started: time.Now(), Term: 7},
			slog.New(slog.NewTextHandler(&r.log, nil)))
		r.start(t.Context())
		defer r.stop()
		test(r)
	})
}

func (r *recorderRig) setAway(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// keys are the journal's objects.
func (r *recorderRig) keys() []string {
	var keys []string
	err := r.bucket.List(context.Background(), "b/journal/", func(o objstore.Object) bool {
		keys = append(keys, strings.TrimPrefix(o.Key, "b/journal/"))
		return true
	})
	if err != nil {
		r.Fatal(err)
	}
	return keys
}

func (r *recorderRig) read() *journal.Journal {
	r.Helper()
	j, err := journal.Read(context.Background(), r.bucket, "b")
	if err != nil {
		r.Fatal(err)
	}
	return j
}

var opening = hls.Take{Renditions: pair, TargetDuration: 4 * time.Second, PartTarget: 500 * time.Millisecond, Window: time.Minute, Anchor: time.Unix(0, 0)}

func whole(n int) hls.Segment {
	return hls.Segment{Rendition: n % 2, MSN: uint64(n / 2), Start: time.Duration(n/2) * 2 * time.Second, Duration: 2 * time.Second, Size: 10, Init: "aa", Term: 7}
}

func TestRecorder_WritesTheTakeAtOnceAndThenEachTenSeconds(t *testing.T) {
	withRecorder(t, func(r *recorderRig) {
		synctest.Wait()
		if got := fmt.Sprint(r.puts); got != "[_open/b.json]" {
			t.Errorf("got %s before the take, want the marker alone", got)
		}
		r.note(opening)
		synctest.Wait()
		if got := fmt.Sprint(r.keys()); got != "[7-0.json]" {
			t.Errorf("got %s at the take, want its object", got)
		}
		time.Sleep(500 * time.Millisecond) // off the journal's own beat
		for n := range 20 {
			time.Sleep(time.Second)
			r.note(hls.Part{}, hls.Gap{}, hls.Close{}, hls.Object{}) // which segments sum up
			r.note(whole(n))
		}
		time.Sleep(journalEvery)
		if got := fmt.Sprint(r.keys()); got != "[7-0.json 7-1.json 7-2.json 7-3.json]" {
			t.Errorf("got %s after 30 s, want three more", got)
		}
		time.Sleep(time.Minute)
		if got := len(r.keys()); got != 4 {
			t.Errorf("got %d objects after a minute of nothing, want no more", got)
		}
		if j := r.read(); len(j.Segments[0]) != 10 || len(j.Segments[1]) != 10 || len(j.Others) != 0 || j.Channel != "news" {
			t.Errorf("got %d and %d segments, want ten each", len(j.Segments[0]), len(j.Segments[1]))
		}
	})
}

func TestRecorder_WaitsForTheBucketInOrder(t *testing.T) {
	withRecorder(t, func(r *recorderRig) {
		r.setAway(true)
		r.note(opening)
		for n := range 100 {
			r.note(whole(n)) // never blocks
			time.Sleep(time.Second)
		}
		if got := r.keys(); len(got) != 0 {
			t.Fatalf("got %v from a bucket that is away", got)
		}
		r.setAway(false)
		time.Sleep(2*journalLastWait + journalEvery)
		j := r.read()
		if len(j.Segments[0]) != 50 || j.Next > 2 {
			t.Errorf("got %d segments in %d objects, want all 50 in few", len(j.Segments[0]), j.Next)
		}
		if got := r.puts[0]; got != "_open/b.json" {
			t.Errorf("got %s first, want the marker", got)
		}
		r.stop()
		if got := strings.Count(r.log.String(), "does not take the journal"); got != 1 {
			t.Errorf("%d log lines say that the bucket is away, want one:\n%s", got, r.log.String())
		}
	})
}

func TestRecorder_IsBounded(t *testing.T) {
	withRecorder(t, func(r *recorderRig) {
		r.setAway(true)
		r.note(opening)
		for n := range journalBacklog + 100 {
			r.note(whole(n))
		}
		if r.left != 101 || len(r.pending) != journalBacklog {
			t.Errorf("%d events wait and %d found no room, want %d and 101", len(r.pending), r.left, journalBacklog)
		}
		r.setAway(false)
		r.stop()
		if _, err := r.finish(r.Context(), "done"); err != nil {
			t.Fatal(err)
		}
		if j := r.read(); !j.Ended {
			t.Error("the end found no room")
		}
	})
}

func TestRecorder_FinishesWithTheReplay(t *testing.T) {
	withRecorder(t, func(r *recorderRig) {
		r.note(opening)
		synctest.Wait()
		r.note(whole(0), whole(1), whole(2), whole(3))
		r.stop()
		began := time.Now()
		index, err := r.finish(r.Context(), "the streamer stopped")
		if err != nil || time.Since(began) > 0 {
			t.Fatalf("got error %v after %v, want none at once", err, time.Since(began))
		}
		if index.State != replay.StateReady || index.Duration != 4 || index.Reason != "the streamer stopped" {
			t.Errorf("got %+v", index)
		}
		if got := r.puts[len(r.puts)-1]; got != "_replays/b.json" {
			t.Errorf("the last to be written is %s, want the index", got)
		}
	})
}

// TestRecorder_WritesAnObjectAgainWithTheSameBytes: a write whose answer was lost may have
// happened.
func TestRecorder_WritesAnObjectAgainWithTheSameBytes(t *testing.T) {
	withRecorder(t, func(r *recorderRig) {
		synctest.Wait()
		r.setAway(true)
		r.note(opening)
		time.Sleep(time.Second)
		r.stop() // in the middle of the object
		r.note(whole(0))
		r.setAway(false)
		if err := r.flush(r.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(r.keys()); got != "[7-0.json 7-1.json]" {
			t.Errorf("got %s, want the object and then another", got)
		}
		if j := r.read(); len(j.Segments[0]) != 1 {
			t.Errorf("got %d segments, want one", len(j.Segments[0]))
		}
	})
}

func TestRecorder_EndsWithItsContext(t *testing.T) {
	withRecorder(t, func(r *recorderRig) {
		r.setAway(true)
		r.note(opening)
		time.Sleep(time.Second)
		r.stop()
		ctx, cancel := context.WithTimeoutCause(r.Context(), time.Second, errFlush)
		defer cancel()
		began := time.Now()
		if _, err := r.finish(ctx, "done"); !errors.Is(err, errFlush) || time.Since(began) > time.Second {
			t.Errorf("got error %v after %v, want the context's cause after a second", err, time.Since(began))
		}
	})
}
