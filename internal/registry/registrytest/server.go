package registrytest

import (
	"context"
	"crypto/rand"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// startTime bounds the start of a redis-server.
const startTime = 20 * time.Second

// A Server is a real redis-server on a unix socket, so that no port need be guessed. It hands every change to
// the kernel before it answers, so that Stop and Start lose nothing; Wipe makes them lose everything.
type Server struct {
	tb       testing.TB
	bin, dir string
	password string
	cmd      *exec.Cmd
}

// RedisServer starts a redis-server, ended with tb. Where there is none, tb is skipped, or fails if
// PHAROS_TEST_REQUIRE is 1.
func RedisServer(tb testing.TB) *Server {
	tb.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("PHAROS_TEST_REQUIRE") == "1" {
			tb.Fatalf("redis-server is required: %v", err)
		}
		tb.Skipf("needs redis-server: %v", err)
	}
	dir, err := os.MkdirTemp("", "redis") // tb.TempDir is too long a path for a socket on some systems
	if err != nil {
		tb.Fatalf("make directory: %v", err)
	}
	s := &Server{tb: tb, bin: bin, dir: dir, password: rand.Text()}
	s.Start()
	tb.Cleanup(func() {
		s.Stop()
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("remove directory: %v", err)
		}
	})
	return s
}

// URL returns what registry.Open takes; it stays the same over restarts.
func (s *Server) URL() string {
	u := url.URL{Scheme: "unix", User: url.UserPassword("", s.password), Path: s.socket()}
	return u.String()
}

// Redis returns the server for the suite.
func (s *Server) Redis() *Redis {
	return &Redis{password: s.password, dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.socket())
	}}
}

func (s *Server) socket() string { return filepath.Join(s.dir, "s") }

// Start starts the server, with the data it had when it was stopped, and waits until it answers.
func (s *Server) Start() {
	s.tb.Helper()
	s.cmd = exec.Command(s.bin,
		"--port", "0", "--unixsocket", s.socket(), "--dir", s.dir, "--requirepass", s.password,
		"--appendonly", "yes", "--appendfsync", "no", "--save", "", "--loglevel", "warning")
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatalf("start redis-server: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	client := s.Redis().Link().client(s.tb)
	for client.Ping(ctx).Err() != nil {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			s.tb.Fatalf("redis-server does not answer within %s", startTime)
		}
	}
}

// Stop kills the server, as a crash would.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // says that it was killed
	s.cmd = nil
}

// Wipe deletes the data of a stopped server.
func (s *Server) Wipe() {
	s.tb.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "appendonlydir")); err != nil {
		s.tb.Fatalf("wipe redis-server: %v", err)
	}
}

// Freeze lets the server take connections and requests, and answer nothing, until Thaw.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw ends a Freeze: the server then carries out what came meanwhile.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("signal redis-server: %v", err)
	}
}
