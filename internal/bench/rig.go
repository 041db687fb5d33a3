package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/serve"
	"github.com/pharos-live/pharos/proto/pharos/broadcast/v1/broadcastv1connect"
	"github.com/pharos-live/pharos/runner/broadcast"
	"github.com/pharos-live/pharos/web"
)

// stopGrace is what answers under way get when a listener stops.
const stopGrace = time.Second

// A rig is the path of a broadcast in one process: what a runner and an app server do, wired as
// cmd/pharos wires it, but for the pool and RTMP.
//
//	publish ──h2c, unix socket──▶ broadcast.Service ──▶ directory store
//	                                    └──▶ embedded Redis ──▶ web.Server ──HTTP──▶ viewers
type rig struct {
	registry *registry.Registry
	puts     *puts
	service  *broadcast.Service
	frames   string // the socket of the frames
	web      *origin
}

// withRig runs f on a rig, and returns once all of the rig has ended.
func (b *bench) withRig(ctx context.Context, f func(context.Context, *rig) error) error {
	dir, err := os.MkdirTemp(b.dir, "rig-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	redis, err := registry.Embedded()
	if err != nil {
		return err
	}
	defer redis.Close()
	reg, err := registry.Open(redis.URL(), registry.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }() // nothing is left in it that anybody wants
	store, err := objstore.OpenDir(filepath.Join(dir, "media"))
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // only ever read from by now
	server, err := web.New(reg, reg, reg.Doorbell(), store, nil, web.Options{Media: store.Handler()})
	if err != nil {
		return err
	}
	viewers, err := listen(server.Handler())
	if err != nil {
		return err
	}
	watched := watchPuts(store)
	r := &rig{
		registry: reg, puts: watched, web: viewers,
		service: broadcast.New(watched, reg, broadcast.Options{Machine: "bench"}),
	}
	return serve.Run(ctx, reg.Doorbell().Run, server.Run, viewers.run, func(ctx context.Context) error {
		return withFrames(ctx, dir, r.service, func(ctx context.Context, socket string) error {
			r.frames = socket
			return f(ctx, r)
		})
	})
}

// withFrames serves frames on a unix socket in dir, as a local runner does, while f runs.
func withFrames(ctx context.Context, dir string, h broadcastv1connect.FramesServiceHandler, f func(ctx context.Context, socket string) error) error {
	socket := filepath.Join(dir, "frames.sock")
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(broadcast.NewHandler(h))
	srv := &http.Server{Handler: mux, Protocols: serve.Protocols(), ReadHeaderTimeout: stopGrace}
	return serve.Run(ctx,
		func(ctx context.Context) error { return serve.HTTP(ctx, srv, ln, stopGrace) },
		func(ctx context.Context) error { return f(ctx, socket) },
	)
}

// An origin is an HTTP server on loopback that counts what it is asked.
type origin struct {
	addr    string
	ln      net.Listener
	handler http.Handler
	arrived atomic.Int64 // requests that have reached the handler so far
}

func listen(h http.Handler) (*origin, error) {
	ln, err := serve.Listen("the bench's HTTP address", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &origin{addr: ln.Addr().String(), ln: ln, handler: h}, nil
}

func (o *origin) run(ctx context.Context) error {
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.arrived.Add(1)
		o.handler.ServeHTTP(w, r)
	})
	srv := &http.Server{
		Handler:           serve.EndOnShutdown(ctx, counted),
		Protocols:         serve.Protocols(),
		ReadHeaderTimeout: 10 * time.Second,
	}
	return serve.HTTP(ctx, srv, o.ln, stopGrace)
}

// url is the URL of a path.
func (o *origin) url(path string) string { return "http://" + o.addr + path }
