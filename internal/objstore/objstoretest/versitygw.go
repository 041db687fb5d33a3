package objstoretest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pharos-live/pharos/internal/objstore"
)

const (
	// requireEnv set to 1 makes a missing program a failure instead of a skipped test.
	requireEnv = "PHAROS_TEST_REQUIRE"
	// versityEnv names the versitygw to use.
	versityEnv = "PHAROS_VERSITYGW"

	startTimeout = 20 * time.Second
	stopTimeout  = 5 * time.Second
)

// Gateway is a versitygw that runs for one test: a real S3 server that checks signatures, keeps
// headers, and enforces bucket policies and CORS.
type Gateway struct {
	Endpoint string // http://127.0.0.1:port
	Access   string // access key id
	Secret   string // secret access key
}

// VersityGW starts a versitygw that stores in a directory of its own, and stops it when the test
// ends. The program is the one in PATH, at $PHAROS_VERSITYGW, or at .tools/bin/versitygw in the
// repository; the test is skipped where there is none, or fails where PHAROS_TEST_REQUIRE is 1.
//
// versitygw says "port 0" when it was told to listen on port 0. So it listens on a unix socket,
// and a relay in this process, whose port is known, leads there.
//
// One thing to know of it: its posix backend removes folders that a DELETE empties, and answers a
// PUT into such a folder at the same moment with 409 ExistingObjectIsDirectory (seen with v1.8.0).
func VersityGW(t testing.TB) Gateway {
	t.Helper()
	binary, err := findVersityGW()
	if err != nil {
		if os.Getenv(requireEnv) == "1" {
			t.Fatalf("%v (%s=1)", err, requireEnv)
		}
		t.Skip(err)
	}
	g := Gateway{Access: "access-" + rand.Text()[:8], Secret: rand.Text()}
	socket := filepath.Join(shortDir(t), "s3.sock")
	startVersityGW(t, binary, socket, g)
	g.Endpoint = "http://" + relay(t, socket)
	return g
}

// Options returns what OpenS3 needs for a bucket of g, with patience for a busy machine.
func (g Gateway) Options(bucket string) objstore.S3Options {
	return objstore.S3Options{
		Bucket: bucket, Endpoint: g.Endpoint, AccessKeyID: g.Access, SecretAccessKey: g.Secret,
		AttemptTimeout: time.Minute,
	}
}

// Bucket makes a bucket that lets every web page read, with a presigned URL, and returns its name.
func (g Gateway) Bucket(t testing.TB) string {
	t.Helper()
	name := "media-" + strings.ToLower(rand.Text()[:12])
	c := g.client()
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("create bucket %s: %v", name, err)
	}
	_, err := c.PutBucketCors(t.Context(), &s3.PutBucketCorsInput{
		Bucket: &name,
		CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{
			AllowedMethods: []string{http.MethodGet, http.MethodHead},
			AllowedOrigins: []string{"*"},
			AllowedHeaders: []string{"*"},
			MaxAgeSeconds:  aws.Int32(86400),
		}}},
	})
	if err != nil {
		t.Fatalf("set CORS of bucket %s: %v", name, err)
	}
	return name
}

// PublicBucket makes a Bucket that anyone may read, and returns its name and its public base URL.
func (g Gateway) PublicBucket(t testing.TB) (name, baseURL string) {
	t.Helper()
	name = g.Bucket(t)
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",`+
		`"Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}`, name)
	if _, err := g.client().PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &name, Policy: &policy}); err != nil {
		t.Fatalf("set policy of bucket %s: %v", name, err)
	}
	return name, g.Endpoint + "/" + name
}

func (g Gateway) client() *s3.Client {
	return s3.New(s3.Options{
		Region:       objstore.DefaultRegion,
		BaseEndpoint: &g.Endpoint,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(g.Access, g.Secret, ""),
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // leaves no goroutine
	})
}

func findVersityGW() (string, error) {
	if path := os.Getenv(versityEnv); path != "" {
		return exec.LookPath(path)
	}
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path, nil
	}
	if root, err := repositoryRoot(); err == nil {
		if path, err := exec.LookPath(filepath.Join(root, ".tools", "bin", "versitygw")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("versitygw is neither in PATH, nor in .tools/bin, nor named by " + versityEnv)
}

// repositoryRoot is the nearest folder above the working directory that has a go.mod.
func repositoryRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", errors.New("no go.mod in this folder or above it")
		}
		folder = above
	}
}

// shortDir is t.TempDir for sockets, whose paths have at most about 100 bytes.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vgw")
	if err != nil {
		t.Fatalf("make a folder for the socket: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// startVersityGW runs the gateway on a unix socket until the test ends, and returns once it serves.
func startVersityGW(t testing.TB, binary, socket string, g Gateway) {
	t.Helper()
	objects, metadata := t.TempDir(), t.TempDir()
	cmd := exec.Command(binary, "--port", socket, "--keep-alive", "--quiet", "--health", "/health",
		"posix", "--sidecar", metadata, objects) // metadata in files: not every temporary folder has extended attributes
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+g.Access, "ROOT_SECRET_ACCESS_KEY="+g.Secret)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	exited := runWithParent(t, cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
			<-exited
		}
		if t.Failed() {
			t.Logf("versitygw said:\n%s", output.String())
		}
	})
	if err := awaitHealth(t.Context(), socket, exited); err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
}

// runWithParent starts cmd, and returns a channel that is closed once it has exited. Where the
// system can do so, it kills cmd when this process dies without cleaning up, as it does when a test
// takes too long; that hangs on the thread that started cmd, which is therefore kept.
func runWithParent(t testing.TB, cmd *exec.Cmd) <-chan struct{} {
	t.Helper()
	dieWithParent(cmd)
	started, exited := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // ended by a signal, which counts as an error
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	return exited
}

// awaitHealth returns once the gateway answers. There is nothing to wait on but its answers.
func awaitHealth(ctx context.Context, socket string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://versitygw/health", nil)
		if err != nil {
			return err
		}
		resp, err := transport.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-exited:
			return errors.New("it exited")
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w", startTimeout, err)
		}
	}
}

// relay passes the bytes of TCP connections on to a unix socket until the test ends, and returns the
// address it listens on.
func relay(t testing.TB, socket string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	r := &relaying{socket: socket, open: make(map[net.Conn]bool)}
	r.running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		r.closeAll()
		r.running.Wait()
	})
	return ln.Addr().String()
}

type relaying struct {
	socket  string
	running sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   map[net.Conn]bool
	closed bool
}

// carry connects c with the socket until one of them has nothing more to say.
func (r *relaying) carry(c net.Conn) {
	s, err := net.Dial("unix", r.socket)
	if err != nil {
		_ = c.Close()
		return
	}
	if !r.keep(c, s) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(c, s)
		r.drop(c, s)
	})
	_, _ = io.Copy(s, c)
	r.drop(c, s)
	back.Wait()
}

// keep remembers connections for closeAll; after it, it closes them.
func (r *relaying) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if r.closed {
			_ = c.Close()
			continue
		}
		r.open[c] = true
	}
	return !r.closed
}

func (r *relaying) drop(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(r.open, c)
	}
}

func (r *relaying) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for c := range r.open {
		_ = c.Close()
	}
}
