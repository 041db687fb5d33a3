//go:build integration && linux

package ffmpeg_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pharos-live/pharos/runner/ffmpeg"
)

// childEnv makes this test binary a parent of ffmpeg that can be killed.
const childEnv = "PHAROS_TEST_FFMPEG_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		beParent()
	}
	os.Exit(m.Run())
}

// beParent starts the program that childEnv names as ffmpeg, prints its process id, and waits for what
// never comes.
func beParent() {
	src := ffmpeg.Source{Width: 320, Height: 180, FPS: 30}
	p, err := ffmpeg.Start(context.Background(), ffmpeg.Options{
		Spec:     ffmpeg.Spec{Source: src, Outputs: ffmpeg.Fit([]ffmpeg.Rung{{Height: 180, FPS: 30, Bitrate: 100_000}}, src)},
		Path:     os.Getenv(childEnv),
		Config:   config,
		OnPacket: func(int, ffmpeg.Stream, ffmpeg.Packet) {},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	_ = p.Wait()
	os.Exit(0)
}

// What is started reads no input and ignores every signal that may be ignored, so that nothing but the
// kernel's SIGKILL ends it.
func TestProcess_DiesWithItsParent(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(program, []byte("#!/bin/sh\ntrap '' HUP TERM PIPE INT\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), childEnv+"="+program)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = parent.Process.Kill()
		_ = parent.Wait()
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("parent says %q", line)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	waitFor(t, "it ignores signals", func() bool {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return string(name) == "sleep\n"
	})
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "ffmpeg is gone", func() bool { return gone(pid) })
}

// gone tells whether the process is no more, or waits only for its new parent to take notice.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}
