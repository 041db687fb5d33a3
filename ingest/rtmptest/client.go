// Package rtmptest has a small RTMP publisher for tests: it says what it is told to, right or
// wrong, and shows what the server answers. It shares no code with the server.
package rtmptest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"

	"github.com/yutopp/go-amf0"
)

// Message types that a publisher sends.
const (
	TypeSetChunkSize = 1
	TypeAbort        = 2
	TypeAck          = 3
	TypeUserControl  = 4
	TypeWindowAck    = 5
	TypeAudio        = 8
	TypeVideo        = 9
	TypeCommandAMF3  = 17
	TypeData         = 18
	TypeCommand      = 20
	TypeAggregate    = 22
)

// Stream is the message stream of the client's publish.
const Stream = 1

// A Status is an onStatus of the server.
type Status struct {
	Level, Code, Description string
}

// Error makes a Status of level "error" usable as an error.
func (s Status) Error() string { return s.Code + ": " + s.Description }

// A Message is one RTMP message of the server.
type Message struct {
	Type   byte
	Stream uint32
	Body   []byte
}

// A Client is one connection to an RTMP server. Reading and writing may go on at once; each by one
// goroutine.
type Client struct {
	net.Conn
	ChunkSize int // of what is written: 128 until SetChunkSize

	r       *bufio.Reader
	readers map[byte]*header
	size    int // the server's chunk size
}

// header is what later chunk headers of a chunk stream refer to.
type header struct {
	typ    byte
	stream uint32
	length int
	body   []byte
}

// New makes a Client of conn, and writes nothing.
func New(conn net.Conn) *Client {
	return &Client{Conn: conn, ChunkSize: 128, r: bufio.NewReader(conn), readers: map[byte]*header{}, size: 128}
}

// Dial connects to addr by TCP and shakes hands.
func Dial(ctx context.Context, addr string) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := New(conn)
	if err := c.Handshake(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// HandshakeBytes are C0, C1 and C2 of a client that does not look at the server's.
func HandshakeBytes() []byte {
	return append([]byte{3}, make([]byte, 2*1536)...)
}

// Handshake sends C0, C1 and C2 and reads S0, S1 and S2.
func (c *Client) Handshake() error {
	if _, err := c.Write(HandshakeBytes()); err != nil {
		return fmt.Errorf("shake hands: %w", err)
	}
	if _, err := io.CopyN(io.Discard, c.r, 1+2*1536); err != nil {
		return fmt.Errorf("shake hands: %w", err)
	}
	return nil
}

// Publish connects to app, makes a stream and publishes name. A refusal is a Status.
func (c *Client) Publish(app, name string) error {
	if err := c.Connect(app); err != nil {
		return err
	}
	if err := c.CreateStream(); err != nil {
		return err
	}
	if err := c.Command(Stream, "publish", 3, nil, name, "live"); err != nil {
		return err
	}
	status, err := c.ReadStatus()
	if err != nil {
		return err
	}
	if status.Level == "error" {
		return status
	}
	return nil
}

// Connect says connect and waits for the answer.
func (c *Client) Connect(app string) error {
	_, err := c.ConnectWith(app, nil)
	return err
}

// ConnectWith says connect, with more properties in its command object, and returns the answer's values.
func (c *Client) ConnectWith(app string, more map[string]any) ([]any, error) {
	object := map[string]any{
		"app": app, "type": "nonprivate", "flashVer": "rtmptest", "tcUrl": "rtmp://localhost/" + app,
	}
	maps.Copy(object, more)
	if err := c.Command(0, "connect", 1, object); err != nil {
		return nil, err
	}
	return c.ReadCommand("_result")
}

// CreateStream makes the message stream Stream and waits for the answer.
func (c *Client) CreateStream() error {
	if err := c.Command(0, "createStream", 2, nil); err != nil {
		return err
	}
	_, err := c.ReadCommand("_result")
	return err
}

// Unpublish says that the publish has ended, as encoders do when they are stopped.
func (c *Client) Unpublish() error {
	return errors.Join(
		c.Command(0, "FCUnpublish", 5, nil, "key"),
		c.Command(0, "deleteStream", 6, nil, float64(Stream)))
}

// Command writes a command.
func (c *Client) Command(stream uint32, name string, id float64, args ...any) error {
	return c.WriteMessage(3, TypeCommand, stream, 0, AMF0(append([]any{name, id}, args...)...))
}

// SetChunkSize changes the size of the chunks that are written.
func (c *Client) SetChunkSize(n int) error {
	err := c.WriteMessage(2, TypeSetChunkSize, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(n)))
	c.ChunkSize = n
	return err
}

// Video writes an FLV video tag body with a timestamp in ms.
func (c *Client) Video(timestamp uint32, body []byte) error {
	return c.WriteMessage(6, TypeVideo, Stream, timestamp, body)
}

// Audio writes an FLV audio tag body with a timestamp in ms.
func (c *Client) Audio(timestamp uint32, body []byte) error {
	return c.WriteMessage(4, TypeAudio, Stream, timestamp, body)
}

// WriteMessage writes one message, as a type 0 chunk and as many of type 3 as it takes.
func (c *Client) WriteMessage(chunks, typ byte, stream, timestamp uint32, body []byte) error {
	_, err := c.Write(Chunks(c.ChunkSize, chunks, typ, stream, timestamp, body))
	return err
}

// Chunks are the bytes of one message.
func Chunks(size int, chunks, typ byte, stream, timestamp uint32, body []byte) []byte {
	b := Header(chunks, typ, stream, timestamp, len(body))
	for i := 0; i < len(body); i += size {
		if i > 0 {
			b = append(b, 0xc0|chunks)
			if timestamp >= 0xffffff {
				b = binary.BigEndian.AppendUint32(b, timestamp)
			}
		}
		b = append(b, body[i:min(i+size, len(body))]...)
	}
	return b
}

// Header is a type 0 chunk header for a message of length bytes.
func Header(chunks, typ byte, stream, timestamp uint32, length int) []byte {
	field := min(timestamp, 0xffffff)
	b := []byte{
		chunks, byte(field >> 16), byte(field >> 8), byte(field),
		byte(length >> 16), byte(length >> 8), byte(length), typ,
	}
	b = binary.LittleEndian.AppendUint32(b, stream)
	if field == 0xffffff {
		b = binary.BigEndian.AppendUint32(b, timestamp)
	}
	return b
}

// AMF0 encodes values: nil, strings, numbers as float64, booleans, maps and slices of those.
func AMF0(values ...any) []byte {
	var b bytes.Buffer
	e := amf0.NewEncoder(&b)
	for _, v := range values {
		if err := e.Encode(v); err != nil {
			panic(fmt.Sprintf("rtmptest: encode %T: %v", v, err))
		}
	}
	return b.Bytes()
}

// ReadStatus reads up to the next onStatus.
func (c *Client) ReadStatus() (Status, error) {
	values, err := c.ReadCommand("onStatus")
	if err != nil {
		return Status{}, err
	}
	info, _ := values[len(values)-1].(map[string]any)
	text := func(key string) string { s, _ := info[key].(string); return s }
	return Status{Level: text("level"), Code: text("code"), Description: text("description")}, nil
}

// ReadCommand reads up to the next command of that name and returns its values, the name first.
// An _error is an error.
func (c *Client) ReadCommand(name string) ([]any, error) {
	for {
		m, err := c.ReadMessage()
		if err != nil {
			return nil, err
		}
		if m.Type != TypeCommand {
			continue
		}
		values, err := decode(m.Body)
		if err != nil {
			return nil, err
		}
		switch values[0] {
		case name:
			return values, nil
		case "_error":
			return nil, fmt.Errorf("server answered _error: %v", values)
		}
	}
}

func decode(b []byte) ([]any, error) {
	d := amf0.NewDecoder(bytes.NewReader(b))
	var values []any
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) && len(values) > 0 {
			return values, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode command: %w", err)
		}
		values = append(values, v)
	}
}

// ReadMessage reads the next message of the server.
func (c *Client) ReadMessage() (Message, error) {
	for {
		m, done, err := c.readChunk()
		if err != nil || done {
			return m, err
		}
	}
}

func (c *Client) readChunk() (m Message, done bool, err error) {
	first, err := c.r.ReadByte()
	if err != nil {
		return m, false, err
	}
	h := c.readers[first&0x3f]
	if h == nil {
		h = new(header)
		c.readers[first&0x3f] = h
	}
	var b [11]byte
	size := [...]int{11, 7, 3, 0}[first>>6]
	if _, err := io.ReadFull(c.r, b[:size]); err != nil {
		return m, false, err
	}
	if size >= 7 {
		h.length, h.typ = int(b[3])<<16|int(b[4])<<8|int(b[5]), b[6]
	}
	if size == 11 {
		h.stream = binary.LittleEndian.Uint32(b[7:])
	}
	part := make([]byte, min(c.size, h.length-len(h.body)))
	if _, err := io.ReadFull(c.r, part); err != nil {
		return m, false, err
	}
	if h.body = append(h.body, part...); len(h.body) < h.length {
		return m, false, nil
	}
	m = Message{Type: h.typ, Stream: h.stream, Body: h.body}
	h.body = nil
	if m.Type == TypeSetChunkSize {
		c.size = int(binary.BigEndian.Uint32(m.Body))
	}
	return m, true, nil
}
