// Package reap deletes the objects of parts, which nobody needs once their segment is one object and no
// player can ask for them any more. Parts are two thirds of what a broadcast writes, and half of its bytes.
//
// A Live does it while the broadcast runs, told by the events that the feed gets:
//
//	noted ──segment durable, and the model has forgotten its parts──▶ due ──Slack later──▶ deleted
//	  └──segment lost──▶ left alone                                    └──too many wait──▶ left
//
// Parts does it afterwards, from a List alone: for what a Live left, and for the broadcasts of runners that
// died.
//
// # When
//
// "Forgotten" is hls.PartAvailability past the end of the segment, in media time: a broadcast that stands
// still keeps what its playlists show. Slack, in real time, then covers what the model does not know of: an
// app server that lags, a playlist that a cache kept for as long as it may, a redirect that a browser
// remembers. While the feed cannot be written nothing is deleted, for app servers then show an old state;
// and when it can be again, Slack begins anew.
//
// # Promises
//
//   - A part is never deleted whose segment has no object: its parts are all there is of it. They stay until
//     the broadcast is deleted as a whole.
//   - Parts that became gaps are deleted too: their upload may have got through after all.
//   - Deleting is paced, one request for all renditions each Every, of at most 1000 keys; what fails is
//     tried again, ever more slowly. What waits is bounded; beyond, the oldest is left, counted.
//   - Nothing else of a broadcast waits for it, and its failure is none of the broadcast's.
//
// # After the end
//
// Close ends a Live with one more round over what is due. What is still too young then, that of the last
// Delay or so, is for whoever cleans up after runners: Parts, once Delay has passed since the end.
package reap
