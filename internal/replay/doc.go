// Package replay makes broadcasts that are over into recordings, in the bucket, out of
// what is in the bucket alone: the journal and the media. It keeps three kinds of
// documents beside a broadcast's own folder:
//
//	_open/{broadcast}.json      a Marker: something is left to be done with this broadcast
//	{broadcast}/index.m3u8 …    the replay's playlists, beside the segments that they list
//	_replays/{broadcast}.json   an Index: the replay is there, and can be listed
//
// A broadcast goes through these states, each of which a List of a short prefix tells:
//
//	              runner                 runner, or keeper          keeper
//	(nothing) ──▶ marker, journal, media ──▶ playlists, index ──▶ marker goes with the last part
//	                                                                    │ retention
//	(nothing) ◀── marker ◀── journal ◀── media ◀── index ◀── marker that says so
//
// Every step can be made again by anybody: what is written is a pure function of the
// journal, and the index document comes last. A marker goes only when nothing is left
// to do, so that whoever dies in between leaves a trace for the next keeper.
package replay
