// Package registry is what the servers and runners of a cluster agree on, kept in Redis: who publishes
// a channel, which runner carries its broadcast, which runners there are, and the feed of every broadcast.
// It holds only what the living can write again; nothing in it outlasts the broadcast for long.
//
// # Epochs and terms
//
// Every publish of a channel takes the channel's next epoch, every placement of a broadcast on a runner
// the broadcast's next term. Both are max(previous + 1, Redis time in ms), so that a flushed Redis cannot
// turn them back. A higher one wins, always: whoever holds a lower one is fenced (ErrFenced).
//
// # Leases
//
//	         NextEpoch                 renewed every 1.5 s
//	free ───────────────▶ held ◀──────────────────────────────┐
//	  ▲                    │ └────────────────────────────────┘
//	  │ released, or       │ a newer epoch of the channel, or term of the broadcast
//	  │ 5 s unrenewed      ▼
//	  └───────────────── fenced: not renewed any more, and released once its work has ended
//
// A lease is a JSON document with a TTL of 5 s. A script compares before it renews, so that an old holder
// never overwrites a new one, and releases exactly the epoch and term that it names. Redis alone decides who
// holds it; a process uses its own clock only to stop trusting a lease early (Trusted), 4.5 s after the last
// good renewal was sent. A lease gone untrusted lets others take over; it stops no writer: only ErrFenced does.
// Redis being away is therefore not the end of a lease: its holder keeps trying, at least every 1.5 s. A
// fenced holder hears of it at its next renewal, and within milliseconds where the Doorbell runs.
//
// # Feeds
//
//	Feed.Take ─▶ {term}-0 ─▶ {term}-1 ─▶ {term}-2 … ─▶ stream, trimmed to what players need parts of
//	Feed.Older ───────────────────────────────────────▶ list of older segments, trimmed to the window
//	                 └─ PUBLISH ─▶ Doorbell ─▶ After(last id)
//
// A feed is one Redis stream per broadcast, with explicit ids {term}-{seq} without holes within a term. A runner
// first takes the feed by appending {term}-0; from then on Redis itself refuses the entries of every former
// term, as their ids are smaller than the newest. The data of the take is kept as the head as well, for those
// who come after it was trimmed. Head and list are Redis streams too (the head of length one), and every take
// enters both, so that the same rule guards them: nothing of a fenced writer gets in, and nothing gets in twice.
// None of them is ever trimmed to empty, since a stream without entries may forget its last id.
//
// Promises to readers: Snapshot is one moment of a feed; a segment may be in the list and in the stream at
// once, never in neither. After gives every entry behind an id, in order and once, or says ErrTrimmed. The
// stream is the truth and the bell a hint: a ring may be lost or come for nothing, so readers also look each second.
//
// Promises to the writer: Append never blocks. What is appended is written in order, at once on a healthy
// Redis, by one pipeline at a time; what is appended meanwhile goes with the next. While Redis is away
// entries wait in memory up to a bound, and beyond it ErrBacklog says that this entry was not taken. After a
// failure the writer reads where the stream stands before it goes on: entries whose answer was lost are
// recognised and not repeated. Each answer also says how long the streams are: where entries that were
// acknowledged are missing, as after a failover, or a stream is gone altogether, the feed is restored as it
// stood, same ids, head and list included. ErrFenced is said only once a newer
// term was seen in Redis.
//
// # Failure
//
// No command blocks inside Redis, and every call ends with its context or within the client's timeouts
// (2 s to dial, read and write). Lua is used for epochs, terms and leases alone. With a replicated Redis a failover may
// lose what was acknowledged last: epochs and leases are then written again by their holders, feeds by their writers.
package registry
