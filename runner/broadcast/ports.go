package broadcast

import (
	"context"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/registry"
)

// A Store takes the broadcast's media and journal; Put returns once it is durable. Get
// and List are for the replay, which is made of what is in the bucket.
type Store interface {
	Put(ctx context.Context, key string, body []byte, o objstore.PutOptions) error
	Get(ctx context.Context, key string) ([]byte, error)
	List(ctx context.Context, prefix string, fn func(objstore.Object) bool) error
	// Delete removes objects, as parts that nobody can ask for any more; a key
	// without one is no error.
	Delete(ctx context.Context, keys ...string) error
}

// A Registry knows which runner holds which channel, and keeps the feeds.
type Registry interface {
	// Check says whether the registry can be reached.
	Check(ctx context.Context) error
	HoldLive(ctx context.Context, l registry.Live) *registry.Lease
	Feed(broadcast string, term uint64) *registry.Feed
}
