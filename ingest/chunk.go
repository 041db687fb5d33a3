package ingest

import (
	"encoding/binary"
)

// Limits on one connection's chunk stream.
const (
	maxChunkStreams = 16
	maxPending      = 12 << 20 // bytes of incomplete messages
	maxKeptBuffer   = 512 << 10
)

// Chunk sizes (RTMP 1.0, 5.4.1): the first one, and the largest that means anything, since
// message lengths have 24 bits.
const (
	firstChunkSize = 128
	maxChunkSize   = 0xffffff
)

// packet is one complete RTMP message. Its body is valid until the next one is read.
type packet struct {
	typ       uint8
	timestamp uint32 // ms, absolute
	stream    uint32
	body      []byte
}

// chunkReader puts a client's chunks together to messages (RTMP 1.0, 5.3). It does no I/O, and
// never allocates by what a header announces, only for bytes that came.
type chunkReader struct {
	chunkSize int
	streams   map[uint32]*chunkStream
	pending   int          // bytes in all streams' buffers
	current   *chunkStream // whose chunk is being read, nil between chunks
	left      int          // bytes of it still to come

	// start is asked about each new message before its first byte is taken.
	start func(typ uint8, length int) error
	// take gets each complete message that is not empty.
	take func(packet) error
}

// chunkStream is what later, shorter chunk headers refer to, and the message that is under way.
type chunkStream struct {
	id        uint32
	timestamp uint32
	delta     uint32
	extended  bool // the last timestamp did not fit into 24 bits,
	extension uint32
	length    int
	typ       uint8
	stream    uint32
	buf       []byte
}

func newChunkReader(start func(typ uint8, length int) error, take func(packet) error) chunkReader {
	return chunkReader{
		chunkSize: firstChunkSize,
		streams:   make(map[uint32]*chunkStream, maxChunkStreams),
		start:     start,
		take:      take,
	}
}

// feed takes what it can from in and returns how much that was; the rest is the beginning of a
// chunk header. Its first error is the end: the stream cannot be picked up again.
func (r *chunkReader) feed(in []byte) (int, error) {
	taken := 0
	for {
		if r.current == nil {
			n, err := r.header(in[taken:])
			if n == 0 || err != nil {
				return taken, err
			}
			taken += n
		} else if taken == len(in) {
			return taken, nil
		}
		n, err := r.payload(in[taken:])
		taken += n
		if err != nil {
			return taken, err
		}
	}
}

// payload takes the part of the current chunk that has come, and hands on what it completes.
func (r *chunkReader) payload(in []byte) (int, error) {
	cs := r.current
	n := min(r.left, len(in))
	if r.pending+n > maxPending {
		return 0, fault(FaultLimit, "more than %d bytes of incomplete messages", maxPending)
	}
	cs.buf = append(cs.buf, in[:n]...)
	r.pending += n
	if r.left -= n; r.left > 0 {
		return n, nil
	}
	r.current = nil
	if len(cs.buf) < cs.length {
		return n, nil
	}
	m := packet{typ: cs.typ, timestamp: cs.timestamp, stream: cs.stream, body: cs.buf}
	r.drop(cs)
	if len(m.body) == 0 {
		return n, nil // go-rtmp panics over these, and they say nothing
	}
	return n, r.take(m)
}

// drop forgets the message under way on cs. Its buffer stays for the next one, unless it is large.
func (r *chunkReader) drop(cs *chunkStream) {
	r.pending -= len(cs.buf)
	if cap(cs.buf) > maxKeptBuffer {
		cs.buf = nil
	}
	cs.buf = cs.buf[:0]
}

// abort obeys an abort message (RTMP 1.0, 5.4.2).
func (r *chunkReader) abort(id uint32) {
	if cs := r.streams[id]; cs != nil {
		r.drop(cs)
	}
}

// header reads one chunk header. It returns 0 when in does not hold all of it.
func (r *chunkReader) header(in []byte) (int, error) {
	format, id, n := basicHeader(in)
	size := [...]int{11, 7, 3, 0}[format]
	if n == 0 || len(in) < n+size {
		return 0, nil
	}
	cs := r.streams[id]
	if cs == nil {
		// Type 1 on a fresh stream is how librtmp opens the control stream; without a length
		// (types 2 and 3) there is nothing to go by.
		if format > 1 {
			return 0, fault(FaultProtocol, "chunk stream %d begins with a type %d chunk", id, format)
		}
		if len(r.streams) >= maxChunkStreams {
			return 0, fault(FaultLimit, "more than %d chunk streams", maxChunkStreams)
		}
		cs = &chunkStream{id: id}
	}
	if len(cs.buf) > 0 && format != 3 {
		return 0, fault(FaultProtocol, "type %d chunk header inside a message on chunk stream %d", format, id)
	}
	next := *cs // committed only when the header is whole
	m, ok := next.read(format, in[n:])
	if !ok {
		return 0, nil
	}
	if len(cs.buf) == 0 {
		next.advance(format)
		if err := r.start(next.typ, next.length); err != nil {
			return 0, err
		}
	}
	*cs = next
	r.streams[id] = cs
	r.current = cs
	r.left = min(r.chunkSize, cs.length-len(cs.buf))
	return n + m, nil
}

// basicHeader reads a chunk's type and chunk stream id (RTMP 1.0, 5.3.1.1); size 0 = not all here.
func basicHeader(in []byte) (format byte, id uint32, size int) {
	if len(in) == 0 {
		return 0, 0, 0
	}
	format, id = in[0]>>6, uint32(in[0]&0x3f)
	switch {
	case id == 0 && len(in) >= 2:
		return format, 64 + uint32(in[1]), 2
	case id == 1 && len(in) >= 3:
		return format, 64 + uint32(in[1]) + uint32(in[2])<<8, 3
	case id >= 2:
		return format, id, 1
	default:
		return format, 0, 0
	}
}

// read reads the message header and extended timestamp of a chunk (RTMP 1.0, 5.3.1.2 and 5.3.1.3)
// and returns their size; false = not all here. in holds the message header whole.
func (cs *chunkStream) read(format byte, in []byte) (int, bool) {
	if format == 3 {
		return cs.repeat(in)
	}
	field := uint32(in[0])<<16 | uint32(in[1])<<8 | uint32(in[2])
	n := 3
	if format <= 1 {
		cs.length = int(in[3])<<16 | int(in[4])<<8 | int(in[5])
		cs.typ = in[6]
		n = 7
	}
	if format == 0 {
		cs.stream = binary.LittleEndian.Uint32(in[7:])
		n = 11
	}
	if cs.extended = field == 0xffffff; cs.extended {
		if len(in) < n+4 {
			return 0, false
		}
		field = binary.BigEndian.Uint32(in[n:])
		cs.extension = field
		n += 4
	}
	cs.delta = field
	return n, true
}

// repeat reads the extended timestamp of a type 3 chunk: "This field is present in Type 3 chunks
// when the most recent Type 0, 1, or 2 chunk for the same chunk stream ID indicated the presence
// of an extended timestamp field" (5.3.1.3). Some encoders leave it out, so it is taken only when
// it repeats what went before.
func (cs *chunkStream) repeat(in []byte) (int, bool) {
	if !cs.extended {
		return 0, true
	}
	if len(in) < 4 {
		return 0, false
	}
	if binary.BigEndian.Uint32(in) != cs.extension {
		return 0, true
	}
	return 4, true
}

// advance moves the timestamp to the message that begins. A type 3 chunk that begins a message
// after a type 0 one takes that one's timestamp as its delta (5.3.1.2.4), as ffmpeg writes it.
func (cs *chunkStream) advance(format byte) {
	if format == 0 {
		cs.timestamp = cs.delta
		return
	}
	cs.timestamp += cs.delta
}
