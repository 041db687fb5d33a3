//go:build integration

package ffmpeg_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// TestSupervisor_RealFFmpegIsMended plays a source in real time and does something to its ffmpeg after 1.4 s.
func TestSupervisor_RealFFmpegIsMended(t *testing.T) {
	v := record(t, "testsrc2=s=320x180:r=30:d=8", 30, "-tune", "zerolatency", "-g", "30")
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		found  time.Duration // at the latest, after the signal
		count  func(ffmpeg.SupervisorStats) uint64
		said   string
	}{
		{"killed", syscall.SIGKILL, 0, func(s ffmpeg.SupervisorStats) uint64 { return s.Crashes }, "signal: killed"},
		{"ended", syscall.SIGTERM, 0, func(s ffmpeg.SupervisorStats) uint64 { return s.Crashes }, "ffmpeg has failed"},
		{"stopped", syscall.SIGSTOP, 2 * time.Second, func(s ffmpeg.SupervisorStats) uint64 { return s.Stalls }, "nothing came out of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log lockedBuffer
			out, formats := &sink{}, map[int]map[string]bool{0: {}, 1: {}}
			var mu sync.Mutex // protects formats and lost
			var lost []int64
			o := ffmpeg.SupervisorOptions{Options: v.options(t, "180p30@300000|90p15@100000")}
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			o.Grace = 300 * time.Millisecond
			o.OnPacket = func(rung int, s ffmpeg.Stream, p ffmpeg.Packet) {
				out.take(rung, s, p)
				mu.Lock()
				defer mu.Unlock()
				formats[rung][string(s.Extradata)] = true
			}
			o.OnLost = func(until int64) {
				mu.Lock()
				defer mu.Unlock()
				lost = append(lost, until)
			}
			s, err := ffmpeg.Supervise(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			const at = 1400 * time.Millisecond
			if err := s.Write(v.packets[0]); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the first packets", func() bool { return out.count(0) > 0 && out.count(1) > 0 })
			began, done, pid := time.Now(), false, s.PID()
			for _, f := range v.packets[1:] {
				time.Sleep(time.Until(began.Add(ffmpeg.Duration(f.PTS))))
				if !done && ffmpeg.Duration(f.PTS) >= at {
					done = true
					if err := syscall.Kill(pid, tt.signal); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.Write(f); err != nil && !errors.Is(err, ffmpeg.ErrDown) {
					t.Fatal(err)
				}
			}
			s.CloseInput()
			if err := s.Wait(); err != nil {
				t.Errorf("Wait: %v", err)
			}
			if alive(pid) {
				t.Errorf("the first ffmpeg, %d, is still there", pid)
			}
			if st := s.Stats(); tt.count(st) != 1 || st.Starts != 2 {
				t.Errorf("stats are %+v, want one restart", st)
			}
			if !strings.Contains(log.String(), tt.said) {
				t.Errorf("the log does not say %q:\n%s", tt.said, log.String())
			}
			const gop, slack = time.Second, 1200 * time.Millisecond // slack: the end of the old, the start of the new, a busy machine
			for rung := range 2 {
				packets := out.packets[rung]
				i := slices.IndexFunc(packets, func(p ffmpeg.Packet) bool { return ffmpeg.Duration(p.PTS) > at+100*time.Millisecond })
				if i < 1 {
					t.Fatalf("rung %d did not go on: %d packets", rung, len(packets))
				}
				from, to := ffmpeg.Duration(packets[i-1].PTS), ffmpeg.Duration(packets[i].PTS)
				t.Logf("rung %d: nothing from %v to %v", rung, from, to)
				if !ffmpeg.IsIDR(packets[i].Data) || packets[i].PTS%ffmpeg.TimeScale > 3000 {
					t.Errorf("rung %d goes on at %v, IDR %v: want it at a keyframe of the source", rung, to, ffmpeg.IsIDR(packets[i].Data))
				}
				if late := to - at; late > gop+tt.found+slack {
					t.Errorf("rung %d went on %v after the signal", rung, late)
				}
				if last := packets[len(packets)-1].PTS; last < 7*ffmpeg.TimeScale {
					t.Errorf("rung %d ends at %v, its source at 8 s", rung, ffmpeg.Duration(last))
				}
				if len(formats[rung]) != 1 {
					t.Errorf("rung %d had %d formats, want one", rung, len(formats[rung]))
				}
			}
			if len(lost) == 0 || !slices.IsSorted(lost) {
				t.Errorf("lost %v, want times that grow", lost)
			}
		})
	}
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex // protects b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
