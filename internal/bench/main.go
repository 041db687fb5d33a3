package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

var errNoFFmpeg = errors.New("ffmpeg is missing: the bench makes its clip with it and measures it; " +
	"install it (apt-get install ffmpeg, brew install ffmpeg) or put it on PATH")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A scale is how long and how large everything is measured.
type scale struct {
	clip time.Duration // of media, made once

	listed time.Duration // of one broadcast, watched

	broadcasts      int           // at once, without a ladder
	settle          time.Duration // until they are steady
	windows         int           // of a second, measured then
	broadcastRounds int

	ladder       time.Duration // of media through the ladder as fast as it goes
	ladderRounds int
	delay        time.Duration // of media through it at its own pace
	delayRounds  int

	crowds []size // one after the other
	parts  int    // announced to each of them

	waiters      int // in this process, without sockets
	waiterRounds int
}

// A size is how many viewers each side of a crowd has, and what they speak.
type size struct {
	protocol string // "HTTP/1.1" or "h2c"
	viewers  int
}

var (
	full = scale{
		clip:       20 * time.Second,
		listed:     20 * time.Second,
		broadcasts: 5, settle: 2 * time.Second, windows: 6, broadcastRounds: 3,
		ladder: 5 * time.Second, ladderRounds: 5,
		delay: 4 * time.Second, delayRounds: 5,
		crowds:  []size{{"HTTP/1.1", 1000}, {"h2c", 1000}, {"HTTP/1.1", 2000}, {"h2c", 5000}},
		parts:   20,
		waiters: 10_000, waiterRounds: 5,
	}
	quick = scale{
		clip:       6 * time.Second,
		listed:     6 * time.Second,
		broadcasts: 2, settle: time.Second, windows: 3, broadcastRounds: 1,
		ladder: 2 * time.Second, ladderRounds: 1,
		delay: 3 * time.Second, delayRounds: 1,
		crowds:  []size{{"HTTP/1.1", 100}, {"h2c", 100}},
		parts:   3,
		waiters: 1000, waiterRounds: 1,
	}
)

// A bench is one run.
type bench struct {
	scale
	dir    string // temporary, for all that is written
	clip   *clip
	report *report
	log    io.Writer
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	short := flags.Bool("quick", false, "take each figure once and briefly: shows that the bench works, and no more")
	only := flags.String("only", "", "take these figures alone, joined by commas: listed, passthrough, ladder, crowd, waiters")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		return errNoFFmpeg
	}
	dir, err := os.MkdirTemp("", "pharos-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{scale: full, dir: dir, report: newReport(ctx), log: stderr}
	if *short {
		b.scale = quick
	}
	todo, err := b.choose(*only)
	if err != nil {
		return err
	}
	err = b.measure(ctx, todo)
	if len(b.report.rows) > 0 { // what was measured before a fault is good
		b.report.write(stdout)
	}
	return err
}

// A figure is one of the things that are measured.
type figure struct {
	name string
	take func(context.Context) error
}

func (b *bench) choose(only string) ([]figure, error) {
	all := []figure{
		{"listed", b.measureListed},
		{"passthrough", b.measurePassthrough},
		{"ladder", b.measureLadder},
		{"crowd", b.measureCrowd},
		{"waiters", b.measureWaiters},
	}
	if only == "" {
		return all, nil
	}
	var chosen []figure
	for _, name := range strings.Split(only, ",") {
		found := false
		for _, f := range all {
			if f.name == name {
				chosen, found = append(chosen, f), true
			}
		}
		if !found {
			return nil, fmt.Errorf("-only names %q: want listed, passthrough, ladder, crowd or waiters", name)
		}
	}
	return chosen, nil
}

func (b *bench) measure(ctx context.Context, todo []figure) error {
	b.progress("making a clip of %v: %s at about %d Mbit/s", b.scale.clip, clipFormat, clipBitrate/1_000_000)
	var err error
	if b.clip, err = makeClip(ctx, b.scale.clip); err != nil {
		return fmt.Errorf("make the clip: %w", err)
	}
	b.report.clip = b.clip.String()
	for _, f := range todo {
		if err := f.take(ctx); err != nil {
			return fmt.Errorf("measure %s: %w", f.name, err)
		}
	}
	return nil
}

// progress tells what is being done, and how loaded the machine is by then.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(b.log, "%s  load %s  %s\n", time.Now().Format(time.TimeOnly), load(), fmt.Sprintf(format, args...))
}
