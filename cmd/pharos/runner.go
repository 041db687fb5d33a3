package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/serve"
	"github.com/pharos-live/pharos/internal/wire"
	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/runner"
	"github.com/pharos-live/pharos/runner/broadcast"
)

// runnerSettings are what a runner is told: all but the secrets as flags, these
// by environment.
func (c *config) runnerSettings() []setting {
	var all []setting
	for _, s := range append(c.poolSettings(), c.stateSettings()...) {
		switch s.env {
		case "FLAME_MAX_CONCURRENCY", "FLAME_SHUTDOWN_TIMEOUT", "FLAME_LOG", "REDIS_URL", "BUCKET_MEDIA", "AWS_ENDPOINT_URL_S3",
			"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PHAROS_MEDIA_URL", "PHAROS_DATA_DIR":
			all = append(all, s)
		}
	}
	return all
}

// runnerCommand is how a backend starts a runner of this server: its whole
// configuration, secrets by this allow-list alone. PHAROS_SECRET never leaves
// the app servers.
func (c *config) runnerCommand(redisURL string) pool.Command {
	return pool.Command{
		Args: []string{
			"runner",
			fmt.Sprintf("--flame-max-concurrency=%d", c.flameMaxConcurrency),
			fmt.Sprintf("--flame-shutdown-timeout=%s", c.flameShutdown),
			"--flame-log=" + c.flameLog.String(),
			"--bucket-media=" + c.bucket.name,
			"--aws-endpoint-url-s3=" + c.bucket.endpoint,
			"--aws-region=" + c.bucket.region,
			"--media-url=" + c.mediaURL,
			"--data-dir=" + c.dataDir,
		},
		Env: append(c.deviceEnv(),
			"REDIS_URL="+redisURL,
			"AWS_ACCESS_KEY_ID="+c.bucket.accessKey,
			"AWS_SECRET_ACCESS_KEY="+c.bucket.secretKey,
		),
	}
}

// runRunner wires the runner role:
//
//	pool ──ticket──▶ runner.Runner ──job──▶ broadcast.Service ──▶ bucket
//	ingest ──frames (mounted)──────────────────▲      └────────▶ registry, feed
func runRunner(ctx context.Context, p *process, args []string) error {
	// Whoever reads our log may go before us: a write that nobody takes must not
	// end the broadcasts that we carry.
	signal.Ignore(syscall.SIGPIPE)
	var c config
	if err := noArguments("runner", "What a backend starts inside a machine; never typed by hand.", c.runnerSettings(), args, p); err != nil {
		return err
	}
	ticket, ok, err := runner.TicketFromEnv()
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("no ticket: a runner is started by a pool's backend, never by hand")
	}
	log := newLogger(p.stderr, c.flameLog)
	store, _, err := openStore(&c)
	if err != nil {
		return err
	}
	reg, err := registry.Open(c.redisURL, registry.Options{Logger: log})
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	svc := broadcast.New(store, reg, broadcast.Options{Machine: ticket.Machine, Stills: broadcast.FindStills("", log), Logger: log})
	r := runner.New(runner.Options{Slots: c.flameMaxConcurrency, Shutdown: c.flameShutdown, Logger: log})
	runner.HandleJob(r, wire.Broadcast, svc.Run)
	r.Mount(broadcast.NewHandler(svc))
	host, _ := os.Hostname()
	started := time.Now()
	entry := func() registry.Runner {
		st := r.State()
		return registry.Runner{
			Machine: ticket.Machine, Build: runner.BuildID(), Host: host, PID: os.Getpid(), Started: started,
			Slots: st.Slots, Used: st.Used, Retiring: st.Retiring, Broadcasts: svc.Broadcasts(),
		}
	}
	return serve.Run(ctx,
		func(ctx context.Context) error { return r.Run(ctx, ticket) },
		func(ctx context.Context) error { return reg.HoldRunner(ctx, entry) },
		reg.Doorbell().Run, // by which a lease learns of a newer epoch at once
	)
}
