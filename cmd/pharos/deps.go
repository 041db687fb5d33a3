package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
)

// patience is how long a start waits for Redis and the bucket.
const patience = 30 * time.Second

// openStore opens the bucket, or the directory that stands for it; media is
// what serves the directory under /media/, nil for S3.
func openStore(c *config) (store objstore.Store, media http.Handler, err error) {
	if c.bucket.name == "" {
		dir, err := objstore.OpenDir(filepath.Join(c.dataDir, "media"))
		if err != nil {
			return nil, nil, fmt.Errorf("open the directory bucket under PHAROS_DATA_DIR=%s: %w", c.dataDir, err)
		}
		return dir, dir.Handler(), nil
	}
	s3, err := objstore.OpenS3(objstore.S3Options{
		Bucket:          c.bucket.name,
		Endpoint:        c.bucket.endpoint,
		Region:          c.bucket.region,
		AccessKeyID:     c.bucket.accessKey,
		SecretAccessKey: c.bucket.secretKey,
		PublicURL:       c.mediaURL,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open BUCKET_MEDIA=%s: %w", c.bucket.name, err)
	}
	return s3, nil, nil
}

// A dependency is something outside without which nothing works.
type dependency struct {
	name  string // as an operator knows it: the setting
	check func(context.Context) error
}

// await asks each dependency until it answers, at most for patience in all. It
// reports what it still waits for.
func await(ctx context.Context, log *slog.Logger, waiting func(error), deps ...dependency) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errImpatient)
	defer cancel()
	for _, d := range deps {
		if err := awaitOne(ctx, log, waiting, d); err != nil {
			return err
		}
	}
	waiting(nil)
	return nil
}

var errImpatient = errors.New("not reached in time")

func awaitOne(ctx context.Context, log *slog.Logger, waiting func(error), d dependency) error {
	pause := 100 * time.Millisecond
	for try := 0; ; try++ {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := d.check(attempt)
		cancel()
		if err == nil {
			return nil
		}
		waiting(fmt.Errorf("waiting for %s: %w", d.name, err))
		if try == 0 {
			log.Warn("a dependency cannot be reached: trying again", "name", d.name, "error", err, "for", patience.String())
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errImpatient) {
				return fmt.Errorf("%s %w (%v): %w", d.name, errImpatient, patience, err)
			}
			return context.Cause(ctx)
		}
	}
}

// attach opens the registry of a running server for the commands that look:
// REDIS_URL, or the embedded one that run.json names.
func attach(c *config) (*registry.Registry, error) {
	url := c.redisURL
	if url == "" {
		info, err := registry.ReadRun(c.dataDir)
		if err != nil {
			return nil, err
		}
		url = info.RedisURL
	}
	return registry.Open(url, registry.Options{})
}
