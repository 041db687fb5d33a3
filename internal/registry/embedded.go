package registry

import (
	"crypto/rand"
	"fmt"
	"net/url"

	"github.com/alicebob/miniredis/v2"
)

// EmbeddedRedis is a Redis inside this process, for one machine without a Redis of its own. It keeps everything in
// memory and is gone with the process. It listens on loopback only, since local runners are other processes,
// and asks for a password, since they are not the only ones there.
type EmbeddedRedis struct {
	m   *miniredis.Miniredis
	url string
}

// Embedded starts an embedded Redis. Close ends it.
func Embedded() (*EmbeddedRedis, error) {
	password := rand.Text()
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true) // otherwise nothing ever expires
	m.RequireAuth(password)
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start embedded Redis: %w", err)
	}
	u := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: m.Addr()}
	return &EmbeddedRedis{m: m, url: u.String()}, nil
}

// URL returns what Open takes, password included.
func (e *EmbeddedRedis) URL() string { return e.url }

// Close ends the embedded Redis and all connections to it, and waits for its goroutines.
func (e *EmbeddedRedis) Close() { e.m.Close() }
