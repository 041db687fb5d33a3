package ingest

import (
	"errors"
	"sync/atomic"
)

// Stats counts what a Server did. Its fields may be read at any time.
type Stats struct {
	Connections atomic.Int64 // accepted so far, over-limit ones too
	Open        atomic.Int64 // being served now
	Publishing  atomic.Int64 // of those, sending a broadcast
	Bytes       atomic.Int64 // read from clients
	VideoFrames atomic.Int64 // handed to Sinks, configurations not counted
	AudioFrames atomic.Int64

	// Connections closed by the server, by reason.
	OverLimit  atomic.Int64 // Options.MaxConns or MaxConnsPerIP
	NotRTMP    atomic.Int64 // garbage on the port
	Faults     atomic.Int64 // broken, too large or unsupported messages
	Timeouts   atomic.Int64 // setup, idle or write deadline
	Refused    atomic.Int64 // publishes that the Handler, or their name, did not allow
	BadMedia   atomic.Int64 // unsupported or broken audio or video
	SinkEnded  atomic.Int64 // the Sink wanted an end
	Panics     atomic.Int64 // in a Handler or Sink, or in the parser
	AcceptErrs atomic.Int64 // failed Accepts
}

// ended counts why a connection was closed.
func (s *Stats) ended(reason error) {
	var guard *GuardError
	var media *MediaError
	var caught *PanicError
	switch {
	case errors.As(reason, &caught):
		s.Panics.Add(1)
	case errors.As(reason, &media):
		s.BadMedia.Add(1)
	case !errors.As(reason, &guard):
	case guard.Fault == FaultNotRTMP:
		s.NotRTMP.Add(1)
	case guard.Fault == FaultTimeout:
		s.Timeouts.Add(1)
	default:
		s.Faults.Add(1)
	}
}
