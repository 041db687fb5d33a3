package registry_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/registry"
)

func TestRunInfo_IsReadAsWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "on", "demand")
	want := registry.RunInfo{RedisURL: "redis://:pw@127.0.0.1:1", PID: os.Getpid(), HTTP: "127.0.0.1:2", RTMP: "127.0.0.1:3"}
	for range 2 { // the second replaces the first
		if err := registry.WriteRun(dir, want); err != nil {
			t.Fatalf("got error %v, want none", err)
		}
	}
	got, err := registry.ReadRun(dir)
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run info (-want +got):\n%s", diff)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("got files %v, %v, want run.json alone", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
	if err := registry.RemoveRun(dir); err != nil {
		t.Errorf("got error %v from RemoveRun, want none", err)
	}
	if err := registry.RemoveRun(dir); err != nil {
		t.Errorf("got error %v from a second RemoveRun, want none", err)
	}
	if _, err := registry.ReadRun(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
}

func TestReadRun_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := registry.ReadRun(dir)
	if err == nil {
		t.Fatal("got no error, want one")
	}
	for _, want := range []string{"no `pharos serve` runs", "PHAROS_DATA_DIR", dir} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to contain %q", err, want)
		}
	}
}

func TestReadRun_TakesWhatADeadProcessLeftForAbsent(t *testing.T) {
	t.Parallel()
	dead := exec.Command(os.Args[0], "-test.run=^$")
	if err := dead.Run(); err != nil {
		t.Fatalf("got error %v running a process to its end, want none", err)
	}
	dir := t.TempDir()
	if err := registry.WriteRun(dir, registry.RunInfo{PID: dead.Process.Pid}); err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	if _, err := registry.ReadRun(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
}

func TestRemoveRun_LeavesAnotherProcessAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := registry.WriteRun(dir, registry.RunInfo{PID: os.Getppid()}); err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	if err := registry.RemoveRun(dir); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	if _, err := registry.ReadRun(dir); err != nil {
		t.Errorf("got error %v reading what another process wrote, want none", err)
	}
}

func TestRunInfo_LogsNoPassword(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("up", "run", registry.RunInfo{RedisURL: "redis://:s3cret@127.0.0.1:1", PID: 7})
	if got := out.String(); strings.Contains(got, "s3cret") || !strings.Contains(got, "run.pid=7") {
		t.Errorf("got log line %q, want the pid and no password", got)
	}
}
