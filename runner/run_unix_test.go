//go:build unix

package runner_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/proto/pharos/runner/v1/runnerv1connect"
	"github.com/pharos-live/pharos/runner"
)

// shortDir is a private directory whose path leaves room for a socket's, which may be 103 bytes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// realClient speaks h2c over real sockets, until the test ends.
func realClient(t *testing.T, network, address string) runnerv1connect.RunnerServiceClient {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return runnerv1connect.NewRunnerServiceClient(&http.Client{Transport: bearer{ticket.Token, transport}}, "http://runner.test")
}

// hello asks until there is an answer.
func hello(t *testing.T, client runnerv1connect.RunnerServiceClient) {
	t.Helper()
	for {
		_, err := client.Hello(t.Context(), connect.NewRequest(&runnerv1.HelloRequest{}))
		if err == nil {
			return
		}
		if connect.CodeOf(err) != connect.CodeUnavailable {
			t.Fatalf("hello: %v", err)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("hello: %v", err)
		case <-time.After(time.Millisecond): // nothing tells when a socket appears
		}
	}
}

func TestRun_OnAUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "a", "b", "m1.sock")
	// A socket that a runner which was killed has left behind.
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()

	r := runner.New(runner.Options{Orphan: 10 * time.Millisecond})
	bindHold(r)
	tk := ticket
	tk.Listen = "unix:" + path
	done := make(chan error, 1)
	go func() { done <- r.Run(t.Context(), tk) }()
	client := realClient(t, "unix", path)
	hello(t, client)
	if got := modeOf(t, path); got.Perm() != 0o600 {
		t.Errorf("the socket has mode %s, want 0600", got)
	}

	other := runner.New(runner.Options{})
	if err := other.Run(t.Context(), tk); err == nil || !strings.Contains(err.Error(), "another process listens on "+path) {
		t.Errorf("a second runner there: %v, want that another listens", err)
	}

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream, err := client.Attend(ctx, connect.NewRequest(&runnerv1.AttendRequest{Parent: "p1"}))
	if err != nil || !stream.Receive() {
		t.Fatalf("attend: %v, %v", err, stream.Err())
	}
	res, err := client.Start(t.Context(), connect.NewRequest(&runnerv1.StartRequest{
		WorkId: "w1", Build: runner.BuildID(), Name: "hold", Input: []byte("w1"), Parent: "p1",
	}))
	if err != nil || string(res.Msg.GetRunning()) != "ready w1" {
		t.Fatalf("start: %v, %v", res, err)
	}
	leave()
	_ = stream.Close()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestRun_MakesAPrivateDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shortDir(t), "new")
	tk := ticket
	tk.Listen = "unix:" + filepath.Join(dir, "s")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runner.New(runner.Options{}).Run(ctx, tk); err != nil {
		t.Fatalf("run, told to stop before it began: %v", err)
	}
	if got := modeOf(t, dir); got != fs.ModeDir|0o700 {
		t.Errorf("the directory has mode %s, want 0700", got)
	}
}

func TestRun_RefusesToListen(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for address, want := range map[string]string{
		"unix:" + file:                          "is no socket",
		"unix:relative/path":                    "is not absolute",
		"unix:" + filepath.Join(open, "s"):      "may be written by anybody",
		"unix:" + filepath.Join(file, "a", "s"): "not a directory",
		"unix:/tmp/" + strings.Repeat("x", 200): "invalid argument",
		taken.Addr().String():                   "address already in use",
		"nonsense":                              "missing port",
	} {
		tk := ticket
		tk.Listen = address
		err := runner.New(runner.Options{}).Run(t.Context(), tk)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "listen for machine m1") {
			t.Errorf("run on %s: %v, want %q", address, err, want)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file: %q, %v; want it untouched", b, err)
	}
}

// The booting parent's pipe: Run takes its number from the environment, and goes when it ends.
func TestRun_FollowsTheBootingParentsPipe(t *testing.T) { // not parallel: changes the environment
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := dup(read)
	if err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	t.Setenv(runner.PresenceEnv, strconv.Itoa(fd))
	tk := ticket
	tk.Listen = "127.0.0.1:0"
	done := make(chan error, 1)
	go func() { done <- runner.New(runner.Options{}).Run(t.Context(), tk) }()
	if _, err := write.WriteString("anything"); err != nil { // that it writes means nothing
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("run returned while the parent lived: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	from := time.Now()
	_ = write.Close()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if took := time.Since(from); took > time.Second {
		t.Errorf("the runner took %s to go, want it at once", took)
	}
	if _, there := os.LookupEnv(runner.PresenceEnv); there {
		t.Errorf("%s is still in the environment", runner.PresenceEnv)
	}
}

// A pipe that does not end must not keep Run from returning.
func TestRun_ReturnsWithTheParentsPipeOpen(t *testing.T) { // not parallel: changes the environment
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = write.Close() }()
	fd, err := dup(read)
	if err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	t.Setenv(runner.PresenceEnv, strconv.Itoa(fd))
	tk := ticket
	tk.Listen = "127.0.0.1:0"
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := runner.New(runner.Options{}).Run(ctx, tk); err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRun_RefusesABadPresence(t *testing.T) { // not parallel: changes the environment
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	fd, err := dup(file)
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"":             "not the number of an inherited file",
		"x":            "not the number of an inherited file",
		"2":            "not the number of an inherited file",
		"987":          "bad file descriptor",
		fmt.Sprint(fd): "it is no pipe",
	} {
		t.Setenv(runner.PresenceEnv, value)
		err := runner.New(runner.Options{}).Run(t.Context(), ticket)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), runner.PresenceEnv) {
			t.Errorf("%s=%q: %v, want %q", runner.PresenceEnv, value, err, want)
		}
	}
}

// dup returns a second descriptor of f, which nothing but its number refers to, as if inherited.
func dup(f *os.File) (int, error) {
	return syscall.Dup(int(f.Fd()))
}
