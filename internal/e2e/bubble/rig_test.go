package bubble_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/registry/registrytest"
	"github.com/pharos-live/pharos/internal/streamkey"
	"github.com/pharos-live/pharos/internal/wire"
	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/pool/backendtest"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/runner"
	"github.com/pharos-live/pharos/runner/broadcast"
)

// The durations of every broadcast here, the product's defaults.
const (
	segment = 2 * time.Second
	target  = 4 * time.Second
	part    = 333 * time.Millisecond
)

// promised is the time within which viewers see what has happened.
const promised = 3 * time.Second

// A cluster is everything but the app servers: Redis, a bucket, and runners as the pools boot them.
type cluster struct {
	*testing.T
	redis   *registrytest.Redis
	store   *objstore.Memory
	backend *backendtest.Memory
	edge    *registry.Registry // of the viewers
	log     *lines

	mu    sync.Mutex           // protects all below
	links []*registrytest.Link // of the runners, in the order of their boots
	ends  []func()             // what end ends, last first
}

// settings are what a test may change.
type settings struct {
	broadcast broadcast.Options // of the runners
	ladder    string
	store     func(*objstore.Memory)
}

// bubble runs test with a cluster, and holds that nothing of it is left.
func bubble(t *testing.T, s settings, test func(*cluster)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, s)
		defer c.end()
		test(c)
	})
}

func newCluster(t *testing.T, s settings) *cluster {
	t.Helper()
	// Last of all: the Redis client's dialler looks each second whether it was closed.
	t.Cleanup(func() { time.Sleep(2 * time.Second) })
	c := &cluster{T: t, redis: registrytest.Mini(t), store: &objstore.Memory{}, log: &lines{}}
	if s.store != nil {
		s.store(c.store)
	}
	c.backend = backendtest.NewMemory(func() *runner.Runner { return c.newRunner(s.broadcast) })
	c.edge = c.redis.Registry(t, registry.Options{Logger: c.logger("edge")})
	c.background(c.edge.Doorbell().Run)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", c.log)
		}
	})
	return c
}

// newRunner wires a runner as cmd does.
func (c *cluster) newRunner(o broadcast.Options) *runner.Runner {
	c.mu.Lock()
	link := c.redis.Link()
	c.links = append(c.links, link)
	c.mu.Unlock()
	log := c.logger("runner")
	reg := link.Registry(c.T, registry.Options{Logger: log})
	o.Machine, o.Logger = "m", log
	svc := broadcast.New(c.store, reg, o)
	r := runner.New(runner.Options{NoPing: true, Logger: log})
	runner.HandleJob(r, wire.Broadcast, svc.Run)
	r.Mount(broadcast.NewHandler(svc))
	return r
}

// runner is the way to Redis of the i-th runner.
func (c *cluster) runner(i int) *registrytest.Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.links[i]
}

// kill ends the i-th runner as a crash does, with its way to Redis.
func (c *cluster) kill(i int) {
	c.runner(i).Cut()
	c.backend.Kill(c.backend.Booted()[i].Launch, pool.Exit{Code: -1, Signal: "killed"})
}

// background runs f until the end of the cluster; the last that was begun ends first.
func (c *cluster) background(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f(ctx) // what ends it is ctx
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	c.atEnd(stop)
	return stop
}

func (c *cluster) atEnd(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, f)
}

func (c *cluster) end() {
	c.Helper()
	for i := len(c.ends) - 1; i >= 0; i-- {
		c.ends[i]()
	}
	c.backend.Close()
}

// logger writes lines that begin with who wrote them.
func (c *cluster) logger(who string) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})).With("who", who)
}

// eventually waits until ok says so, and fails after wait. It returns how long it took.
func (c *cluster) eventually(wait time.Duration, what string, ok func() bool) time.Duration {
	c.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > wait {
			c.Fatalf("not within %v: %s", wait, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

// An app is an app server, without its RTMP listener: what encoders send comes in at the Locator.
type app struct {
	*cluster
	name     string
	link     *registrytest.Link
	registry *registry.Registry
	pool     *pool.Pool
	locator  *ingest.Locator
	path     *path
	stopPool func()
}

// server starts an app server whose pool has so many slots on one machine.
func (c *cluster) server(name string, slots int, s settings) *app {
	c.Helper()
	log := c.logger(name)
	a := &app{cluster: c, name: name, link: c.redis.Link(), path: &path{Memory: c.backend}}
	a.registry = a.link.Registry(c.T, registry.Options{Logger: log})
	c.background(a.registry.Doorbell().Run)
	p, err := pool.New(a.path, pool.Options{
		Name: "broadcast-" + name, Max: 1, Concurrency: slots, IdleAfter: 5 * time.Second, NoPing: true, Logger: log,
	})
	if err != nil {
		c.Fatalf("new pool: %v", err)
	}
	a.pool = p
	a.stopPool = c.background(p.Run)
	a.locator = ingest.NewLocator(keys{}, a.registry, a.place, ingest.LocatorOptions{
		Server: name,
		Packaging: &broadcastv1.Packaging{
			SegmentNs: int64(segment), TargetDurationNs: int64(target), PartNs: int64(part), WindowNs: int64(time.Minute),
		},
		Transcoding: &broadcastv1.Transcoding{Ladder: s.ladder, IncludeSource: true},
		Full:        "FLAME_MAX and FLAME_MAX_CONCURRENCY",
		Logger:      log,
	})
	return a
}

func (a *app) place(ctx context.Context, spec *broadcastv1.Spec) (*ingest.Placement, error) {
	return pool.Place(ctx, a.pool, wire.Broadcast, spec, pool.NoWait())
}

// used is how many slots are taken.
func (a *app) used() int { return a.pool.Stats().Used }

// slotFree waits until no slot is taken.
func (a *app) slotFree(wait time.Duration) {
	a.Helper()
	a.eventually(wait, "the slot is free", func() bool { return a.used() == 0 })
}

// die breaks all that an app server has to others, at once and for ever, as its death does.
func (a *app) die() {
	a.link.Cut()
	a.path.cut()
}

// keys takes the channel's name for its key.
type keys struct{}

func (keys) Check(_ context.Context, key string) (streamkey.Channel, error) {
	if key == "wrong" {
		return "", streamkey.ErrBadSignature
	}
	if key == "unlucky" {
		return "", errors.New("read generation: dial tcp 10.0.0.7:443: no route to host")
	}
	return streamkey.Channel(key), nil
}

// A path is one parent's way to the machines, which can break.
type path struct {
	*backendtest.Memory

	mu    sync.Mutex // protects all below
	conns []net.Conn
	gone  bool // new connections are refused
	hangs bool // or get no answer
}

// Dial implements pool.Dialer.
func (p *path) Dial(ctx context.Context, m pool.Machine) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return nil, errors.New("no way")
	case p.hangs:
		p.mu.Unlock()
		defer p.mu.Lock()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c, err := p.Memory.Dial(ctx, m)
	if err == nil {
		p.conns = append(p.conns, c)
	}
	return c, err
}

// block lets no further connection be made: they are refused, or hang.
func (p *path) block(hang bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone, p.hangs = !hang, hang
}

func (p *path) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	for _, c := range p.conns {
		_ = c.Close()
	}
}

// lines is a log that can be searched.
type lines struct {
	mu  sync.Mutex // protects buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// count is how many lines hold all of what.
func (l *lines) count(what ...string) int {
	n := 0
lines:
	for line := range strings.Lines(l.String()) {
		for _, w := range what {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		n++
	}
	return n
}

// bootIn is a boot that takes so long.
func bootIn(d time.Duration) backendtest.Boot { return backendtest.Boot{Wait: d} }
