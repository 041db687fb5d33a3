package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/pharos-live/pharos/backends/local"
	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/internal/keeper"
	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/reap"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/serve"
	"github.com/pharos-live/pharos/internal/streamkey"
	"github.com/pharos-live/pharos/internal/wire"
	"github.com/pharos-live/pharos/pool"
	broadcastv1 "github.com/pharos-live/pharos/proto/pharos/broadcast/v1"
	"github.com/pharos-live/pharos/web"
)

// httpGrace is what answers under way get when the server stops.
const httpGrace = 5 * time.Second

// writeTimeout bounds an answer, waiting for it included: the longest wait is
// three target durations, the largest body a segment.
const writeTimeout = 5 * time.Minute

var errStarting = errors.New("starting")

// runServe is an app server.
func runServe(ctx context.Context, p *process, args []string) error {
	var c config
	if err := noArguments("serve [flags]", "An app server: RTMP in, playlists and the watch page out, runners from the pool.", c.serveSettings(), args, p); err != nil {
		return err
	}
	log := newLogger(p.stderr, c.flameLog)
	s, err := newServer(ctx, &c, log, p.stderr)
	if err != nil {
		return err
	}
	return s.run(ctx, func(context.Context) error {
		log.Info("ready", "http", s.httpLn.Addr().String(), "rtmp", s.rtmpAddr(), "version", version)
		return nil
	})
}

// A server is the object graph of one app server, wired by newServer and run
// by run.
type server struct {
	c        *config
	log      *slog.Logger
	name     string
	httpLn   net.Listener
	rtmpLn   net.Listener       // nil on a web-only edge
	cert     *serve.Certificate // nil without PHAROS_TLS_CERT
	embedded *registry.EmbeddedRedis
	redisURL string
	registry *registry.Registry
	store    objstore.Store
	backend  string     // TRANSCODE_BACKEND, or what auto came to
	pool     *pool.Pool // nil on a web-only edge
	ingest   *ingest.Server
	web      *web.Server
	keeper   *keeper.Keeper

	state atomic.Pointer[error] // what keeps it from taking work; nil inside = ready
}

// newServer wires the serve role; everything that can fail fails here, before
// anything runs.
//
//	encoder ──RTMP──▶ ingest.Server ──▶ ingest.Locator ──▶ pool ──▶ backends/local ──▶ runner
//	                                      │ epochs, terms                               │
//	                                      ▼                                             ▼
//	viewer ◀──HTTP── web.Server ◀── feeds ── registry (Redis)                         bucket
func newServer(ctx context.Context, c *config, log *slog.Logger, runnerLog io.Writer) (*server, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &server{c: c, log: log, name: serverName()}
	s.setState(errStarting)
	if err := s.open(ctx, runnerLog); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *server) open(ctx context.Context, runnerLog io.Writer) (err error) {
	if err := s.chooseEncoder(ctx); err != nil {
		return err
	}
	if s.cert, err = s.c.loadCertificate(s.log); err != nil {
		return err
	}
	if s.httpLn, err = serve.Listen("PHAROS_HTTP_ADDR", s.c.httpAddr); err != nil {
		return err
	}
	if !s.c.webOnly() {
		if s.rtmpLn, err = serve.Listen("PHAROS_RTMP_ADDR", s.c.rtmpAddr); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.c.dataDir, 0o700); err != nil {
		return fmt.Errorf("make PHAROS_DATA_DIR: %w", err)
	}
	if err := s.openRegistry(); err != nil {
		return err
	}
	store, media, err := openStore(s.c)
	if err != nil {
		return err
	}
	s.store = store
	o := web.Options{Media: media, Proxy: s.c.media == "proxy", PublicURL: s.c.publicURL, Logger: s.log}
	if s.web, err = web.New(s.registry, s.registry, s.registry.Doorbell(), store, s.ready, o); err != nil {
		return err
	}
	s.keeper = keeper.New(s.registry, store, keeper.Options{Retention: s.c.retention, Reaper: partsReaper{store}, Logger: s.log})
	if s.c.webOnly() {
		return nil
	}
	return s.openIngest(runnerLog)
}

func (s *server) openRegistry() (err error) {
	s.redisURL = s.c.redisURL
	if s.redisURL == "" {
		if s.embedded, err = registry.Embedded(); err != nil {
			return fmt.Errorf("start the embedded Redis: %w", err)
		}
		s.redisURL = s.embedded.URL()
	}
	s.registry, err = registry.Open(s.redisURL, registry.Options{Logger: s.log})
	return err
}

func (s *server) openIngest(runnerLog io.Writer) error {
	secret, err := s.c.loadSecret()
	if err != nil {
		return err
	}
	signer, err := streamkey.NewSigner(secret)
	if err != nil {
		return fmt.Errorf("PHAROS_SECRET: %w", err)
	}
	// No runner ever holds PHAROS_SECRET: machines' tokens come from a key of
	// their own.
	poolKey, err := hkdf.Key(sha256.New, secret, nil, "pool", 32)
	if err != nil {
		return fmt.Errorf("derive the pool's key: %w", err)
	}
	backend, err := local.New(local.Options{Output: runnerLog, Logger: s.log})
	if err != nil {
		return fmt.Errorf("open FLAME_BACKEND=local: %w", err)
	}
	s.pool, err = pool.New(backend, pool.Options{
		Name:        "broadcast-" + s.name,
		Max:         s.c.flameMax,
		Concurrency: s.c.flameMaxConcurrency,
		IdleAfter:   s.c.idleAfter(),
		BootTimeout: s.c.flameBootTimeout,
		Shutdown:    s.c.flameShutdown,
		Key:         poolKey,
		Runner:      s.c.runnerCommand(s.redisURL),
		Logger:      s.log,
	})
	if err != nil {
		return err
	}
	gens := streamkey.NewGenerations(s.store, s.registry)
	locator := ingest.NewLocator(keys{signer, gens}, s.registry, s.place, ingest.LocatorOptions{
		Server:      s.name,
		Packaging:   s.c.packagingProto(),
		Transcoding: &broadcastv1.Transcoding{Ladder: s.c.transcode, IncludeSource: s.c.includeSource, Backend: s.backend, H265: s.c.supportsH265},
		Full:        fmt.Sprintf("FLAME_MAX=%d and FLAME_MAX_CONCURRENCY=%d", s.c.flameMax, s.c.flameMaxConcurrency),
		Logger:      s.log,
	})
	s.ingest, err = ingest.NewServer(locator, ingest.Options{
		MaxConns: s.c.maxConns, MaxConnsPerIP: s.c.maxConnsPerIP, H265: s.c.supportsH265, Logger: s.log,
	})
	return err
}

func (s *server) place(ctx context.Context, spec *broadcastv1.Spec) (*ingest.Placement, error) {
	return pool.Place(ctx, s.pool, wire.Broadcast, spec, pool.NoWait())
}

// run serves until ctx ends, and stops from the inside out: first ingest, so
// that its broadcasts end well, then the pool, then the web, which shows their
// ends, and the registry last. started is called once everything is up; the
// server ends when it returns an error.
func (s *server) run(ctx context.Context, started func(context.Context) error) error {
	defer s.close()
	if err := s.writeRunInfo(); err != nil {
		return err
	}
	defer func() { _ = registry.RemoveRun(s.c.dataDir) }() // a stale one is replaced by the next start
	stop := context.AfterFunc(ctx, func() { s.setState(serve.ErrStopping) })
	defer stop()
	return within(ctx, s.runWeb, func(ctx context.Context) error {
		err := await(ctx, s.log, s.setState,
			dependency{"REDIS_URL", s.registry.Check},
			dependency{"BUCKET_MEDIA", s.store.Check},
		)
		if err != nil {
			return err
		}
		return within(ctx, s.runPool, func(ctx context.Context) error {
			return serve.Run(ctx, s.runIngest, s.keeper.Run, func(ctx context.Context) error {
				if err := started(ctx); err != nil {
					return err
				}
				<-ctx.Done()
				return nil
			})
		})
	})
}

// runWeb runs what viewers need: the doorbell, the controllers, the listener.
func (s *server) runWeb(ctx context.Context) error {
	srv := &http.Server{
		Handler:           serve.EndOnShutdown(ctx, s.web.Handler()),
		Protocols:         serve.Protocols(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	members := []func(context.Context) error{
		s.registry.Doorbell().Run,
		s.web.Run,
		func(ctx context.Context) error { return serve.HTTP(ctx, srv, s.httpLn, httpGrace) },
	}
	if s.cert != nil {
		srv.TLSConfig = s.cert.TLS()
		members = append(members, s.cert.Run)
	}
	return serve.Run(ctx, members...)
}

func (s *server) runPool(ctx context.Context) error {
	if s.pool == nil {
		<-ctx.Done()
		return nil
	}
	return s.pool.Run(ctx)
}

func (s *server) runIngest(ctx context.Context) error {
	if s.ingest == nil {
		<-ctx.Done()
		return nil
	}
	return s.ingest.Serve(ctx, s.rtmpLn)
}

// writeRunInfo lets key and ps find the embedded Redis.
func (s *server) writeRunInfo() error {
	if s.embedded == nil {
		return nil
	}
	return registry.WriteRun(s.c.dataDir, registry.RunInfo{
		RedisURL: s.redisURL, PID: os.Getpid(), HTTP: s.httpLn.Addr().String(), RTMP: s.rtmpAddr(),
	})
}

func (s *server) rtmpAddr() string {
	if s.rtmpLn == nil {
		return "off"
	}
	return s.rtmpLn.Addr().String()
}

func (s *server) setState(err error) { s.state.Store(&err) }

// ready says what keeps the server from taking work.
func (s *server) ready() error { return *s.state.Load() }

func (s *server) close() {
	if s.httpLn != nil {
		s.httpLn.Close()
	}
	if s.rtmpLn != nil {
		s.rtmpLn.Close()
	}
	if s.registry != nil {
		_ = s.registry.Close()
	}
	if s.embedded != nil {
		s.embedded.Close()
	}
}

func (c *config) packagingProto() *broadcastv1.Packaging {
	return &broadcastv1.Packaging{
		SegmentNs:        int64(c.segment),
		TargetDurationNs: int64(c.targetDuration),
		PartNs:           int64(c.part),
		WindowNs:         int64(c.window),
	}
}

// idleAfter gives the pool what it takes for "at once": its zero value would be
// its default.
func (c *config) idleAfter() time.Duration { return max(c.flameIdle, time.Millisecond) }

// serverName tells app servers apart in the registry and logs.
func serverName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "app"
	}
	sum := sha256.Sum256([]byte(fmt.Sprint(host, os.Getpid(), time.Now().UnixNano(), filepath.Base(os.Args[0]))))
	return fmt.Sprintf("%x", sum[:4])
}

// partsReaper is the keeper's way to the parts that a broadcast has left.
type partsReaper struct{ store reap.Store }

// Parts implements keeper.Reaper.
func (r partsReaper) Parts(ctx context.Context, broadcast string) error {
	_, err := reap.Parts(ctx, r.store, broadcast)
	return err
}
