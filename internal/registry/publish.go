package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// A Publish is an app server's lease on the ingest of a channel.
type Publish struct {
	Channel   string    `json:"channel"`
	Epoch     uint64    `json:"epoch"`
	Server    string    `json:"server"`
	Remote    string    `json:"remote"` // address of the publisher
	Since     time.Time `json:"since"`
	Broadcast string    `json:"broadcast"`
}

// A PublishLease is an app server's hold on the ingest of a channel, from HoldPublish. It is safe for
// concurrent use.
type PublishLease struct {
	*holder
	publish Publish // guarded by holder.mu
}

// HoldPublish keeps p in Redis as HoldLive keeps a Live. It is fenced by the channel's next epoch: within
// milliseconds where the Doorbell runs, otherwise at its next renewal.
func (r *Registry) HoldPublish(ctx context.Context, p Publish) *PublishLease {
	lease := &PublishLease{publish: p}
	c := claim{key: publishKey(p.Channel), channel: p.Channel, epoch: p.Epoch}
	lease.holder = r.hold(ctx, c, func() ([]byte, error) { return json.Marshal(lease.publish) })
	return lease
}

// Publish returns who publishes channel now. ErrNone: nobody.
func (r *Registry) Publish(ctx context.Context, channel string) (Publish, error) {
	var p Publish
	if err := r.read(ctx, publishKey(channel), &p); err != nil {
		return Publish{}, fmt.Errorf("look up publisher of channel %s: %w", channel, err)
	}
	return p, nil
}
