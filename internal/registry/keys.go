package registry

// Names in Redis. What stands in braces is all that a Redis Cluster hashes, so that the keys of one channel
// are in one slot, and those of one broadcast in another: scripts and transactions work within a slot only.

func channelKey(channel, what string) string     { return "pharos:{c:" + channel + "}:" + what }
func broadcastKey(broadcast, what string) string { return "pharos:{b:" + broadcast + "}:" + what }

func epochKey(channel string) string      { return channelKey(channel, "epoch") }
func liveKey(channel string) string       { return channelKey(channel, "live") }
func publishKey(channel string) string    { return channelKey(channel, "publish") }
func generationKey(channel string) string { return channelKey(channel, "generation") }
func termKey(broadcast string) string     { return broadcastKey(broadcast, "term") }
func runnerKey(machine string) string     { return "pharos:runner:" + machine }

// The indexes of leases: sorted sets of names by the time at which they expire.
const (
	liveIndex   = "pharos:lives"
	runnerIndex = "pharos:runners"
)

// Pub/sub channels.

func epochBell(channel string) string  { return channelKey(channel, "epochs") }
func freeBell(channel string) string   { return channelKey(channel, "free") }
func feedBell(broadcast string) string { return broadcastKey(broadcast, "ring") }

// feedKeys are the streams of one feed.
type feedKeys struct{ feed, head, older string }

func newFeedKeys(broadcast string) feedKeys {
	return feedKeys{
		feed:  broadcastKey(broadcast, "feed"),
		head:  broadcastKey(broadcast, "head"),
		older: broadcastKey(broadcast, "older"),
	}
}

func (k feedKeys) all() []string { return []string{k.feed, k.head, k.older} }
