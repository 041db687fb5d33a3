package registrytest

import (
	"context"
	"net"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/pharos-live/pharos/internal/memhttp"
	"github.com/pharos-live/pharos/internal/registry"
)

// A Redis is one test's own, empty Redis.
type Redis struct {
	dial     func(context.Context) (net.Conn, error)
	password string
}

// Mini starts an in-memory Redis for tb. It touches no network and follows time.Now, so that it works in a
// synctest bubble, where keys expire as the bubble's time passes.
func Mini(tb testing.TB) *Redis {
	tb.Helper()
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	first, err := m.Dial() // starts it without a listener
	if err != nil {
		tb.Fatalf("start in-memory Redis: %v", err)
	}
	if err := first.Close(); err != nil {
		tb.Fatalf("close first connection: %v", err)
	}
	tb.Cleanup(m.Close)
	return &Redis{dial: func(context.Context) (net.Conn, error) {
		// Buffered, unlike the net.Pipe of m.Dial: a writer that holds a lock must not wait for its reader.
		client, server := memhttp.Pipe()
		m.Server().ServeConn(server)
		return client, nil
	}}
}

// Link returns a way to the Redis that can be cut.
func (r *Redis) Link() *Link {
	return &Link{redis: r, conns: map[*conn]struct{}{}}
}

// Client returns a client of its own, closed with tb.
func (r *Redis) Client(tb testing.TB) *redis.Client {
	return r.Link().client(tb)
}

// Registry returns a registry on the Redis, closed with tb.
func (r *Redis) Registry(tb testing.TB, o registry.Options) *registry.Registry {
	return r.Link().Registry(tb, o)
}

// Registry returns a registry whose connections go over the link, closed with tb.
func (l *Link) Registry(tb testing.TB, o registry.Options) *registry.Registry {
	return registry.New(l.client(tb), o)
}

func (l *Link) client(tb testing.TB) *redis.Client {
	logging.Disable()
	c := redis.NewClient(&redis.Options{
		Addr:                     "redis.test:6379",
		Dialer:                   func(ctx context.Context, _, _ string) (net.Conn, error) { return l.connect(ctx) },
		Password:                 l.redis.password,
		Protocol:                 2,
		ContextTimeoutEnabled:    true,
		MaxRetries:               -1,
		DialerRetries:            1,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("close client: %v", err)
		}
	})
	return c
}
