package registry

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// An index is a sorted set of names by the Redis time, in ms, at which their leases expire. A member goes by
// its time alone, never because a reader found its lease missing: a lease may just then be written again.

// enlistScript enters a name and drops the expired. ARGV: name, TTL in ms.
var enlistScript = redis.NewScript(`
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`)

// rollScript drops the expired and returns the names.
var rollScript = redis.NewScript(`
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
return redis.call('ZRANGE', KEYS[1], 0, -1)
`)

// enlist puts the entry of name into a pipeline.
func enlist(ctx context.Context, pipe redis.Pipeliner, index, name string) {
	enlistScript.Eval(ctx, pipe, []string{index}, name, leaseTTL.Milliseconds())
}

// documents returns what stands at the keys of all names in index; names without a lease are left out.
func (r *Registry) documents(ctx context.Context, index string, key func(name string) string) ([]string, error) {
	names, err := rollScript.Run(ctx, r.c, []string{index}).StringSlice()
	if err != nil || len(names) == 0 {
		return nil, err
	}
	gets := make([]*redis.StringCmd, len(names))
	// One GET each, as the keys of an MGET would have to be in one slot. A name without a
	// lease fails the pipeline as a whole with redis.Nil, so each answer is looked at instead.
	_, _ = r.c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, name := range names {
			gets[i] = pipe.Get(ctx, key(name))
		}
		return nil
	})
	docs := make([]string, 0, len(names))
	for _, get := range gets {
		doc, err := get.Result()
		switch {
		case err == nil:
			docs = append(docs, doc)
		case !errors.Is(err, redis.Nil):
			return nil, err
		}
	}
	return docs, nil
}
