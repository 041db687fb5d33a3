package streamkey_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/streamkey"
)

var errAway = errors.New("it is away")

// cache is a Cache as it is to be: it never goes back.
type cache struct {
	delay time.Duration
	fail  error

	mu    sync.Mutex // guards what follows
	known map[string]uint64
	asked int
}

func (c *cache) begin(ctx context.Context) error {
	select {
	case <-time.After(c.delay):
		return c.fail
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *cache) Generation(ctx context.Context, channel string) (gen uint64, ok bool, err error) {
	if err := c.begin(ctx); err != nil {
		return 0, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	gen, ok = c.known[channel]
	return gen, ok, nil
}

func (c *cache) SetGeneration(ctx context.Context, channel string, gen uint64) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[string]uint64)
	}
	c.known[channel] = max(gen, c.known[channel])
	return nil
}

func TestGenerations_BeginAtZeroAndGrow(t *testing.T) {
	t.Parallel()
	bucket := new(objstore.Memory)
	a, b := streamkey.NewGenerations(bucket, streamkey.NoCache{}), streamkey.NewGenerations(bucket, new(cache))
	expect(t, a, "ch", 0)
	for want := range uint64(3) {
		if got, err := a.Bump(t.Context(), "ch"); got != want+1 || err != nil {
			t.Errorf("Bump: %d, %v, want %d", got, err, want+1)
		}
	}
	expect(t, a, "ch", 3)
	expect(t, b, "ch", 3)
	expect(t, a, "other", 0)
	body, err := bucket.Get(t.Context(), "_channels/ch.json")
	if want := `{"generation":3}`; string(body) != want || err != nil {
		t.Errorf("the bucket has %s, %v, want %s", body, err, want)
	}
}

func TestGenerations_TheCacheSparesTheBucket(t *testing.T) {
	t.Parallel()
	asked := 0
	bucket := &objstore.Memory{Fail: func(string) error { asked++; return nil }}
	shared := new(cache)
	g := streamkey.NewGenerations(bucket, shared)
	for range 5 {
		expect(t, g, "ch", 0)
		expect(t, streamkey.NewGenerations(bucket, shared), "ch", 0)
	}
	if asked != 1 {
		t.Errorf("the bucket was asked %d times for ten publishes, want once", asked)
	}
}

func TestGenerations_ABumpReachesOtherServersThroughTheCache(t *testing.T) {
	t.Parallel()
	bucket, shared := new(objstore.Memory), new(cache)
	a, b := streamkey.NewGenerations(bucket, shared), streamkey.NewGenerations(bucket, shared)
	expect(t, b, "ch", 0)
	if _, err := a.Bump(t.Context(), "ch"); err != nil {
		t.Fatalf("Bump: %v", err)
	}
	expect(t, b, "ch", 1)
}

func TestGenerations_BumpAsksTheBucketNotTheCache(t *testing.T) {
	t.Parallel()
	bucket, stale := new(objstore.Memory), &cache{known: map[string]uint64{"ch": 0}}
	for want := range uint64(2) {
		if got, err := streamkey.NewGenerations(bucket, stale).Bump(t.Context(), "ch"); got != want+1 || err != nil {
			t.Errorf("Bump: %d, %v, want %d", got, err, want+1)
		}
		stale.known["ch"] = 0
	}
}

func TestGenerations_WithoutTheCacheTheBucketAnswers(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]*cache{"failing": {fail: errAway}, "hanging": {delay: time.Hour}} {
		synctest.Test(t, func(t *testing.T) {
			bucket := new(objstore.Memory)
			if _, err := streamkey.NewGenerations(bucket, streamkey.NoCache{}).Bump(t.Context(), "ch"); err != nil {
				t.Fatalf("Bump: %v", err)
			}
			g := streamkey.NewGenerations(bucket, broken)
			start := time.Now()
			expect(t, g, "ch", 1)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s cache: Get took %v, want at most 2s", name, took)
			}
			got, err := g.Bump(t.Context(), "ch")
			if got != 2 || err == nil {
				t.Errorf("%s cache: Bump: %d, %v, want 2 and an error, as other servers may not know", name, got, err)
			}
			expect(t, streamkey.NewGenerations(bucket, streamkey.NoCache{}), "ch", 2)
		})
	}
}

func TestGenerations_WithoutTheBucketNothingIsCertain(t *testing.T) {
	t.Parallel()
	away := &objstore.Memory{Fail: func(string) error { return errAway }}
	known := &cache{known: map[string]uint64{"known": 4}}
	g := streamkey.NewGenerations(away, known)
	expect(t, g, "known", 4)
	_, getErr := g.Get(t.Context(), "ch")
	_, bumpErr := g.Bump(t.Context(), "known")
	for what, err := range map[string]error{"Get": getErr, "Bump": bumpErr} {
		if !errors.Is(err, errAway) {
			t.Errorf("%s: %v, want %v", what, err, errAway)
		}
	}
	if want := `read the generation of channel ch: get "_channels/ch.json": it is away`; getErr == nil || getErr.Error() != want {
		t.Errorf("Get:\n got %v\nwant %s", getErr, want)
	}
	if got := known.known["known"]; got != 4 {
		t.Errorf("a Bump that failed left generation %d in the cache, want 4", got)
	}
}

func TestGenerations_ABumpThatCannotBeWrittenIsNotCached(t *testing.T) {
	t.Parallel()
	asked, c := 0, new(cache)
	bucket := &objstore.Memory{Fail: func(string) error {
		if asked++; asked == 2 { // the Put after the Get
			return errAway
		}
		return nil
	}}
	g := streamkey.NewGenerations(bucket, c)
	if _, err := g.Bump(t.Context(), "ch"); !errors.Is(err, errAway) {
		t.Errorf("Bump: %v, want %v", err, errAway)
	}
	expect(t, g, "ch", 0)
}

func TestGenerations_ADamagedDocumentMakesNoKeyValid(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", "null", `{"generation":null}`, `{"generation":-1}`, `{"generation":"1"}`, `{"gen`} {
		bucket := new(objstore.Memory)
		if err := bucket.Put(t.Context(), "_channels/ch.json", []byte(body), objstore.PutOptions{}); err != nil {
			t.Fatalf("Put: %v", err)
		}
		if gen, err := streamkey.NewGenerations(bucket, streamkey.NoCache{}).Get(t.Context(), "ch"); err == nil {
			t.Errorf("document %q: generation %d, want an error", body, gen)
		}
	}
}

func expect(t *testing.T, g *streamkey.Generations, c streamkey.Channel, want uint64) {
	t.Helper()
	if got, err := g.Get(t.Context(), c); got != want || err != nil {
		t.Errorf("generation of %s: %d, %v, want %d", c, got, err, want)
	}
}
