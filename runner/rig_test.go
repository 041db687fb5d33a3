package runner_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/pharos-live/pharos/internal/memhttp"
	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/proto/pharos/runner/v1/runnerv1connect"
	"github.com/pharos-live/pharos/runner"
)

var ticket = runner.Ticket{Pool: "default", Machine: "m1", Listen: "memory", Token: "secret-token"}

// bearer shows a token with every request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(q)
}

// rig is a runner in a bubble, and the way to it.
type rig struct {
	t      *testing.T
	r      *runner.Runner
	ln     *memhttp.Listener
	http   *http.Client
	client runnerv1connect.RunnerServiceClient
	stop   context.CancelFunc // ends Serve's ctx
	done   chan error         // what Serve returned
}

// light starts a runner with the jobs that bind binds. It must be called in a bubble, whose end
// checks that nothing is left of it.
func light(t *testing.T, o runner.Options, bind func(*runner.Runner)) *rig {
	t.Helper()
	return lightWith(t, o, bind, nil)
}

func lightWith(t *testing.T, o runner.Options, bind func(*runner.Runner), presence io.ReadCloser) *rig {
	t.Helper()
	r := runner.New(o)
	if bind != nil {
		bind(r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g := &rig{t: t, r: r, ln: memhttp.NewListener(), stop: cancel, done: make(chan error, 1)}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		g.done <- r.ServeWithPresence(ctx, ticket, g.ln, presence)
	}()
	g.http, g.client = g.dial(ticket.Token)
	t.Cleanup(func() {
		cancel()
		<-gone // which takes time, and that stands still once the test function and its cleanups end
	})
	return g
}

// dial returns clients on a connection of their own, as another process has.
func (g *rig) dial(token string) (*http.Client, runnerv1connect.RunnerServiceClient) {
	return g.dialBy(token, g.ln.Dial)
}

func (g *rig) dialBy(token string, dial func(context.Context) (net.Conn, error)) (*http.Client, runnerv1connect.RunnerServiceClient) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols:   protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}
	g.t.Cleanup(transport.CloseIdleConnections)
	c := &http.Client{Transport: bearer{token, transport}}
	return c, runnerv1connect.NewRunnerServiceClient(c, "http://runner.test")
}

// presenceOf attends as parent over client until leave is called; news yields what it is told and is
// closed when the stream ends.
type presenceOf struct {
	news  chan *runnerv1.AttendResponse
	leave context.CancelFunc
}

func (g *rig) attend(parent string) presenceOf {
	g.t.Helper()
	return g.attendOver(g.client, parent)
}

func (g *rig) attendOver(client runnerv1connect.RunnerServiceClient, parent string) presenceOf {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	g.t.Cleanup(cancel)
	stream, err := client.Attend(ctx, connect.NewRequest(&runnerv1.AttendRequest{Parent: parent}))
	if err != nil {
		g.t.Fatalf("attend as %s: %v", parent, err)
	}
	p := presenceOf{news: make(chan *runnerv1.AttendResponse, 1<<14), leave: cancel}
	go func() {
		defer close(p.news)
		for stream.Receive() {
			p.news <- stream.Msg()
		}
		_ = stream.Close()
	}()
	synctest.Wait() // the stream is answered at once, so that it counts from here on
	return p
}

// next returns the next news, failing if there is none.
func (p presenceOf) next(t *testing.T) *runnerv1.AttendResponse {
	t.Helper()
	synctest.Wait()
	select {
	case m, ok := <-p.news:
		if !ok {
			t.Fatal("attend: the stream has ended")
		}
		return m
	default:
		t.Fatal("attend: no news")
	}
	return nil
}

// quiet fails if there is news.
func (p presenceOf) quiet(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case m, ok := <-p.news:
		t.Fatalf("attend: got %v (open %t), want no news", m, ok)
	default:
	}
}

// start starts work of parent p1 and the running build.
func (g *rig) start(ctx context.Context, job, id string) (*runnerv1.StartResponse, error) {
	res, err := g.client.Start(ctx, connect.NewRequest(&runnerv1.StartRequest{
		WorkId: id, Build: runner.BuildID(), Name: job, Input: []byte(id), Parent: "p1",
	}))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

// running starts work and fails unless it becomes ready.
func (g *rig) running(job, id string) []byte {
	g.t.Helper()
	res, err := g.start(g.t.Context(), job, id)
	if err != nil {
		g.t.Fatalf("start %s: %v", id, err)
	}
	if f := res.GetFailure(); f != nil {
		g.t.Fatalf("start %s: failure %v, want it running", id, f)
	}
	return res.GetRunning()
}

func (g *rig) stopWork(id string) {
	g.t.Helper()
	if _, err := g.client.Stop(g.t.Context(), connect.NewRequest(&runnerv1.StopRequest{WorkId: id})); err != nil {
		g.t.Fatalf("stop %s: %v", id, err)
	}
}

// wait returns how work ended.
func (g *rig) wait(id string) (*runnerv1.Failure, error) {
	res, err := g.client.Wait(g.t.Context(), connect.NewRequest(&runnerv1.WaitRequest{WorkId: id}))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetFailure(), nil
}

func (g *rig) retire(ifIdle bool) bool {
	g.t.Helper()
	res, err := g.client.Retire(g.t.Context(), connect.NewRequest(&runnerv1.RetireRequest{IfIdle: ifIdle}))
	if err != nil {
		g.t.Fatalf("retire: %v", err)
	}
	return res.Msg.GetRetired()
}

// ends waits for Serve's return, and says how long that took.
func (g *rig) ends() (time.Duration, error) {
	g.t.Helper()
	from := time.Now()
	select {
	case err := <-g.done:
		return time.Since(from), err
	case <-time.After(time.Hour):
		g.t.Fatal("the runner does not end")
	}
	return 0, nil
}

// endsAfter fails unless Serve returns after d, with an error that holds text; "" is none at all. It
// allows for the time that open connections get to send the last answer.
func (g *rig) endsAfter(d time.Duration, text string) {
	g.t.Helper()
	const flush = 300 * time.Millisecond
	took, err := g.ends()
	if (err == nil) != (text == "") || err != nil && !strings.Contains(err.Error(), text) || took < d || took > d+flush {
		g.t.Errorf("ended with error %v after %s, want %q after %s", err, took, text, d)
	}
}

// stays fails if the runner ends within d.
func (g *rig) stays(d time.Duration) {
	g.t.Helper()
	select {
	case err := <-g.done:
		g.t.Fatalf("the runner ended (%v), want it to stay for %s", err, d)
	case <-time.After(d):
	}
}

// wantCode fails unless err is a Connect error of that code.
func wantCode(t *testing.T, err error, want connect.Code) {
	t.Helper()
	var e *connect.Error
	if !errors.As(err, &e) || e.Code() != want {
		t.Fatalf("got error %v, want code %s", err, want)
	}
}

// The jobs that most tests use. "hold" is ready at once and holds its slot until it is told to end;
// it then returns the cause.
var hold = runner.DefineJob[[]byte, []byte]("hold")

func bindHold(r *runner.Runner) {
	runner.HandleJob(r, hold, func(ctx context.Context, in []byte, ready func([]byte)) error {
		ready(append([]byte("ready "), in...))
		<-ctx.Done()
		return context.Cause(ctx)
	})
}

// options are quiet: no pings, as bubbles pass much time in silence.
func options() runner.Options { return runner.Options{NoPing: true} }
