// Package hls is the one model of a broadcast as its viewers see it: events go
// in, playlists and object keys come out. It does no I/O, starts no goroutine
// and reads no clock: what it answers is a pure function of the events applied,
// so that every app server gives every viewer the same bytes.
//
// The rules are those of draft-pantos-hls-rfc8216bis-22 ("the draft" below) and
// of Apple's "HLS Authoring Specification for Apple devices".
//
// # States
//
// A Broadcast:
//
//	waiting ──Take──▶ begun ──a part in every rendition──▶ ready ──End──▶ ended
//	   └────────────────┴─────────────End──────────────────────────────────┘
//
// While it is waiting every question waits; an unknown rendition is known to be
// unknown once it has begun; the multivariant playlist exists once it is ready.
//
// A segment of a rendition:
//
//	open ──Close or End──▶ closed ──Object──▶ durable
//	 parts, hint            listed with EXTINF   its URL leads to its object
//
//	listed ──older than the window──▶ resolvable ──the longest playlist later──▶ forgotten
//
// A part: hinted, listed, resolvable, forgotten. A Gap is listed and never
// resolvable. A new term's Take changes no state: the broadcast goes on.
//
// # Promises
//
// Atomic. Apply is one step: whoever waits sees all of its events or none, and
// a playlist's segments, parts, hint and rendition reports are of one state. An
// event that does not continue its rendition's numbers is an error, and the
// model stays as it was.
//
// Immutable. A line that a playlist has shown is made once and never changes;
// lines come at the end, leave at the front, and parts leave their segment all
// at once. The header's constants are the same bytes in every playlist. No
// printed duration exceeds PART-TARGET or, rounded, TARGETDURATION: one
// millisecond more stops AVPlayer for good, so a writer's mistake is not passed
// on.
//
// Complete at the end. End closes the segment that is open in a rendition, with
// the parts that it has, so that what viewers were shown is never taken back,
// whoever ended the broadcast.
//
// Available. What has left a playlist stays resolvable: a segment for its own
// duration and that of the longest playlist which listed it (the draft, 6.2.2),
// a part for three target durations, or for as long as its segment has no
// object to be served instead. Time is media time here, so all of this is
// bounded by two windows and stands still when the broadcast does.
//
// Cheap. A state's playlist is rendered when it is first asked for and then
// shared, its gzip form likewise. Waiters of a rendition wait on one channel;
// they listen to their context and leave nothing behind.
//
// # Hints
//
// There is one preload hint, of the next part, by its number: it comes true whatever
// segment the part ends up in. A hint of TYPE=MAP, which the draft (B.1) wants before
// a new init section, is left out: an encoder sends its new parameter sets
// immediately before the keyframe that they are for, so the section is known only
// with the first frame of the part that needs it, and a feed entry of its own would
// come together with that part. Players read the EXT-X-MAP after the discontinuity,
// and the section is durable before the part is announced.
//
// # Starting
//
// A media playlist is held back, whatever the request's directives, until its
// rendition has a complete segment, for hls.js calls a playlist of parts alone
// empty, and fails (its issues 6809 and 6840); and until every other rendition
// has a part, for each must have its report in every playlist (the draft, B.1).
//
// A reader that joins in mid-broadcast applies, in one call, a Take, the list of
// older segments, and the stream from any point not newer than the end of that
// list. Parts of segments in the list are attached to them where all of them are
// there, so that its playlists are those of a reader who saw everything, to the
// byte. EXT-X-DISCONTINUITY-SEQUENCE too is carried, by every part and segment, and
// never inferred.
package hls
