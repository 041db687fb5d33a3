package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// counterTTL is how long an epoch or term is remembered after its last use. Once forgotten, Redis' time keeps
// the next one above it; the long time covers a clock that was set back.
const counterTTL = 30 * 24 * time.Hour

// GenerationTTL is how long a key generation is cached.
const GenerationTTL = 10 * time.Minute

// nextScript takes the next number: max(previous + 1, Redis time in ms). ARGV: TTL in ms, pub/sub channel or "".
// The numbers are far below 2^53, up to which Lua's are exact.
var nextScript = redis.NewScript(`
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local previous = tonumber(redis.call('GET', KEYS[1]) or '0')
local n = string.format('%.0f', math.max(previous + 1, now))
redis.call('SET', KEYS[1], n, 'PX', ARGV[1])
if ARGV[2] ~= '' then redis.call('PUBLISH', ARGV[2], n) end
return n
`)

// raiseScript sets a number unless a greater one stands, and returns which one stands then.
// ARGV: the number, TTL in ms.
var raiseScript = redis.NewScript(`
local stands = redis.call('GET', KEYS[1])
if stands and tonumber(stands) > tonumber(ARGV[1]) then return stands end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
`)

// NextEpoch takes the next epoch of channel and tells all app servers at once. When it fails the epoch may
// have been taken all the same, which harms nobody but an older publish.
func (r *Registry) NextEpoch(ctx context.Context, channel string) (uint64, error) {
	n, err := r.next(ctx, epochKey(channel), epochBell(channel))
	if err != nil {
		return 0, fmt.Errorf("take next epoch of channel %s: %w", channel, err)
	}
	return n, nil
}

// NextTerm takes the next term of broadcast.
func (r *Registry) NextTerm(ctx context.Context, broadcast string) (uint64, error) {
	n, err := r.next(ctx, termKey(broadcast), "")
	if err != nil {
		return 0, fmt.Errorf("take next term of broadcast %s: %w", broadcast, err)
	}
	return n, nil
}

func (r *Registry) next(ctx context.Context, key, bell string) (uint64, error) {
	return nextScript.Run(ctx, r.c, []string{key}, counterTTL.Milliseconds(), bell).Uint64()
}

// Epoch returns the newest epoch of channel, 0 where none was ever taken.
func (r *Registry) Epoch(ctx context.Context, channel string) (uint64, error) {
	n, err := r.c.Get(ctx, epochKey(channel)).Uint64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("read epoch of channel %s: %w", channel, err)
	}
	return n, nil
}

// Generation returns the cached key generation of channel, and whether one is cached.
func (r *Registry) Generation(ctx context.Context, channel string) (gen uint64, ok bool, err error) {
	gen, err = r.c.Get(ctx, generationKey(channel)).Uint64()
	switch {
	case errors.Is(err, redis.Nil):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("read key generation of channel %s: %w", channel, err)
	}
	return gen, true, nil
}

// SetGeneration caches gen for GenerationTTL, unless a greater one is cached: a server that read the bucket
// just before a revocation cannot undo it.
func (r *Registry) SetGeneration(ctx context.Context, channel string, gen uint64) error {
	err := raiseScript.Run(ctx, r.c, []string{generationKey(channel)}, gen, GenerationTTL.Milliseconds()).Err()
	if err != nil {
		return fmt.Errorf("cache key generation of channel %s: %w", channel, err)
	}
	return nil
}
