package registry_test

import (
	"strings"
	"testing"

	"github.com/pharos-live/pharos/internal/registry"
)

func TestOpen_NamesTheSettingAndHidesItsValue(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, url string }{
		{"empty", ""},
		{"no scheme", "s3cret@redis:6379"},
		{"another scheme", "http://:s3cret@redis:6379"},
		{"a password that is no URL", "redis://:s3cret/x@redis:6379"},
		{"a port that is none", "redis://default:s3cret@redis:s3cret"},
		{"a database that is none", "redis://default:1/s3cret@redis"},
		{"an unknown parameter", "redis://:x@redis:6379?s3cret=1"},
		{"a control character", "redis://:s3cret\n@redis:6379"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := registry.Open(tt.url, registry.Options{})
			if err == nil {
				t.Fatal("got no error, want one")
			}
			if got := err.Error(); !strings.Contains(got, "REDIS_URL") || strings.Contains(got, "s3cret") || strings.Contains(got, "\n") {
				t.Errorf("got %q, want one line that names REDIS_URL and shows nothing of it", got)
			}
		})
	}
}

func TestOpen_TakesEveryKindOfURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://localhost", "redis://:pw@redis.internal:6380/3", "rediss://default:pw@redis.example:6379",
		"redis://localhost?read_timeout=1s", "unix://:pw@/run/redis.sock",
	} {
		r, err := registry.Open(url, registry.Options{})
		if err != nil {
			t.Errorf("got error %v for %s, want none", err, url)
			continue
		}
		if err := r.Close(); err != nil {
			t.Errorf("got error %v from Close, want none", err)
		}
	}
}

func TestEntryID_ComparesAsRedisDoes(t *testing.T) {
	t.Parallel()
	ids := []registry.EntryID{{}, {Seq: 1}, {Term: 1}, {Term: 1, Seq: 2}, {Term: 1, Seq: 10}, {Term: 2}}
	for i, a := range ids {
		for j, b := range ids {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := a.Compare(b); got != want {
				t.Errorf("got %d comparing %s with %s, want %d", got, a, b, want)
			}
		}
	}
	if got, want := (registry.EntryID{Term: 1763000000000, Seq: 7}).String(), "1763000000000-7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
