package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeFiles makes a machine's files: its entry unless e is zero, a log and a socket.
func writeFiles(t *testing.T, d dir, launch string, e entry) {
	t.Helper()
	for _, suffix := range []string{logSuffix, socketSuffix} {
		if err := os.WriteFile(d.path(launch, suffix), nil, 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	if e.PID == 0 {
		return
	}
	if err := d.write(e); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func TestSweep_RemovesWhatHasEndedAlone(t *testing.T) {
	t.Parallel()
	d := dir(filepath.Join(t.TempDir(), "d"))
	if err := d.ensure(); err != nil {
		t.Fatalf("ensure: %v", err)
	}
	started, ok := startTime(os.Getpid())
	if !ok {
		t.Fatal("this process has no start time")
	}
	writeFiles(t, d, "living", entry{Launch: "living", PID: os.Getpid(), Started: started})
	writeFiles(t, d, "reused", entry{Launch: "reused", PID: os.Getpid(), Started: "long ago"})
	writeFiles(t, d, "kept", entry{Launch: "kept", PID: os.Getpid(), Started: "long ago"})
	writeFiles(t, d, "young", entry{})
	writeFiles(t, d, "stray", entry{})
	past := time.Now().Add(-time.Hour)
	for _, suffix := range []string{logSuffix, socketSuffix} {
		if err := os.Chtimes(d.path("stray", suffix), past, past); err != nil {
			t.Fatalf("chtimes: %v", err)
		}
	}
	foreign := filepath.Join(string(d), "README.txt")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}

	if err := d.sweep(func(launch string) bool { return launch == "kept" }); err != nil {
		t.Fatalf("sweep: %v", err)
	}
	files, err := os.ReadDir(string(d))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Name())
	}
	want := []string{
		"README.txt", "kept.json", "kept.log", "kept.sock",
		"living.json", "living.log", "living.sock", "young.log", "young.sock",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestNew_RefusesADirectoryThatOthersMayUse(t *testing.T) {
	t.Parallel()
	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatalf("mkdir: %v", err)
	}
	if err := os.Chmod(open, 0o755); err != nil { //nolint:gosec // The point.
		t.Fatalf("chmod: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatalf("symlink: %v", err)
	}
	for _, path := range []string{open, link} {
		if _, err := New(Options{Dir: path}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want an error that names %s", err, path)
		}
	}
}

func TestSocket_IsNoLongerThanTheSystemTakes(t *testing.T) {
	t.Parallel()
	launch := "default-abcdefghijklm"
	room := maxSocket - len("/"+launch+socketSuffix)
	if _, err := dir("/" + strings.Repeat("d", room-1)).socket(launch); err != nil {
		t.Errorf("%d bytes: got %v, want none", maxSocket, err)
	}
	if _, err := dir("/" + strings.Repeat("d", room)).socket(launch); err == nil {
		t.Errorf("%d bytes: got no error", maxSocket+1)
	}
}

func TestCheckLaunch(t *testing.T) {
	t.Parallel()
	for launch, ok := range map[string]bool{
		"default-abc2": true, "": false, "../etc": false, "a/b": false, ".": false, "A": false, strings.Repeat("a", 65): false,
	} {
		if got := checkLaunch(launch) == nil; got != ok {
			t.Errorf("%q: got %t, want %t", launch, got, ok)
		}
	}
}

func TestStartTime_IsNoneForNoProcess(t *testing.T) {
	t.Parallel()
	if got, ok := startTime(1 << 30); ok {
		t.Errorf("got %q, want none", got)
	}
	if (entry{PID: 1 << 30}).alive() {
		t.Error("a process that is not lives")
	}
}
