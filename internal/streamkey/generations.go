package streamkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
)

// cacheTimeout bounds each call of the cache, so that a cache that hangs leaves time for the bucket.
const cacheTimeout = time.Second

// Store is where generations are kept: a bucket.
type Store interface {
	Get(ctx context.Context, key string) ([]byte, error) // objstore.ErrNotFound where there is none
	Put(ctx context.Context, key string, body []byte, o objstore.PutOptions) error
}

// Cache remembers generations for all servers. It may forget at any time.
type Cache interface {
	// Generation returns what is remembered of channel; ok is false where nothing is.
	Generation(ctx context.Context, channel string) (gen uint64, ok bool, err error)
	// SetGeneration remembers gen, unless a higher one is remembered already: of two servers that
	// fill the cache, one may have read the bucket before a key was revoked.
	SetGeneration(ctx context.Context, channel string, gen uint64) error
}

// NoCache is a Cache that remembers nothing.
type NoCache struct{}

// Generation has nothing remembered.
func (NoCache) Generation(context.Context, string) (gen uint64, ok bool, err error) {
	return 0, false, nil
}

// SetGeneration forgets gen.
func (NoCache) SetGeneration(context.Context, string, uint64) error { return nil }

// Generations knows the generation of every channel: the number of times its key was revoked. The
// bucket has the truth, the cache spares a request to it for each publish. It is safe for
// concurrent use.
type Generations struct {
	store Store
	cache Cache
}

// NewGenerations returns the Generations in store; cache may be NoCache{}.
func NewGenerations(store Store, cache Cache) *Generations {
	return &Generations{store: store, cache: cache}
}

// document is what stands in the bucket for a channel whose key was ever revoked.
type document struct {
	Generation *uint64 `json:"generation"`
}

// Get returns the generation of c; a channel that the bucket has nothing of is in generation 0. A
// cache that fails is passed over. The error names what could not be read; the keys of c can then
// not be checked.
func (g *Generations) Get(ctx context.Context, c Channel) (uint64, error) {
	if gen, ok := g.cached(ctx, c); ok {
		return gen, nil
	}
	gen, err := g.load(ctx, c)
	if err != nil {
		return 0, err
	}
	_ = g.remember(ctx, c, gen) // the next publish asks the bucket again
	return gen, nil
}

// Bump revokes the keys of c and returns its new generation. The bucket comes first: from then on
// the revocation lasts. Where the cache could not be told, the error says so, and the old key may
// be taken until it forgets; another Bump mends that. Two Bumps at once may count as one.
func (g *Generations) Bump(ctx context.Context, c Channel) (uint64, error) {
	gen, err := g.load(ctx, c)
	if err != nil {
		return 0, err
	}
	gen++
	body, err := json.Marshal(document{&gen})
	if err != nil {
		return 0, fmt.Errorf("write the generation of channel %s: %w", c, err)
	}
	if err := g.store.Put(ctx, generationKey(c), body, objstore.PutOptions{}); err != nil {
		return 0, fmt.Errorf("write the generation of channel %s: %w", c, err)
	}
	if err := g.remember(ctx, c, gen); err != nil {
		return gen, fmt.Errorf("channel %s is in generation %d, but the cache may still take older keys: %w", c, gen, err)
	}
	return gen, nil
}

func (g *Generations) cached(ctx context.Context, c Channel) (uint64, bool) {
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	gen, ok, err := g.cache.Generation(ctx, string(c))
	return gen, ok && err == nil
}

func (g *Generations) remember(ctx context.Context, c Channel, gen uint64) error {
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	return g.cache.SetGeneration(ctx, string(c), gen)
}

// load reads the generation of c from the bucket.
func (g *Generations) load(ctx context.Context, c Channel) (uint64, error) {
	body, err := g.store.Get(ctx, generationKey(c))
	if errors.Is(err, objstore.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the generation of channel %s: %w", c, err)
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return 0, fmt.Errorf("read the generation of channel %s: object %s: %w", c, generationKey(c), err)
	}
	if d.Generation == nil { // not 0: that would make revoked keys valid again
		return 0, fmt.Errorf("read the generation of channel %s: object %s names none", c, generationKey(c))
	}
	return *d.Generation, nil
}

// generationKey is the object that holds the generation of c.
func generationKey(c Channel) string {
	return "_channels/" + string(c) + ".json"
}
