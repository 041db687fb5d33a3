package ingest

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrLeft is why a publish ended when the encoder closed the connection without unpublishing:
	// a crash or a network fault, where a stop would have said so.
	ErrLeft = errors.New("the encoder closed the connection without unpublishing")
	// ErrStopping is why a publish ended when the context of Serve did.
	ErrStopping = errors.New("this server is stopping; reconnect")

	// errLibrary stands for an end that nobody gave a reason for.
	errLibrary = errors.New("go-rtmp gave up on the connection")
)

// A Fault is the kind of a GuardError.
type Fault string

// The kinds of fault for which the guard closes a connection.
const (
	FaultNotRTMP     Fault = "not RTMP"    // the first byte is no RTMP version
	FaultProtocol    Fault = "protocol"    // the chunk stream or a message is broken
	FaultLimit       Fault = "limit"       // more, or bigger, than is taken
	FaultTimeout     Fault = "timeout"     // a deadline has passed
	FaultUnsupported Fault = "unsupported" // right, but not taken here
)

// A GuardError says why the guard closed a connection. Detail names the fault and its numbers.
type GuardError struct {
	Fault  Fault
	Detail string
}

func (e *GuardError) Error() string {
	switch e.Fault {
	case FaultNotRTMP:
		return "not RTMP: " + e.Detail
	case FaultTimeout:
		return e.Detail
	default:
		return "rtmp guard: " + e.Detail
	}
}

func fault(f Fault, format string, args ...any) error {
	return &GuardError{Fault: f, Detail: fmt.Sprintf(format, args...)}
}

// A MediaError says what is wrong with the audio or video of a publish, in words for its streamer.
type MediaError struct{ Detail string }

func (e *MediaError) Error() string { return e.Detail }

func mediaError(format string, args ...any) error {
	return &MediaError{Detail: fmt.Sprintf(format, args...)}
}

// A PanicError is a panic in a Handler or Sink, caught: it ends its own connection only. Its text
// may go to an encoder, so that it does not say more.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return "internal error" }

// seconds prints d as people say it: 10s, not 10.000s.
func seconds(d time.Duration) string { return d.Round(time.Millisecond).String() }
