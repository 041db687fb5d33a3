package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/pharos-live/pharos/internal/streamkey"
)

// The demo's broadcast: a moving picture with its clock burnt in, and a beep
// each second.
const (
	demoChannel = "demo"
	demoLadder  = "480p30@1200000|240p30@400000"
	demoPicture = "testsrc2=size=1280x720:rate=30"
	demoSound   = "sine=frequency=220:beep_factor=4:sample_rate=48000"
)

// demoDefaults are the settings in which the demo differs from serve; all
// others are its own too.
var demoDefaults = map[string]string{
	"PHAROS_HTTP_ADDR": "127.0.0.1:8080",
	"PHAROS_RTMP_ADDR": "127.0.0.1:1935",
	"TRANSCODE":        demoLadder,
	"FLAME_LOG":        "warn",
}

// runDemo is serve with everything embedded on loopback, and a broadcast to
// watch.
func runDemo(ctx context.Context, p *process, args []string) error {
	dir, err := os.MkdirTemp("", "pharos-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var c config
	settings := c.serveSettings()
	for i, s := range settings {
		if def, ok := demoDefaults[s.env]; ok {
			settings[i].def = def
		}
		if s.env == "PHAROS_DATA_DIR" {
			settings[i].def = dir
			settings[i].shown = "a new temporary directory"
		}
	}
	if err := noArguments("demo [flags]", "serve with everything embedded on loopback, and a test broadcast.", settings, args, p); err != nil {
		return err
	}
	if c.webOnly() {
		return errors.New("the demo needs an RTMP listener: leave PHAROS_RTMP_ADDR at its default")
	}
	c.httpAddr = freeUnlessAsked(c.httpAddr, demoDefaults["PHAROS_HTTP_ADDR"])
	c.rtmpAddr = freeUnlessAsked(c.rtmpAddr, demoDefaults["PHAROS_RTMP_ADDR"])
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		return errors.New("the demo's test broadcast needs ffmpeg in PATH: make demo installs it")
	}
	s, err := newServer(ctx, &c, newLogger(p.stderr, c.flameLog), p.stderr)
	if err != nil {
		return err
	}
	return s.run(ctx, func(ctx context.Context) error { return demoBroadcast(ctx, p, s) })
}

// freeUnlessAsked takes any free port where the demo's usual one is in use, and
// nobody asked for it by name.
func freeUnlessAsked(addr, usual string) string {
	if addr != usual {
		return addr
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "127.0.0.1:0"
	}
	ln.Close()
	return addr
}

// demoBroadcast tells where to watch, and streams until ctx ends.
func demoBroadcast(ctx context.Context, p *process, s *server) error {
	secret, err := s.c.loadSecret()
	if err != nil {
		return err
	}
	signer, err := streamkey.NewSigner(secret)
	if err != nil {
		return err
	}
	rtmp := "rtmp://" + s.rtmpAddr() + "/live"
	say(p, s, rtmp, signer.New("obs", 0))
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		err := demoPublish(ctx, rtmp+"/"+signer.New(demoChannel, 0))
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the publish was told to end
		}
		s.log.Error("the test broadcast ended: starting it again", "error", err, "in", pause.String())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

func say(p *process, s *server, rtmp, key string) {
	base := s.scheme() + "://" + s.httpLn.Addr().String()
	fmt.Fprintf(p.stdout, `
Pharos is up. Everything runs on this machine, and ends with Ctrl-C.

  watch        %s/%s
  channels     %s/

  OBS          Settings, Stream, Service: Custom
  server       %s
  stream key   %s
  then watch   %s/obs

  booted       an app server (HTTP %s, RTMP %s), an embedded Redis, a directory bucket;
               a runner process starts with the first broadcast and goes %v after the last
  ladder       source|%s
  look inside  pharos ps --data-dir %s

`, base, demoChannel, base, rtmp, key, base, s.httpLn.Addr(), s.rtmpAddr(), s.c.flameIdle, s.c.transcode, s.c.dataDir)
}

// demoPublish streams the test picture until ctx ends.
func demoPublish(ctx context.Context, url string) error {
	cmd := exec.CommandContext(ctx, "ffmpeg",
		"-hide_banner", "-loglevel", "error", "-nostdin", "-re",
		"-f", "lavfi", "-i", demoPicture,
		"-f", "lavfi", "-i", demoSound,
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
		"-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0",
		"-c:a", "aac", "-b:a", "128k", "-ac", "2",
		"-f", "flv", url)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Second
	var tail strings.Builder
	cmd.Stderr = &tail
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(tail.String()), "\n")
		return fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	return errors.New("ffmpeg stopped by itself")
}
