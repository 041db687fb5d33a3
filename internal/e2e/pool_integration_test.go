//go:build integration

package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunner_IsAnotherProcessAndGoesOutAfterTheBroadcast(t *testing.T) {
	t.Parallel()
	s := serve(t, "FLAME_IDLE_SHUTDOWN_AFTER=1", "TRANSCODE=240p30@300000")
	encoder := publish(t, s.rtmp+"/"+s.key(t, "one"))
	watcher{base: s.http}.master(t, "one")

	var p ps
	eventually(t, 5*time.Second, "ps shows one busy runner and one broadcast", func() bool {
		p = s.ps(t)
		return len(p.Runners) == 1 && p.Runners[0].Used == 1 && len(p.Broadcasts) == 1
	})
	runner := p.Runners[0]
	if runner.PID == s.cmd.Process.Pid || !alive(runner.PID) {
		t.Errorf("the runner's pid is %d, the server's %d: want another living process", runner.PID, s.cmd.Process.Pid)
	}
	if p.Broadcasts[0].Machine != runner.Machine || p.Broadcasts[0].Channel != "one" {
		t.Errorf("got broadcast %+v on runner %+v", p.Broadcasts[0], runner)
	}
	if n := len(children(t, runner.PID, "ffmpeg")); n != 1 {
		t.Errorf("the runner has %d ffmpeg, want 1", n)
	}

	encoder.stop(t, 5*time.Second)
	eventually(t, 2*time.Second, "no ffmpeg left 2 s after the end", func() bool {
		return len(children(t, runner.PID, "ffmpeg")) == 0
	})
	eventually(t, 6*time.Second, "the runner gone 5 s after its idle time", func() bool { return !alive(runner.PID) })
	if code := s.stop(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

func TestPoolFull_RefusesTheThirdBroadcastAndNamesBothSettings(t *testing.T) {
	t.Parallel()
	s := serve(t, "FLAME_MAX=1", "FLAME_MAX_CONCURRENCY=2")
	for i := range 2 {
		publish(t, s.rtmp+"/"+s.key(t, fmt.Sprintf("full%d", i)))
	}
	w := watcher{base: s.http}
	w.master(t, "full0")
	w.master(t, "full1")
	began := time.Now()
	third := publish(t, s.rtmp+"/"+s.key(t, "full2"))
	line := third.line(t, "FLAME_MAX", 5*time.Second)
	if !strings.Contains(line, "FLAME_MAX=1") || !strings.Contains(line, "FLAME_MAX_CONCURRENCY=2") {
		t.Errorf("the encoder was told %q, want both settings", line)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the refusal took %v", took)
	}
	third.exit(t, 5*time.Second)
	if n := len(s.ps(t).Broadcasts); n != 2 {
		t.Errorf("%d broadcasts go on, want the first two", n)
	}
}

func TestRunnerDies_EveryPlaylistEnds(t *testing.T) {
	t.Parallel()
	s := serve(t)
	publish(t, s.rtmp+"/"+s.key(t, "dies"))
	w := watcher{base: s.http}
	videos, audio := renditions(w.master(t, "dies"))
	syscall.Kill(s.ps(t).Runners[0].PID, syscall.SIGKILL)
	for _, uri := range append(videos, audio) {
		eventually(t, 8*time.Second, "ENDLIST in "+uri, func() bool { return ended(get(t, s.http+uri).body) })
	}
}

func TestAppServerDies_TheRunnerEndsTheBroadcast(t *testing.T) {
	t.Parallel()
	need(t, "redis-server")
	url := redisServer(t)
	data := t.TempDir()
	settings := []string{"REDIS_URL=" + url, "PHAROS_SECRET=" + secret, "PHAROS_DATA_DIR=" + data}
	a := serve(t, settings...)
	b := serve(t, append(settings, "PHAROS_RTMP_ADDR=off")...)
	publish(t, a.rtmp+"/"+a.key(t, "orphan"))
	w := watcher{base: b.http}
	videos, audio := renditions(w.master(t, "orphan"))
	runner := b.ps(t).Runners[0].PID
	a.signal(syscall.SIGKILL)
	for _, uri := range append(videos, audio) {
		eventually(t, 8*time.Second, "ENDLIST in "+uri, func() bool { return ended(get(t, b.http+uri).body) })
	}
	eventually(t, 5*time.Second, "the runner gone", func() bool { return !alive(runner) })
}

func TestAppServerDies_WithItsRedisTheRunnerGoesAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, "TRANSCODE=240p30@300000")
	publish(t, s.rtmp+"/"+s.key(t, "alone"))
	watcher{base: s.http}.master(t, "alone")
	runner := s.ps(t).Runners[0].PID
	s.signal(syscall.SIGKILL)
	eventually(t, 4*time.Second, "the runner gone", func() bool { return !alive(runner) })
}

// children are the living processes of a name below a parent.
func children(t *testing.T, parent int, name string) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("no /proc here to look for children in")
	}
	var found []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		open, shut := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		var pid, ppid int
		var state string
		fmt.Sscan(string(stat[:open]), &pid)
		fmt.Sscan(string(stat[shut+1:]), &state, &ppid)
		if ppid == parent && string(stat[open+1:shut]) == name && state != "Z" {
			found = append(found, pid)
		}
	}
	return found
}
