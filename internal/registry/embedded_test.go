package registry_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pharos-live/pharos/internal/registry"
)

// embedded starts an embedded Redis and a registry opened by its URL.
func embedded(tb testing.TB) (*registry.EmbeddedRedis, *registry.Registry) {
	tb.Helper()
	e, err := registry.Embedded()
	if err != nil {
		tb.Fatalf("got error %v, want none", err)
	}
	tb.Cleanup(e.Close)
	return e, open(tb, e.URL())
}

func open(tb testing.TB, url string) *registry.Registry {
	tb.Helper()
	r, err := registry.Open(url, registry.Options{})
	if err != nil {
		tb.Fatalf("got error %v, want none", err)
	}
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Errorf("got error %v from Close, want none", err)
		}
	})
	return r
}

func TestEmbedded_WorksByItsURL(t *testing.T) {
	t.Parallel()
	e, r := embedded(t)
	ctx := context.Background()
	if err := r.Check(ctx); err != nil {
		t.Errorf("got error %v from Check, want none", err)
	}
	u, err := url.Parse(e.URL())
	if err != nil {
		t.Fatalf("got error %v, want a URL", err)
	}
	if u.Hostname() != "127.0.0.1" {
		t.Errorf("got host %s, want loopback", u.Hostname())
	}
	opts, err := redis.ParseURL(e.URL())
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	raw := redis.NewClient(opts)
	t.Cleanup(func() { _ = raw.Close() })
	if err := raw.Set(ctx, "k", "v", 20*time.Millisecond).Err(); err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	for raw.Exists(ctx, "k").Val() == 1 { // real time: the test fails by its timeout if keys never expire
		<-time.After(time.Millisecond)
	}
}

func TestEmbedded_AsksForItsPassword(t *testing.T) {
	t.Parallel()
	e, _ := embedded(t)
	u, err := url.Parse(e.URL())
	if err != nil {
		t.Fatalf("got error %v, want a URL", err)
	}
	for _, user := range []*url.Userinfo{nil, url.UserPassword("", "s3cret")} {
		u.User = user
		err := open(t, u.String()).Check(context.Background())
		if err == nil {
			t.Fatal("got no error without the password, want one")
		}
		if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q, want one line without the password", err)
		}
	}
}

func TestCheck_SaysWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	e, r := embedded(t)
	e.Close()
	if err := r.Check(context.Background()); err == nil {
		t.Error("got no error from a Redis that is gone, want one")
	}
}
