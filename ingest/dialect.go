package ingest

import (
	"encoding/binary"
	"fmt"
	"math"
)

// RTMP message types (RTMP 1.0, 5.4 and 7.1).
const (
	typeSetChunkSize     = 1
	typeAbort            = 2
	typeAck              = 3
	typeUserControl      = 4
	typeWindowAckSize    = 5
	typeSetPeerBandwidth = 6
	typeAudio            = 8
	typeVideo            = 9
	typeDataAMF3         = 15
	typeSharedAMF3       = 16
	typeCommandAMF3      = 17
	typeDataAMF0         = 18
	typeSharedAMF0       = 19
	typeCommandAMF0      = 20
	typeAggregate        = 22
)

// Limits on one message.
const (
	maxMessage = 64 << 10 // anything but media after the publish was allowed
	maxMedia   = 8 << 20
)

// Chunk streams of the dialect. go-rtmp answers a command on the chunk stream it came on.
const (
	controlChunks = 2
	commandChunks = 3
	audioChunks   = 4
	dataChunks    = 5
	videoChunks   = 6
)

// publishStream is the one message stream a connection can have: go-rtmp counts from 1, and is
// told to make no second one.
const publishStream = 1

// dialect is what the guard has seen of the conversation, in the order in which it came.
type dialect struct {
	connected, created, published bool
	fourCC                        []string // what the client can send by enhanced RTMP
}

// appendMessage appends m as one type 0 chunk. The reader's chunk size must not be smaller than
// its body: towards go-rtmp appendDialectStart sees to that.
func appendMessage(b []byte, chunks byte, m packet) []byte {
	field := min(m.timestamp, 0xffffff)
	b = append(b, chunks, byte(field>>16), byte(field>>8), byte(field))
	b = append(b, byte(len(m.body)>>16), byte(len(m.body)>>8), byte(len(m.body)), m.typ)
	b = binary.LittleEndian.AppendUint32(b, m.stream)
	if field == 0xffffff {
		b = binary.BigEndian.AppendUint32(b, m.timestamp)
	}
	return append(b, m.body...)
}

// appendDialectStart makes chunks as large as the largest message, so that each is one.
func appendDialectStart(b []byte) []byte {
	return appendMessage(b, controlChunks, packet{typ: typeSetChunkSize, body: []byte{0, 0xff, 0xff, 0xff}})
}

// startMessage judges a message by its header.
func (g *guard) startMessage(typ uint8, length int) error {
	limit := maxMessage
	if g.phase == live && (typ == typeAudio || typ == typeVideo) {
		limit = maxMedia
	}
	if length > limit {
		return fault(FaultLimit, "%s message of %d bytes; the limit is %d here", typeName(typ), length, limit)
	}
	return nil
}

func typeName(typ uint8) string {
	switch typ {
	case typeAudio:
		return "audio"
	case typeVideo:
		return "video"
	case typeDataAMF0, typeDataAMF3:
		return "data"
	case typeCommandAMF0, typeCommandAMF3:
		return "command"
	case typeAggregate:
		return "aggregate"
	default:
		return fmt.Sprintf("type %d", typ)
	}
}

// takeMessage judges a complete message: obeyed here, written anew for go-rtmp, dropped or refused.
func (g *guard) takeMessage(m packet) error {
	switch m.typ {
	case typeSetChunkSize, typeAbort, typeWindowAckSize:
		return g.control(m)
	case typeUserControl:
		return g.pong(m.body)
	case typeAck, typeSetPeerBandwidth, typeDataAMF3, typeSharedAMF3, typeSharedAMF0:
		return nil // nothing that a publisher's server needs, and go-rtmp dies of the last three
	case typeAudio, typeVideo:
		return g.media(m)
	case typeDataAMF0:
		return g.data(m)
	case typeCommandAMF3:
		m.body = m.body[1:] // a format byte, then AMF0 after all
		return g.command(m)
	case typeCommandAMF0:
		return g.command(m)
	case typeAggregate:
		return fault(FaultUnsupported, "aggregate messages are not supported")
	default:
		return fault(FaultProtocol, "there is no message type %d", m.typ)
	}
}

// control obeys the client's side of the chunk protocol (RTMP 1.0, 5.4).
func (g *guard) control(m packet) error {
	if len(m.body) < 4 {
		return fault(FaultProtocol, "control message of type %d with %d bytes", m.typ, len(m.body))
	}
	n := binary.BigEndian.Uint32(m.body)
	switch m.typ {
	case typeSetChunkSize:
		if n == 0 || n > math.MaxInt32 { // "the first bit MUST be zero", and at least 1
			return fault(FaultProtocol, "chunk size of %d", n)
		}
		g.chunks.chunkSize = int(min(n, maxChunkSize))
	case typeAbort:
		g.chunks.abort(n)
	case typeWindowAckSize:
		g.acks.setWindow(n)
	}
	return nil
}

// media passes audio and video on, once a publish was asked for. Their message stream does not
// matter, as there is only one publish: some encoders get it wrong.
func (g *guard) media(m packet) error {
	if !g.talk.published {
		return fault(FaultProtocol, "%s message before publish", typeName(m.typ))
	}
	chunks := byte(videoChunks)
	if m.typ == typeAudio {
		chunks = audioChunks
	}
	m.stream = publishStream
	g.out = appendMessage(g.out, chunks, m)
	return nil
}

// data passes on metadata; cue points, captions and the like are not used here.
func (g *guard) data(m packet) error {
	values, err := decodeAMF0(m.body)
	if err != nil {
		return err
	}
	if len(values) > 0 && values[0] == "@setDataFrame" {
		values = values[1:]
	}
	if !g.talk.published || len(values) < 2 || values[0] != "onMetaData" {
		return nil
	}
	// go-rtmp hands over what follows the name as it is, so the body may stay the client's.
	if name := appendAMFString(nil, "@setDataFrame"); string(m.body[:min(len(m.body), len(name))]) != string(name) {
		m.body = append(name, m.body...)
	}
	m.stream = publishStream
	g.out = appendMessage(g.out, dataChunks, m)
	return nil
}

// command checks that a command is in order, and says it anew.
func (g *guard) command(m packet) error {
	values, err := decodeAMF0(m.body)
	if err != nil {
		return err
	}
	name, ok := argument[string](values, 0)
	if !ok {
		return fault(FaultProtocol, "command without a name")
	}
	if !g.talk.connected && name != "connect" {
		return fault(FaultProtocol, "command %q before connect", clip(name, 32))
	}
	id, _ := argument[float64](values, 1)
	text, _ := argument[string](values, 3)
	switch name {
	case "connect":
		return g.connect(values, id)
	case "createStream":
		g.talk.created = true
		g.say(0, name, id, []byte{amfNull})
	case "publish", "play":
		if !g.talk.created || m.stream != publishStream {
			return fault(FaultProtocol, "%s on message stream %d, which was never created", name, m.stream)
		}
		if name == "publish" {
			g.talk.published = true
		}
		g.say(publishStream, name, id, appendAMFString([]byte{amfNull}, text))
	case "FCUnpublish", "deleteStream", "closeStream":
		if g.talk.published {
			g.say(0, "FCUnpublish", id, appendAMFString([]byte{amfNull}, ""))
		}
	}
	return nil // all others (releaseStream, FCPublish, _checkbw …) need no answer
}

func (g *guard) connect(values []any, id float64) error {
	if g.talk.connected {
		return fault(FaultProtocol, "a second connect")
	}
	object, ok := argument[map[string]any](values, 2)
	if !ok {
		return fault(FaultProtocol, "connect without its command object")
	}
	g.talk.connected = true
	g.talk.fourCC = fourCCs(object)
	if speaksEnhanced(object) {
		g.answerConnect(id)
	}
	var pairs []string
	for _, key := range []string{"app", "flashVer", "tcUrl"} {
		text, _ := object[key].(string)
		pairs = append(pairs, key, text)
	}
	g.say(0, "connect", id, appendAMFStrings(nil, pairs...))
	return nil
}

// say appends a command for go-rtmp.
func (g *guard) say(stream uint32, name string, id float64, arguments []byte) {
	body := appendAMFNumber(appendAMFString(nil, name), id)
	g.out = appendMessage(g.out, commandChunks,
		packet{typ: typeCommandAMF0, stream: stream, body: append(body, arguments...)})
}

// argument returns values[i] if it is there and a T.
func argument[T any](values []any, i int) (v T, ok bool) {
	if i < len(values) {
		v, ok = values[i].(T)
	}
	return v, ok
}
