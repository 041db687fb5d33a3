package backendtest

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/pharos-live/pharos/pool"
	runnerv1 "github.com/pharos-live/pharos/proto/pharos/runner/v1"
	"github.com/pharos-live/pharos/proto/pharos/runner/v1/runnerv1connect"
	"github.com/pharos-live/pharos/runner"
)

// patience is how long the suite waits for what must happen.
const patience = 20 * time.Second

// poolName is the pool of the suite's machines.
const poolName = "suite"

// Run holds a backend to the contract of pool.Backend, Dialer and Watcher. It takes
// real time. newBackend makes a fresh backend and cleans up after itself; command has
// a machine run a runner.Runner with the ticket that it finds.
func Run(t *testing.T, newBackend func(t *testing.T) pool.Backend, command pool.Command) {
	for _, c := range []struct {
		name string
		test func(*suite)
	}{
		{"a machine answers Hello with its launch id, to its token alone", (*suite).boots},
		{"a second Boot of one launch returns the same machine", (*suite).bootsOnce},
		{"machines of one pool live side by side", (*suite).bootsSeveral},
		{"List names the living machines of that pool", (*suite).lists},
		{"Destroy ends a machine, and may be called again", (*suite).destroys},
		{"Destroy of a machine unknown is no error", (*suite).destroysUnknown},
		{"Boot fails once its context is done, and leaves nothing", (*suite).bootEnds},
		{"a retired machine ends by itself", (*suite).retires},
		{"Watch tells how a machine ended, then and later", (*suite).watches},
		{"Watch ends with its context", (*suite).watchEnds},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(&suite{T: t, b: newBackend(t), command: command})
		})
	}
}

// suite is one test of one backend.
type suite struct {
	*testing.T
	b       pool.Backend
	command pool.Command
}

func (s *suite) boots() {
	spec, m := s.boot()
	if m.ID == "" || m.Launch != spec.Launch || m.Created.IsZero() {
		s.Errorf("got machine %+v, want an id, launch %s and a time", m, spec.Launch)
	}
	if got := s.hello(m, spec.Ticket.Token); got != spec.Launch {
		s.Errorf("got Hello from machine %q, want %q", got, spec.Launch)
	}
	_, err := s.client(m, "another").Hello(s.context(), connect.NewRequest(&runnerv1.HelloRequest{}))
	if got, want := connect.CodeOf(err), connect.CodeUnauthenticated; got != want {
		s.Errorf("another token: got %v, want %v", got, want)
	}
}

func (s *suite) bootsOnce() {
	spec := s.spec()
	var wg sync.WaitGroup
	machines := make([]pool.Machine, 3)
	for i := range machines {
		wg.Go(func() { machines[i] = s.bootSpec(spec) })
	}
	wg.Wait()
	for _, m := range append(machines, s.bootSpec(spec)) {
		if m.ID != machines[0].ID || m.Addr != machines[0].Addr {
			s.Errorf("got machine %+v, want %+v", m, machines[0])
		}
	}
	s.hello(machines[0], spec.Ticket.Token)
	if got := s.list(poolName); len(got) != 1 {
		s.Errorf("got machines %v, want one", got)
	}
}

func (s *suite) bootsSeveral() {
	first, m1 := s.boot()
	second, m2 := s.boot()
	if m1.ID == m2.ID {
		s.Fatalf("got one id %q for two launches", m1.ID)
	}
	s.hello(m1, first.Ticket.Token)
	s.hello(m2, second.Ticket.Token)
}

func (s *suite) lists() {
	spec, m := s.boot()
	s.until("List names it", func() bool { return slices.Contains(s.list(poolName), spec.Launch) })
	if got := s.list("another"); len(got) != 0 {
		s.Errorf("another pool: got %v, want none", got)
	}
	s.destroy(m)
	s.until("List no longer names it", func() bool { return len(s.list(poolName)) == 0 })
}

func (s *suite) destroys() {
	spec, m := s.boot()
	s.hello(m, spec.Ticket.Token)
	s.destroy(m)
	s.until("it no longer answers", func() bool {
		_, err := s.client(m, spec.Ticket.Token).Hello(s.context(), connect.NewRequest(&runnerv1.HelloRequest{}))
		return err != nil
	})
	s.destroy(m)
}

func (s *suite) destroysUnknown() {
	launch := s.spec().Launch
	s.destroy(pool.Machine{ID: launch, Launch: launch})
}

func (s *suite) bootEnds() {
	ctx, cancel := context.WithCancel(s.context())
	cancel()
	if m, err := s.b.Boot(ctx, s.spec()); err == nil {
		s.destroy(m)
		s.Errorf("got machine %+v, want an error", m)
	}
	s.until("nothing is left", func() bool { return len(s.list(poolName)) == 0 })
}

func (s *suite) retires() {
	spec, m := s.boot()
	s.retire(spec, m)
	s.until("List no longer names it", func() bool { return len(s.list(poolName)) == 0 })
}

func (s *suite) watches() {
	w := s.watcher()
	spec, m := s.boot()
	s.hello(m, spec.Ticket.Token)
	exits := make(chan pool.Exit, 1)
	go func() {
		exit, err := w.Watch(s.context(), m)
		if err != nil {
			s.Errorf("watch: %v", err)
		}
		exits <- exit
	}()
	s.retire(spec, m)
	if got := <-exits; got.Code != 0 || got.Signal != "" {
		s.Errorf("got exit %+v, want code 0 and no signal", got)
	}
	again, err := w.Watch(s.context(), m)
	if err != nil || again.Code != 0 {
		s.Errorf("later: got exit %+v, error %v, want code 0", again, err)
	}
	s.destroy(m)
}

func (s *suite) watchEnds() {
	w := s.watcher()
	_, m := s.boot()
	ctx, cancel := context.WithCancel(s.context())
	cancel()
	if exit, err := w.Watch(ctx, m); err == nil {
		s.Errorf("got exit %+v, want an error", exit)
	}
}

// watcher is the backend as one, or the test is skipped.
func (s *suite) watcher() pool.Watcher {
	s.Helper()
	w, ok := s.b.(pool.Watcher)
	if ok {
		_, err := w.Watch(s.context(), pool.Machine{ID: "unknown", Launch: "unknown"})
		if err == nil {
			s.Error("watch of a machine unknown: got no error")
		}
		ok = !errors.Is(err, errors.ErrUnsupported)
	}
	if !ok {
		s.Skip("the backend does not watch its machines")
	}
	return w
}

// spec is a machine to be made.
func (s *suite) spec() pool.Spec {
	launch := poolName + "-" + strings.ToLower(rand.Text()[:13])
	return pool.Spec{
		Pool:    poolName,
		Launch:  launch,
		Ticket:  runner.Ticket{Pool: poolName, Machine: launch, Token: rand.Text()},
		Command: s.command,
	}
}

func (s *suite) boot() (pool.Spec, pool.Machine) {
	s.Helper()
	spec := s.spec()
	return spec, s.bootSpec(spec)
}

func (s *suite) bootSpec(spec pool.Spec) pool.Machine {
	s.Helper()
	m, err := s.b.Boot(s.context(), spec)
	if err != nil {
		s.Errorf("boot %s: %v", spec.Launch, err)
		return m
	}
	s.Cleanup(func() { s.destroy(m) })
	return m
}

func (s *suite) destroy(m pool.Machine) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.b.Destroy(ctx, m); err != nil {
		s.Errorf("destroy %s: %v", m.Launch, err)
	}
}

// list is the launches of a pool.
func (s *suite) list(name string) []string {
	s.Helper()
	machines, err := s.b.List(s.context(), name)
	if err != nil {
		s.Fatalf("list %s: %v", name, err)
	}
	var launches []string
	for _, m := range machines {
		launches = append(launches, m.Launch)
	}
	return launches
}

// hello asks until m answers, and returns which machine that is.
func (s *suite) hello(m pool.Machine, token string) (machine string) {
	s.Helper()
	c := s.client(m, token)
	s.until("Hello is answered", func() bool {
		resp, err := c.Hello(s.context(), connect.NewRequest(&runnerv1.HelloRequest{}))
		if err == nil {
			machine = resp.Msg.GetMachine()
		}
		return err == nil
	})
	return machine
}

// retire has m's runner end.
func (s *suite) retire(spec pool.Spec, m pool.Machine) {
	s.Helper()
	s.hello(m, spec.Ticket.Token)
	if _, err := s.client(m, spec.Ticket.Token).Retire(s.context(), connect.NewRequest(&runnerv1.RetireRequest{})); err != nil {
		s.Fatalf("retire %s: %v", m.Launch, err)
	}
}

// client speaks to m's runner.
func (s *suite) client(m pool.Machine, token string) runnerv1connect.RunnerServiceClient {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	t := &http.Transport{
		Protocols:   &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx, m) },
	}
	s.Cleanup(t.CloseIdleConnections)
	return runnerv1connect.NewRunnerServiceClient(&http.Client{Transport: bearer{t, token}}, "http://"+m.Launch)
}

func (s *suite) dial(ctx context.Context, m pool.Machine) (net.Conn, error) {
	if d, ok := s.b.(pool.Dialer); ok {
		if c, err := d.Dial(ctx, m); !errors.Is(err, errors.ErrUnsupported) {
			return c, err
		}
	}
	network, addr := "tcp", m.Addr
	if path, ok := strings.CutPrefix(m.Addr, "unix:"); ok {
		network, addr = "unix", path
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// until waits for what must become true.
func (s *suite) until(what string, ok func() bool) {
	s.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			s.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// context ends with the test.
func (s *suite) context() context.Context { return s.Context() }

// bearer shows a token with every request.
type bearer struct {
	http.RoundTripper
	token string
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.RoundTripper.RoundTrip(r)
}
