// Package ingest takes live streams in by RTMP and hands their frames to a [Sink].
//
//	socket ─▶ limits ─▶ guard ─▶ go-rtmp ─▶ session ─▶ FLV tags ─▶ Sink
//	          too many?  complete  handshake, who may   frames on
//	                     messages  replies    publish?  90 kHz
//	                     only
//
// RTMP itself is spoken by github.com/yutopp/go-rtmp. That library trusts its peer: one packet of
// 3,113 bytes makes its AMF0 decoder ask for gigabytes, and no part of it has a deadline. So it
// never sees a byte that a client wrote. Every connection is a guard: a net.Conn that reads the
// client's chunk stream itself, judges each message when it is complete, and writes what is left
// as a small dialect of its own, in which nothing can be wrong: connect, createStream, publish,
// play, FCUnpublish, @setDataFrame with an opaque body, audio, video. Commands are written anew
// from the values that a bounded decoder found, never copied.
//
// # Life of a connection
//
//	accepted ──connect──▶ connected ──publish──▶ deciding ──Sink──▶ live ──unpublish──▶ closed
//	   └──── Options.Setup for all of this ────┘     │               │ Options.Idle
//	                                             Handler.Publish     └ without a picture or sound
//
// Before the publish is allowed a connection has [Options.Setup] altogether and may send 64 KiB; afterwards it
// must complete a picture or an audio frame every [Options.Idle]. Half-open, silent and
// byte-by-byte publishers end by these two rules.
//
// # Time
//
// Timestamps are believed as far as they can be true: time goes on by what they say unless that is back,
// or more than the time that really passed. Then the encoder's clock was set anew, and the stream goes on
// where it stood, both tracks in time with each other. The type clock has the rules, docs/SOURCES.md what
// viewers get of it.
//
// # Promises
//
// A [Sink] gets its Writes in order from one goroutine, and exactly one Close after the last of
// them, whatever happens: a broken stream, a panic in the Sink itself, the server's end. An error
// ends its own connection only. What ends a publish is told to the encoder as an onStatus
// (NetStream.Publish.*), as far as it still reads, and logged once.
// Stream keys never reach a log whole: see [RedactKey].
package ingest
