package packager

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/hls"
	"github.com/pharos-live/pharos/internal/objstore"
)

func quietOutbox(store Store) *outbox {
	c := Config{Broadcast: "b", Segment: 2 * time.Second, TargetDuration: 4 * time.Second, Part: 333 * time.Millisecond}
	return newOutbox("source", c, store, &Stats{}, slog.New(slog.DiscardHandler))
}

func TestOutbox_SectionsLeaveOnceTheyAreDurable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := quietOutbox(&objstore.Memory{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); o.uploadSections(ctx) }()
		for i := range 1000 {
			s := &section{hash: fmt.Sprint(i), key: fmt.Sprint("b/source/init-", i)}
			o.addSection(s)
			o.addSection(s) // again is nothing new
			synctest.Wait()
			if !s.durable {
				t.Fatalf("section %d is not durable", i)
			}
		}
		if n := len(o.sections); n != 0 {
			t.Errorf("%d sections are kept, want none", n)
		}
		cancel()
		<-done
	})
}

func TestOutbox_SectionsThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	o := quietOutbox(nil)
	var all []*section
	for i := range 100 {
		s := &section{hash: fmt.Sprint(i)}
		all = append(all, s)
		o.addSection(s)
		o.closeSegment(segmentJob{record: hls.Segment{MSN: uint64(i)}, bodies: [][]byte{{1}}, init: s})
		o.segments[i].state = jobDurable
	}
	if n := len(o.sections); n != maxSections {
		t.Errorf("%d sections wait, want %d", n, maxSections)
	}
	if all[0].lost || !all[1].lost || all[99].lost {
		t.Error("want the oldest given up, but the one that is being uploaded")
	}
	a := announcer{outbox: o}
	n := a.next(time.Now())
	if len(n.records) != len(all) {
		t.Fatalf("%d segments are listed, want %d", len(n.records), len(all))
	}
	for _, s := range n.records {
		if lost := all[s.MSN].lost; s.Gap != lost {
			t.Errorf("segment %d: it is a gap %v, and its init section is lost %v", s.MSN, s.Gap, lost)
		}
	}
}

func TestOutbox_SegmentsThatWaitAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	o := quietOutbox(nil)
	big := make([]byte, 20<<20)
	for i := range 6 {
		o.closeSegment(segmentJob{record: hls.Segment{MSN: uint64(i)}, bodies: [][]byte{big}, init: &section{}})
	}
	waiting, bytes := 0, 0
	for _, j := range o.segments {
		if j.state == jobWaits {
			waiting++
			bytes += len(j.bodies[0])
		}
	}
	if waiting != 3 || bytes > maxSegmentBytes {
		t.Errorf("%d segments of %d bytes wait, want the newest 3", waiting, bytes)
	}
	if got := o.stats.Lost.Load(); got != 3 {
		t.Errorf("%d segments are counted as lost, want 3", got)
	}
	if first := o.segments[0]; first.state != jobLost || first.bodies != nil {
		t.Error("the oldest is not the one that was given up")
	}
}

// TestAudioClock_HoursOfDrift has the encoder's audio clock differ from its video clock: sound stays
// within 20 ms of its timestamps, and is set right no more often than it takes.
func TestAudioClock_HoursOfDrift(t *testing.T) {
	t.Parallel()
	const hours = 2
	for _, asc := range [][]byte{{0x11, 0x90}, {0x12, 0x10}, {0x12, 0x88}} { // 48, 44.1 and 32 kHz
		for _, ppm := range []int64{0, 100, -100, 1000, -1000} {
			f, err := newAudioFormat("b", asc)
			if err != nil {
				t.Fatal(err)
			}
			var stats Stats
			c := newAudioClock(f, false, &stats)
			var frames []audioFrame
			rate, n, worst := int64(f.rate), int64(0), int64(0)
			for i := int64(0); i*f.samples < hours*3600*rate; i++ {
				ms := i * f.samples * 1000 / rate
				ms += ms * ppm / 1_000_000
				frames = c.place(frames[:0], ms*90, nil, uint64(i+1))
				for _, a := range frames {
					if a.seq > 0 {
						worst = max(worst, abs(videoScale.from(a.at, f.rate)-ms*90))
					}
				}
				n++
			}
			if worst > 20*90 {
				t.Errorf("%d Hz, %d ppm: a frame is %d ticks from its timestamp, want at most 20 ms", rate, ppm, worst)
			}
			drifted := hours * 3600 * rate * max(ppm, -ppm) / 1_000_000 / f.samples
			if got := int64(stats.SilentFrames.Load() + stats.DroppedFrames.Load()); got > drifted+1 {
				t.Errorf("%d Hz, %d ppm: %d frames are put in or left out, want %d", rate, ppm, got, drifted)
			}
		}
	}
}

func abs(n int64) int64 { return max(n, -n) }

func TestAudioClock_TimestampsThatWaverChangeNothing(t *testing.T) {
	t.Parallel()
	f, err := newAudioFormat("b", []byte{0x11, 0x90})
	if err != nil {
		t.Fatal(err)
	}
	var stats Stats
	c := newAudioClock(f, false, &stats)
	for i := range int64(10_000) {
		ms := i*1024/48 + []int64{0, 20, -15, 5, 18, -20}[i%6]
		c.place(nil, max(ms, 0)*90, nil, 1)
	}
	if n := stats.SilentFrames.Load() + stats.DroppedFrames.Load(); n != 0 {
		t.Errorf("%d frames are put in or left out, want none", n)
	}
}

func TestEnds_AgreeWithinHalfAFrame(t *testing.T) {
	t.Parallel()
	var e ends
	e.pace(3000)
	for _, c := range []struct{ foreseen, want int64 }{
		{180_031, 180_031}, // whoever comes first
		{179_969, 180_031}, // one that is rounded otherwise
		{183_031, 183_031}, // a frame later
		{181_560, 181_560}, // more than 16 ms from either
	} {
		if got := e.agree(c.foreseen); got != c.want {
			t.Errorf("foreseen %d: got %d, want %d", c.foreseen, got, c.want)
		}
	}
	for i := range int64(10 * maxEnds) {
		e.agree(i * 30_000)
	}
	if n := len(e.at); n > maxEnds {
		t.Errorf("%d ends are remembered, want at most %d", n, maxEnds)
	}
}
