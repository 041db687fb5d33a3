// Command pharos puts live streams on machines that exist only while someone
// is live: RTMP in, adaptive Low-Latency HLS out, with the transcoder on a pool
// machine and the media in a bucket.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is stamped by the build.
var version = "dev"

// A command is one word of the command line.
type command struct {
	name, synopsis string
	run            func(ctx context.Context, p *process, args []string) error
	hidden         bool
}

// A process is what a command may touch of the outside.
type process struct {
	getenv         func(string) (string, bool)
	stdout, stderr io.Writer
}

func commands() []command {
	return []command{
		{name: "serve", synopsis: "an app server: ingest, web and pool", run: runServe},
		{name: "demo", synopsis: "serve with everything embedded on loopback, and a test broadcast", run: runDemo},
		{name: "key", synopsis: "stream keys: key new CHANNEL, key revoke CHANNEL", run: runKey},
		{name: "ps", synopsis: "runners and broadcasts, as the registry knows them", run: runPS},
		{name: "runner", synopsis: "what a backend starts inside a machine; never typed by hand", run: runRunner, hidden: true},
		{name: "version", synopsis: "print the version", run: runVersion},
	}
}

func main() {
	// The first signal ends the context: take nothing new, finish what can be
	// finished. The second ends the process, as restoring the default does.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	p := &process{getenv: osGetenv, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(run(ctx, p, os.Args[1:]))
}

// run picks the command and turns its error into an exit code and one line.
func run(ctx context.Context, p *process, args []string) int {
	if len(args) == 0 {
		usage(p.stderr)
		return 2
	}
	name, rest := args[0], args[1:]
	if name == "-h" || name == "--help" || name == "help" {
		usage(p.stdout)
		return 0
	}
	for _, c := range commands() {
		if c.name != name {
			continue
		}
		err := c.run(ctx, p, rest)
		switch {
		case err == nil:
			return 0
		case errors.Is(err, flag.ErrHelp):
			return 0
		default:
			fmt.Fprintf(p.stderr, "pharos %s: %v\n", name, err)
			return 1
		}
	}
	fmt.Fprintf(p.stderr, "pharos: no command %q; pharos help lists them\n", name)
	return 2
}

func usage(w io.Writer) {
	fmt.Fprintf(w, "usage: pharos COMMAND [flags]\n\n")
	for _, c := range commands() {
		if !c.hidden {
			fmt.Fprintf(w, "  %-8s %s\n", c.name, c.synopsis)
		}
	}
	fmt.Fprintf(w, "\npharos COMMAND -h prints its settings with their defaults.\n")
}

func runVersion(_ context.Context, p *process, _ []string) error {
	_, err := fmt.Fprintln(p.stdout, version)
	return err
}
