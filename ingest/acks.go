package ingest

import (
	"encoding/binary"
	"errors"
)

const (
	// defaultAckWindow is how many bytes are acknowledged at a time; encoders may ask for another.
	defaultAckWindow = 2_500_000
	// minAckWindow keeps an encoder from making the server write more than it reads.
	minAckWindow = 64 << 10

	eventPingRequest  = 6
	eventPingResponse = 7
)

// acks counts what came, for acknowledgements (RTMP 1.0, 5.4.3). They are the guard's, not
// go-rtmp's, which counts the bytes of the dialect instead of the client's.
type acks struct {
	window   uint32
	received uint32 // chunk bytes so far; wraps, as the sequence number on the wire does
	sent     uint32 // received, when last told
}

func (a *acks) setWindow(n uint32) { a.window = max(n, minAckWindow) }

// due adds n bytes and tells whether it is time for an acknowledgement: at half the window, so
// that a strict encoder never stops to wait for it.
func (a *acks) due(n int) bool {
	a.received += uint32(n)
	if a.received-a.sent < a.window/2 {
		return false
	}
	a.sent = a.received
	return true
}

// acknowledge counts n more bytes and tells the client, once it is live. Before that the budget
// is no larger than the smallest window, so that no client can be waiting; and until then chunk
// stream 2 belongs to go-rtmp, whose header compression a chunk of the guard's would break.
func (g *guard) acknowledge(n int) error {
	if !g.acks.due(n) || g.phase != live {
		return nil
	}
	return g.writeControl(typeAck, binary.BigEndian.AppendUint32(nil, g.acks.received))
}

// pong answers a ping request of the client, which carries a timestamp to be sent back.
func (g *guard) pong(body []byte) error {
	if g.phase != live || len(body) != 6 || binary.BigEndian.Uint16(body) != eventPingRequest {
		return nil // other events are for players
	}
	answer := binary.BigEndian.AppendUint16(nil, eventPingResponse)
	return g.writeControl(typeUserControl, append(answer, body[2:]...))
}

func (g *guard) writeControl(typ uint8, body []byte) error {
	_, err := g.Write(appendMessage(nil, controlChunks, packet{typ: typ, body: body}))
	if errors.Is(err, ErrLeft) {
		return nil // reading will find out, after what there still is to read
	}
	return err
}
