// Package keeper does what the dead have left undone. Transitions of a broadcast are made
// by its runner while that lives; a Keeper makes those that it did not: it ends feeds,
// makes replays, deletes parts that were left behind, and deletes replays whose time is
// over. Every app server has a Keeper, and one of them works: the holder of a lease.
//
//	_open/ in the bucket ──each round──▶ who has it?
//	                                      │ a live lease, or a publish of it: nothing to do
//	                                      ▼ nobody, for Grace
//	     no index ──▶ end in feed ──▶ rest of the journal ──▶ playlists, index document
//	     index    ──▶ parts, once no playlist lists them ──▶ the marker goes
//	     to be deleted ──▶ media ──▶ journal ──▶ the marker goes
//	_replays/ ──each minute──▶ older than Retention ──▶ to be deleted
//
// # Who is dead
//
// A broadcast is nobody's when neither its runner's lease nor its publish stands in Redis,
// for Grace. Where Redis knows nothing of it, not even a feed, as after a flush, its newest
// sign in the bucket must be older than Silence too: a runner that lives writes its lease
// again within seconds, and its journal each ten. While Redis is away nothing is decided.
//
// The end is written under the broadcast's next term: should its runner come back, it can
// write nothing behind the end, and what it still puts into the bucket does not count.
//
// # What a replay then has
//
// All segments that were durable. Those of the last seconds before a death may not be in
// the journal yet. The feed tells of them where Redis still has it; else they are looked
// for under the next numbers in the bucket, and measured by their own time stamps. They are
// left out where what they need cannot be told for certain: behind a hole, or where the
// format changed.
//
// # Under failure
//
// Every step can be repeated, by another keeper too: markers go last. Two keepers at once,
// as after a flush of Redis, do the same work twice and no harm. When bucket or Redis is
// away, rounds come more seldom; a broadcast that makes trouble is tried again more and more
// seldom, and holds up no other.
package keeper
