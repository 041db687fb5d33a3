package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pharos-live/pharos/internal/registry"
	"github.com/pharos-live/pharos/internal/streamkey"
)

const keyUsage = "key new CHANNEL | key revoke CHANNEL"

// runKey makes and revokes stream keys. new prints the key alone on standard
// output.
func runKey(ctx context.Context, p *process, args []string) error {
	var c config
	settings := append(c.stateSettings(), c.secretSettings()...)
	rest, err := parseSettings(keyUsage, "Makes a stream key (printed alone on standard output), or revokes all keys of a channel.", settings, args, p.getenv, p.stdout)
	if err != nil {
		return err
	}
	if len(rest) != 2 || (rest[0] != "new" && rest[0] != "revoke") {
		return errors.New("usage: pharos " + keyUsage)
	}
	verb := rest[0]
	channel, err := streamkey.ParseChannel(rest[1])
	if err != nil {
		return err
	}
	secret, err := c.loadSecret()
	if err != nil {
		return err
	}
	signer, err := streamkey.NewSigner(secret)
	if err != nil {
		return err
	}
	store, _, err := openStore(&c)
	if err != nil {
		return err
	}
	// The cache lives in the registry; without a running server there is none
	// to tell, and the bucket alone holds the truth.
	var cache streamkey.Cache = streamkey.NoCache{}
	if reg, err := attach(&c); err == nil {
		defer func() { _ = reg.Close() }()
		cache = reg
	} else if c.redisURL != "" {
		return err
	}
	gens := streamkey.NewGenerations(store, cache)
	if verb == "revoke" {
		gen, err := gens.Bump(ctx, channel)
		if err != nil {
			return fmt.Errorf("revoke the keys of %s: %w", channel, err)
		}
		fmt.Fprintf(p.stderr, "the keys of channel %s made until now are revoked (generation %d); pharos key new %s makes the next\n", channel, gen, channel)
		return nil
	}
	gen, err := gens.Get(ctx, channel)
	if err != nil {
		return fmt.Errorf("make a key for %s: %w", channel, err)
	}
	_, err = fmt.Fprintln(p.stdout, signer.New(channel, gen))
	return err
}

// loadSecret is PHAROS_SECRET, or what the data directory keeps.
func (c *config) loadSecret() ([]byte, error) {
	if c.secret != "" {
		return []byte(c.secret), nil
	}
	if c.redisURL != "" {
		return nil, &settingError{name: "PHAROS_SECRET", err: errors.New("must be given with REDIS_URL, the same on all app servers: at least 16 bytes")}
	}
	return streamkey.LoadSecret(c.dataDir)
}

var _ streamkey.Cache = (*registry.Registry)(nil)

// keyTimeout bounds what the check of a key may ask of cache and bucket.
const keyTimeout = 5 * time.Second

// keys checks stream keys on the ingest node: form and channel first, then the
// generation, then the signature, in constant time.
type keys struct {
	signer *streamkey.Signer
	gens   *streamkey.Generations
}

func (k keys) Check(ctx context.Context, key string) (streamkey.Channel, error) {
	channel, err := k.signer.Parse(key)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	gen, err := k.gens.Get(ctx, channel)
	if err != nil {
		return "", err
	}
	return k.signer.Verify(key, gen)
}
