package runner_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pharos-live/pharos/runner"
)

func TestBuildID_IsTheLinkersAndStable(t *testing.T) {
	t.Parallel()
	got := runner.BuildID()
	// The linker's id is hashes of what went in and what came out, with slashes between.
	if strings.Count(got, "/") != 3 || strings.Contains(got, ":") {
		t.Errorf("BuildID() = %q, want the Go linker's", got)
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	of, err := runner.BuildIDOf(path)
	if err != nil || of != got {
		t.Errorf("BuildIDOf(%s) = %q, %v; want BuildID's %q", path, of, err, got)
	}
}

func TestBuildIDOf(t *testing.T) {
	t.Parallel()
	executable, err := os.ReadFile("/proc/self/exe")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	marked := append(bytes.Repeat([]byte{0xfe}, 3000), "\xff Go build ID: \"a/b/c\\\"d\"\n \xffcode"...)
	for name, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"other formats carry a marker":   {marked, `a/b/c"d`},
		"a marker without an end":        {marked[:len(marked)-9], "sha256:"},
		"no id: the hash of all":         {[]byte("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		"an empty file":                  {nil, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		"an ELF file cut off early":      {executable[:min(len(executable), 40)], "sha256:"},
		"an ELF file without its tables": {executable[:min(len(executable), 2000)], "sha256:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := runner.BuildIDOf(path)
			if err != nil || !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	if got, err := runner.BuildIDOf(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Errorf("of no file: got %q, want an error", got)
	}
}

func BenchmarkBuildIDOf(b *testing.B) {
	path, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := runner.BuildIDOf(path); err != nil {
			b.Fatal(err)
		}
	}
}
