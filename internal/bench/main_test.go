package main

import (
	"errors"
	"io"
	"testing"
)

func TestRun_WithoutFFmpegSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := run(t.Context(), nil, io.Discard, io.Discard); !errors.Is(err, errNoFFmpeg) {
		t.Errorf("got %v, want %v", err, errNoFFmpeg)
	}
}

func TestChoose_NamesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	var b bench
	if todo, err := b.choose("crowd,listed"); err != nil || len(todo) != 2 || todo[0].name != "crowd" {
		t.Errorf("got %v, %v, want crowd and listed", todo, err)
	}
	if _, err := b.choose("listed,nothing"); err == nil {
		t.Error("a figure that does not exist was taken")
	}
}
