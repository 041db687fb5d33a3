// Package packager turns the frames of one broadcast into fragmented MP4: parts, segments and init
// sections, uploaded to a store and announced as events of the feed.
//
//	Source ─▶ axis ─▶ Cutter ──cuts──┬────────────┬─────────────┐
//	  │                              ▼            ▼             ▼
//	  └────────────────────────▶ source lane   rung lanes   audio lane ◀─ audioClock ◀─ Audio
//	                                 │            ▲ │           │
//	                      ffmpeg ────┼─── Rung ───┘ │           │
//	                                 ▼              ▼           ▼
//	                              outbox         outbox      outbox    parts and segments, in order
//	                               │  └─▶ Store    …           …
//	                               └─▶ Announce, Older
//
// # Time
//
// Media time 0 is the PTS of the first source keyframe. A rendition's decode time goes on without a
// hole: parts, and gaps where nothing came, follow one another to the tick. Where that asks for it,
// a frame's decode time and duration give way; its PTS never does, as composition offsets are
// signed.
//
// In a source with B-frames decode times are moved by the keyframe's composition offset, so that a
// segment that begins at a keyframe has its first PTS as tfdt, to a millisecond: otherwise video would
// be late by some frames against audio that was cut at the same times. A keyframe that begins an open
// group of pictures has its PTS as its place too; the pictures that are shown before it follow it there,
// and are no business of the predictors any more.
//
// The count of audio samples is set right by whole frames, of silence or left out, when the timestamps
// say on average that it has gone wrong by 12 ms. A jump of more than two minutes is an error: timestamps
// are believable as they come from ingest.
//
// # Cuts
//
// One Cutter looks at the source's frames alone and says at which times segments end; all renditions
// end them there, audio at the nearest frame. Whether a cut falls on a frame is mostly known as the
// frame comes. The exceptions: a rung's last IDR just before the target duration (frames from there
// on wait up to 150 ms for a better cut, a keyframe), and audio, which waits for the video, a second
// at most. When audio is more than a second ahead, video has stalled: time goes on, in gaps.
//
// # Parts
//
// A part closes when its last frame arrives: how long that frame lasts is foreseen from the mean of
// those before it, and the error goes into the next part's first frame. The video renditions agree on
// what they foresee, so that their segments begin at the same tick. No part is longer than
// PART-TARGET; each is at least 85 % of it, unless it is the last of its segment, stands before a
// gap, or the frame rate has no better length.
//
// # Codecs
//
// A source or rung is in H.264 (avc1) or H.265 (hvc1), its parameter sets in the init section alone. In
// H.265 a Sample is a Key where it is an IDR picture, or a CRA or BLA picture whose RASL pictures are left
// out: ingest sees to that.
//
// # Promises
//
//   - A part is announced once the store has acknowledged it and its init section; if that has not
//     happened when three part targets have passed since it was closed, it is announced as a gap and its
//     upload cancelled.
//   - An upload that takes long is joined by a second request for the same object, and the first to succeed
//     wins. Second requests are a tenth of the first ones at most, and none are sent while the store fails.
//     Only the packager tries again: it asks the store for one attempt at a time.
//   - The object of a segment is its parts, byte for byte, those that became gaps included.
//   - Announcements of a rendition come in order. A rendition that waits, for the store, for ffmpeg or
//     in Announce, holds up no other.
//   - Input never waits for uploads. What is kept for them is bounded: parts and segments by number and
//     bytes (beyond, a part is a gap at once, and the oldest segment lost), init sections by number.
//     Entries that wait for
//     Announce are small and not bounded here: whoever announces says how long is too long.
//   - A segment in which a rendition got nothing at all, not even a gap, does not exist there: media
//     sequence numbers have no holes, but may differ between renditions afterwards.
//   - Nothing outlives Run.
//
// # Under failure
//
// A store that is slow or away costs gaps, then segments, both counted; it comes back by itself. An
// announcement that fails ends the packager with that error. Frames that come too late are packaged
// all the same, with their PTS, in the next part; audio frames that come too late are left out, as
// silence has taken their place.
package packager
