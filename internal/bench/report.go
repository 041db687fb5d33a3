package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A report is what a run found out.
type report struct {
	began   time.Time
	load    string // when it began
	encoder string
	clip    string
	rows    []row
}

// A row is one line of the report: a figure and, where there is something to hold it against, what
// that gave in the same run.
type row struct{ what, samples, ours, bare, ratio string }

func newReport(ctx context.Context) *report {
	return &report{began: time.Now(), load: load(), encoder: ffmpegVersion(ctx)}
}

func (r *report) add(row row) { r.rows = append(r.rows, row) }

func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores of %s, %s/%s, %s, %s; load average %s before, %s after; took %v.\n\n",
		r.began.UTC().Format("2006-01-02 15:04 MST"), runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH,
		runtime.Version(), r.encoder, r.load, load(), time.Since(r.began).Round(time.Second))
	fmt.Fprintf(w, "Clip: %s.\n\n", r.clip)
	fmt.Fprintln(w, "| what | samples | Pharos | bare | ratio |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, row := range r.rows {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", row.what, row.samples, row.ours, row.bare, row.ratio)
	}
}

// ffmpegVersion is the first words of `ffmpeg -version`.
func ffmpegVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output()
	if err != nil {
		return "ffmpeg"
	}
	if words := strings.Fields(string(out)); len(words) >= 3 {
		return words[0] + " " + words[2]
	}
	return "ffmpeg"
}
