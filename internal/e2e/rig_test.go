//go:build integration || browser

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the pharos under test, built once for all tests.
var binary string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pharos-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "pharos")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/pharos")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build pharos: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// need skips a test without its program, unless every program is required.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("PHAROS_TEST_REQUIRE") == "1" {
				t.Fatalf("%s is required: %v", p, err)
			}
			t.Skipf("%s is missing", p)
		}
	}
}

// A process is a child of the test: its output is kept, and it is ended by its
// id when the test ends.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error         // of Wait, before done is closed
	read chan struct{} // closed once all output was read

	mu    sync.Mutex // protects lines and grew
	lines []string
	grew  chan struct{}
}

func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{}), read: make(chan struct{}), grew: make(chan struct{})}
	p.cmd.Env = env
	if env == nil {
		p.cmd.Env = os.Environ()
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = in, in
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	in.Close()
	go func() {
		defer close(p.read)
		p.scan(out)
	}()
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
		out.Close()
		<-p.read
		if t.Failed() {
			t.Logf("output of %s %s:\n%s", filepath.Base(name), strings.Join(args, " "), p.output())
		}
	})
	return p
}

func (p *process) scan(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, s.Text())
		close(p.grew)
		p.grew = make(chan struct{})
		p.mu.Unlock()
	}
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// line waits for the first line that contains what.
func (p *process) line(t *testing.T, what string, wait time.Duration) string {
	t.Helper()
	timeout := time.After(wait)
	for next := 0; ; {
		p.mu.Lock()
		lines, grew := p.lines, p.grew
		p.mu.Unlock()
		for ; next < len(lines); next++ {
			if strings.Contains(lines[next], what) {
				return lines[next]
			}
		}
		select {
		case <-grew:
		case <-p.done:
			p.mu.Lock()
			late := slices.Clone(p.lines[next:])
			p.mu.Unlock()
			for _, l := range late {
				if strings.Contains(l, what) {
					return l
				}
			}
			t.Fatalf("ended (%v) without a line with %q:\n%s", p.err, what, p.output())
		case <-timeout:
			t.Fatalf("no line with %q within %v:\n%s", what, wait, p.output())
		}
	}
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// end stops a server before its folders go: its runners write into them.
func (p *process) end() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
	}
}

// stop asks the process to end and waits for it.
func (p *process) stop(t *testing.T, wait time.Duration) int {
	t.Helper()
	p.signal(syscall.SIGTERM)
	return p.exit(t, wait)
}

// exit waits for the process and gives its exit code.
func (p *process) exit(t *testing.T, wait time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(wait):
		t.Fatalf("%s has not ended within %v:\n%s", p.cmd.Path, wait, p.output())
	}
	select {
	case <-p.read:
	case <-time.After(wait): // a child of it holds the pipe
	}
	return p.cmd.ProcessState.ExitCode()
}

// A server is one `pharos serve`.
type server struct {
	*process
	http, rtmp string // addresses
	env        []string
}

// baseEnv is an environment without any setting of ours.
func baseEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		for _, prefix := range []string{"PHAROS_", "FLAME_", "TRANSCODE", "AWS_", "BUCKET_", "REDIS_"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return false
	})
}

// serverEnv is what every server of a test needs, and what the test adds.
func serverEnv(t *testing.T, settings ...string) []string {
	t.Helper()
	env := append(baseEnv(), "PHAROS_HTTP_ADDR=127.0.0.1:0", "PHAROS_RTMP_ADDR=127.0.0.1:0", "PHAROS_DATA_DIR="+t.TempDir())
	return append(env, settings...)
}

// serve starts an app server and waits until it is ready.
func serve(t *testing.T, settings ...string) *server {
	t.Helper()
	s := &server{env: serverEnv(t, settings...)}
	s.process = start(t, s.env, binary, "serve")
	t.Cleanup(s.end)
	s.awaitReady(t)
	return s
}

func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	var ready struct{ HTTP, RTMP string }
	if err := json.Unmarshal([]byte(s.line(t, `"msg":"ready"`, 40*time.Second)), &ready); err != nil {
		t.Fatalf("read the ready line: %v", err)
	}
	s.http, s.rtmp = "http://"+ready.HTTP, "rtmp://"+ready.RTMP+"/live"
}

// pharos runs a command of the binary in the server's environment.
func (s *server) pharos(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = s.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pharos %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// key makes a stream key.
func (s *server) key(t *testing.T, channel string) string {
	t.Helper()
	return s.pharos(t, "key", "new", channel)
}

// ps is what `pharos ps --json` prints.
type ps struct {
	Runners []struct {
		Machine     string
		PID         int
		Used, Slots int
		Broadcasts  []string
	}
	Broadcasts []struct {
		Channel, Broadcast, State, Machine, Server string
		Renditions                                 []string
	}
}

func (s *server) ps(t *testing.T) ps {
	t.Helper()
	var p ps
	if err := json.Unmarshal([]byte(s.pharos(t, "ps", "--json")), &p); err != nil {
		t.Fatalf("read ps: %v", err)
	}
	return p
}

// An encoder's usual arguments.
var (
	calm = []string{"-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"}
	x264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0"}
	aac  = []string{"-c:a", "aac", "-b:a", "128k", "-ac", "2"}
)

// publish streams into url until the test ends or stops it.
func publish(t *testing.T, url string, args ...[]string) *process {
	t.Helper()
	need(t, "ffmpeg")
	if len(args) == 0 {
		args = [][]string{calm, x264, aac}
	}
	all := []string{"-hide_banner", "-loglevel", "verbose", "-nostdin", "-re"}
	all = append(all, slices.Concat(args...)...)
	return start(t, nil, "ffmpeg", append(all, "-f", "flv", url)...)
}

// eventually asks until ok, at most for wait.
func eventually(t *testing.T, wait time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(wait)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", wait, what)
		}
		<-tick.C
	}
}

// An answer is what a GET got, after redirects.
type answer struct {
	status    int
	body      string
	host      string // that sent the body
	redirects int
	header    http.Header
}

var client = &http.Client{Timeout: 30 * time.Second}

func get(t *testing.T, url string) answer {
	t.Helper()
	a, err := tryGet(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryGet(ctx context.Context, url string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	redirects := 0
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error {
		redirects++
		if redirects > 5 {
			return errors.New("too many redirects")
		}
		return nil
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{
		status: resp.StatusCode, body: string(body), host: resp.Request.URL.Host,
		redirects: redirects, header: resp.Header,
	}, err
}

// alive says whether a process exists.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
