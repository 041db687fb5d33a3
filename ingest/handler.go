package ingest

import "context"

// Codes of an onStatus that refuses or ends a publish. ffmpeg prints the text behind any of them;
// OBS knows Denied and Rejected.
const (
	CodeBadName  = "NetStream.Publish.BadName"  // the name cannot be published now, or never
	CodeDenied   = "NetStream.Publish.Denied"   // whoever asks may not
	CodeRejected = "NetStream.Publish.Rejected" // the server cannot, or not now
	CodeFailed   = "NetStream.Publish.Failed"   // it went wrong later

	codePlayFailed = "NetStream.Play.Failed"
)

// A Handler decides about publishes. It is called on the connection's goroutine, for many
// connections at once.
type Handler interface {
	// Publish is asked before the encoder is told that it may send. It may block until the
	// broadcast has a place; ctx ends, with the cause, when the client leaves or the server stops,
	// and stays valid until the connection ends.
	//
	// An error refuses the publish: its text goes to the encoder as the description of the
	// onStatus, with the code of a *Refusal or else CodeRejected, and the connection is closed.
	// A Sink that comes with no error is always closed in the end.
	Publish(ctx context.Context, p Publish) (Sink, error)
}

// HandlerFunc is a Handler of one function.
type HandlerFunc func(ctx context.Context, p Publish) (Sink, error)

// Publish calls f.
func (f HandlerFunc) Publish(ctx context.Context, p Publish) (Sink, error) { return f(ctx, p) }

// A Publish is what an encoder asked for.
type Publish struct {
	App     string   // always "live" here
	Key     string   // the stream key: never empty, never to be logged whole (RedactKey)
	Query   string   // what stood behind a ? in the stream name
	Remote  string   // the client's address
	Encoder string   // flashVer: what the encoder calls itself
	FourCC  []string // codecs it can send by enhanced RTMP; nil if it does not say
}

// A Sink takes the frames of one publish, in order, from one goroutine. Its methods must not
// block for long: reading the encoder, and noticing that it left, waits for them.
type Sink interface {
	// Write takes a frame, and may keep its Payload. An error ends the connection, is logged, and
	// is told to the encoder as far as the protocol can.
	Write(f Frame) error
	// Close is called exactly once, after the last Write. reason is nil for a clean unpublish
	// (FCUnpublish, deleteStream, closeStream), else why the publish ended: ErrLeft, ErrStopping,
	// a GuardError, a MediaError, or what Write or Err returned.
	Close(reason error)
	// Done is closed when the Sink wants the connection to end: fenced, its runner died …
	Done() <-chan struct{}
	// Err says why, after Done.
	Err() error
}

// A Refusal is an error that chooses the code of its onStatus.
type Refusal struct {
	Code string // CodeDenied, …; empty is CodeRejected
	Text string // for the streamer
}

func (r *Refusal) Error() string { return r.Text }
