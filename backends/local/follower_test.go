package local

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// follows is a follower and what it has written.
func follows(t *testing.T) (*follower, *bytes.Buffer) {
	t.Helper()
	var b bytes.Buffer
	f, err := newFollower(filepath.Join(t.TempDir(), "m1.log"), "m1", &output{w: &b})
	if err != nil {
		t.Fatalf("new follower: %v", err)
	}
	t.Cleanup(f.close)
	return f, &b
}

func appendTo(t *testing.T, f *follower, text string) {
	t.Helper()
	if _, err := f.file.WriteString(text); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func TestFollow_CopiesWholeLinesWithTheirMachine(t *testing.T) {
	t.Parallel()
	f, b := follows(t)
	appendTo(t, f, "plain\r\nhal")
	f.copy()
	appendTo(t, f, "ves\n{\"level\":\"INFO\"}\n{}\nno end")
	ended := make(chan struct{})
	close(ended)
	f.follow(ended)
	want := "[m1] plain\n[m1] halves\n{\"machine\":\"m1\",\"level\":\"INFO\"}\n[m1] {}\n[m1] no end\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestFollow_KeepsTheLastLines(t *testing.T) {
	t.Parallel()
	f, _ := follows(t)
	var want []string
	for i := range 30 {
		appendTo(t, f, fmt.Sprintf("line %d\n", i))
		if i >= 10 {
			want = append(want, fmt.Sprintf("line %d", i))
		}
	}
	f.copy()
	if diff := cmp.Diff(want, f.tail); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
}

func TestFollow_BoundsALineAndTheFile(t *testing.T) {
	t.Parallel()
	f, b := follows(t)
	long := strings.Repeat("x", 1<<20)
	for range 17 {
		appendTo(t, f, long)
	}
	f.copy()
	if got := len(f.part); got > maxLine {
		t.Errorf("got %d bytes held of a line without an end, want at most %d", got, maxLine)
	}
	f.restart()
	if info, err := os.Stat(f.file.Name()); err != nil || info.Size() != 0 {
		t.Errorf("got %v, error %v; want an empty file", info, err)
	}
	b.Reset()
	f.part = nil
	appendTo(t, f, "after\n")
	f.copy()
	if got, want := b.String(), "[m1] after\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
