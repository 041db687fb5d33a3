// Package web is what viewers meet: the Low-Latency HLS controller, playlists,
// redirects to the bucket, the watch page and the JSON that it polls. Any app
// server serves any broadcast at the same URLs. With S3 no video passes through
// it but in the one case that is counted (a segment asked for before its object
// is durable), unless it is told to be a proxy; the directory bucket's files it
// serves itself, under /media/. Pictures are answered like media, replays from
// what the bucket has of them.
//
//	player ──GET playlist──▶ Server ──▶ controller ◀── feed (Redis)
//	       ◀─────text─────            (hls.Broadcast)
//	       ──GET part──────▶ Server
//	       ◀─────302──────            ▶ bucket
//
// A controller lives from a broadcast's first viewer until some time after its
// last. It takes the feed's snapshot, then reads on from the last id at each
// ring of the doorbell and at each second: the stream is the truth, the
// doorbell only saves waiting.
//
// Blocking requests wait on the model, never poll it, and end when their client
// leaves, when the server stops, or after three target durations (503).
package web
