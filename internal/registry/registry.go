package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Errors that callers act on. They come wrapped.
var (
	ErrNone    = errors.New("none in the registry")
	ErrFenced  = errors.New("fenced by a newer epoch or term")
	ErrBacklog = errors.New("too many entries wait for Redis")
	ErrTrimmed = errors.New("entries after this id were trimmed") // take a Snapshot and go on from there
)

// Defaults of Options.
const (
	DefaultKeep         = time.Hour
	DefaultBacklog      = 4096
	DefaultBacklogBytes = 8 << 20
)

// How a Registry made by Open talks to Redis, unless the URL says otherwise. The pool is small: nothing here
// blocks in Redis, so a connection is busy for a round trip only.
const (
	netTimeout = 2 * time.Second // to dial, to read and to write
	poolSize   = 8
)

// Options are the tunables of a Registry. The zero value works.
type Options struct {
	Keep         time.Duration // how long the feed of an ended broadcast can be read; 0 = DefaultKeep
	Backlog      int           // entries that a Feed holds while Redis is away; 0 = DefaultBacklog
	BacklogBytes int           // bytes of them; 0 = DefaultBacklogBytes
	Logger       *slog.Logger  // nil = discard
}

func (o Options) withDefaults() Options {
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	if o.Backlog <= 0 {
		o.Backlog = DefaultBacklog
	}
	if o.BacklogBytes <= 0 {
		o.BacklogBytes = DefaultBacklogBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Registry is a cluster's registry in one Redis. It is safe for concurrent use.
type Registry struct {
	c        redis.UniversalClient
	o        Options
	doorbell *Doorbell
}

// errURL says what is allowed, and nothing of the value: where a URL cannot be taken apart, any piece of it
// may be a piece of the password.
var errURL = errors.New("REDIS_URL cannot be read (its value is not shown, as it may hold a password): " +
	"want redis://[[user]:password@]host[:port][/db], rediss:// for TLS, or unix:///path/to/socket")

// Open returns the registry in the Redis at url. It starts nothing and connects on first use; an error names
// REDIS_URL and never shows its value. It turns off the client library's own logging, which is one per
// process: whatever goes wrong comes back as an error or in Options.Logger.
func Open(url string, o Options) (*Registry, error) {
	ro, err := redis.ParseURL(url)
	if err != nil {
		return nil, errURL // not wrapped: its text may hold a piece of the password
	}
	logging.Disable()
	return New(redis.NewClient(withOurs(ro)), o), nil
}

// withOurs fills in what the URL left open, and what is never up to it.
func withOurs(ro *redis.Options) *redis.Options {
	ro.ContextTimeoutEnabled = true // a context's deadline holds for reads and writes too
	ro.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	ro.DisableIdentity = true
	ro.MaxRetries = -1 // callers know what may be repeated; they are told at once
	ro.DialerRetries = 1
	if ro.Protocol == 0 {
		ro.Protocol = 2 // RESP3 adds push messages that nothing here uses
	}
	for _, d := range []*time.Duration{&ro.DialTimeout, &ro.ReadTimeout, &ro.WriteTimeout} {
		if *d == 0 {
			*d = netTimeout
		}
	}
	if ro.PoolSize == 0 {
		ro.PoolSize, ro.PipelinePoolSize = poolSize, poolSize
	}
	return ro
}

// New returns the registry behind c, which should not repeat commands by itself and should heed contexts'
// deadlines (redis.Options: MaxRetries -1, ContextTimeoutEnabled). It starts nothing; Close closes c.
func New(c redis.UniversalClient, o Options) *Registry {
	r := &Registry{c: c, o: o.withDefaults()}
	r.doorbell = newDoorbell(r)
	return r
}

// Check says whether Redis answers and takes writes: an error of one line, without secrets.
func (r *Registry) Check(ctx context.Context) error {
	if err := r.c.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("reach Redis: %w", err)
	}
	role, err := r.c.Do(ctx, "ROLE").Slice()
	var refused redis.Error
	switch {
	case errors.As(err, &refused):
		return nil // the embedded Redis does not know the command, and an access list may forbid it
	case err != nil:
		return fmt.Errorf("ask Redis for its role: %w", err)
	case len(role) > 0 && role[0] != "master":
		return fmt.Errorf("the Redis given is a %v: it takes no writes", role[0])
	}
	return nil
}

// Close closes the connections to Redis. Leases and feeds should have ended before.
func (r *Registry) Close() error {
	if err := r.c.Close(); err != nil {
		return fmt.Errorf("close connections to Redis: %w", err)
	}
	return nil
}

// Doorbell returns the registry's doorbell, always the same. Leases listen to it too, so a process that holds
// any should run it: without, they hear of a newer epoch at their next renewal only.
func (r *Registry) Doorbell() *Doorbell { return r.doorbell }
