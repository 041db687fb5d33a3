package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pharos-live/pharos/ingest/rtmptest"
)

// The first byte of FuzzGuard's input says what comes before the rest.
const (
	fuzzRaw       = iota // nothing: the rest is all that the client sends
	fuzzHandshake        // a handshake
	fuzzPublished        // a handshake, connect, createStream, publish: the rest is sent live
	fuzzModes
)

// FuzzGuard feeds a client's bytes to the whole of it, guard, go-rtmp and sessions, as a server
// that is never restarted. Whatever comes, every connection must end, every Sink must be closed
// once, and frames must keep their promises.
//
// Run it with so little memory that a death by allocation shows:
//
//	CGO_ENABLED=0 go test -c -o guard.test ./ingest && (ulimit -v 2097152; GOMEMLIMIT=1GiB ./guard.test \
//	  -test.run='^$' -test.fuzz=FuzzGuard -test.parallel=1 -test.fuzzcachedir=/tmp/fuzz)
//
// With cgo, glibc reserves 64 MiB of addresses for each thread: then Go's fuzzer alone goes beyond.
//
// To look for new paths, compile with -fuzz=FuzzGuard as well, and run without ulimit and with
// -test.fuzzminimizetime=10x: what the goroutines cover differs from run to run, so that inputs
// cannot be minimised well, and Go's fuzzer needs more memory to try.
func FuzzGuard(f *testing.F) {
	for _, seed := range fuzzSeeds() {
		f.Add(seed)
	}
	ln := &fuzzListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	handler := &fuzzHandler{sinks: make(chan *fuzzSink, 1)}
	server, err := NewServer(handler, Options{H265: true})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	f.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			f.Error(err)
		}
	})
	preamble := fuzzPreamble()
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 {
			return
		}
		conn := &fuzzConn{live: make(chan struct{}), closed: make(chan struct{}), deadline: make(chan struct{})}
		handler.live = conn.live
		switch in[0] % fuzzModes {
		case fuzzRaw:
			conn.early = in[1:]
		case fuzzHandshake:
			conn.early = append(rtmptest.HandshakeBytes(), in[1:]...)
		case fuzzPublished:
			conn.early, conn.late = preamble, in[1:]
		}
		ln.conns <- conn
		select {
		case <-conn.closed:
		case <-time.After(20 * time.Second):
			t.Fatal("the connection never ended")
		}
		select {
		case sink := <-handler.sinks:
			sink.check(t)
		default:
		}
	})
}

// fuzzPreamble is all that a client sends up to its publish.
func fuzzPreamble() []byte {
	return join(rtmptest.HandshakeBytes(), fuzzMessage(3, 20, 0, 0, rtmptest.AMF0("connect", 1.0, map[string]any{"app": "live"})),
		fuzzMessage(3, 20, 0, 0, rtmptest.AMF0("createStream", 2.0, nil)),
		fuzzMessage(3, 20, 1, 0, rtmptest.AMF0("publish", 3.0, nil, "news_key", "live")))
}

func fuzzMessage(chunks, typ byte, stream, timestamp uint32, body []byte) []byte {
	return rtmptest.Chunks(128, chunks, typ, stream, timestamp, body)
}

// fuzzSeeds are a session that is right, and what is known to kill go-rtmp.
func fuzzSeeds() [][]byte {
	array := binary.BigEndian.AppendUint32([]byte{0x0a}, 0x10000000)
	media := join(
		fuzzMessage(2, 1, 0, 0, []byte{0, 0, 16, 0}),
		rtmptest.Chunks(4096, 5, 18, 1, 0, rtmptest.AMF0("@setDataFrame", "onMetaData", map[string]any{"width": 1280.0})),
		rtmptest.Chunks(4096, 6, 9, 1, 0, rtmptest.VideoConfig()),
		rtmptest.Chunks(4096, 4, 8, 1, 0, rtmptest.AudioConfig()),
		rtmptest.Chunks(4096, 6, 9, 1, 0, rtmptest.Picture(true, 80, 300)),
		rtmptest.Chunks(4096, 4, 8, 1, 21, rtmptest.Sound(30)),
		rtmptest.Chunks(4096, 6, 9, 1, 0x1000000, rtmptest.Picture(false, -40, 100)),
	)
	unpublish := fuzzMessage(3, 20, 0, 0, rtmptest.AMF0("FCUnpublish", 5.0, nil, "news_key"))
	// As it killed go-rtmp this has 4 MiB; the fuzzer copies its inputs too often for that.
	nested := fuzzMessage(3, 20, 0, 0, join(rtmptest.AMF0("connect", 1.0), bytes.Repeat([]byte{3, 0, 1, 'a'}, 15_000)))
	live := func(parts ...[]byte) []byte { return join([]byte{fuzzPublished}, join(parts...)) }
	early := func(parts ...[]byte) []byte { return join([]byte{fuzzHandshake}, join(parts...)) }
	return [][]byte{
		live(media, unpublish),
		live(media),
		early(fuzzMessage(3, 20, 0, 0, rtmptest.AMF0("connect", 1.0, map[string]any{"app": "live", "fourCcList": []any{"hvc1"}}))),
		live(rtmptest.Chunks(4096, 6, 9, 1, 0, rtmptest.HEVCStart()), rtmptest.Chunks(4096, 6, 9, 1, 40, rtmptest.HEVCFrame(true, 80, rtmptest.HEVCUnit(rtmptest.HEVCIDR, 99)))),
		early(fuzzPreamble()[1+2*1536:], media),
		join([]byte{fuzzRaw}, fuzzPreamble(), media, unpublish),
		join([]byte{fuzzRaw}, []byte("GET / HTTP/1.1\r\n\r\n")),
		early(fuzzMessage(3, 20, 0, 0, join(rtmptest.AMF0("connect", 1.0), array))),
		live(fuzzMessage(5, 18, 1, 0, join(rtmptest.AMF0("onMetaData"), array))),
		live(fuzzMessage(5, 18, 1, 0, join(rtmptest.AMF0("@setDataFrame", "onMetaData"), []byte{8, 0, 0, 0, 1, 0, 1, 'a'}, array))),
		early(fuzzMessage(3, 20, 0, 0, join(rtmptest.AMF0("connect", 1.0), []byte{3, 0, 1, 'x'}, rtmptest.Killer(), []byte{0, 0, 9}))),
		live(fuzzMessage(5, 18, 1, 0, join(rtmptest.AMF0("onTextData"), rtmptest.Killer()))),
		early(nested[:3000]),
		early(nested),
		live(rtmptest.Header(6, 9, 1, 0, 0), rtmptest.Header(4, 8, 1, 0, 0), rtmptest.Header(3, 20, 1, 0, 0)),
		live(fuzzMessage(6, 22, 1, 0, make([]byte, 64))),
		live(fuzzMessage(3, 15, 1, 0, []byte{0}), fuzzMessage(3, 16, 1, 0, []byte{0}), fuzzMessage(3, 19, 1, 0, []byte{0})),
		early(fuzzMessage(3, 17, 0, 0, join([]byte{0}, rtmptest.AMF0("connect", 1.0, map[string]any{"app": "live"})))),
		early(fuzzMessage(3, 20, 0, 0, join(rtmptest.AMF0("connect", 1.0), []byte{0x0c, 0xff, 0xff, 0xff, 0xff}))),
		live(rtmptest.Header(6, 9, 1, 0, 0xffffff)),
		live([]byte{0x46, 0, 0, 1, 0, 0, 2, 9, 0x17, 1, 0x86, 0, 0, 1, 0x17, 1, 0xc6, 0x17, 1}),
		live(fuzzMessage(2, 2, 0, 0, []byte{0, 0, 0, 6}), fuzzMessage(2, 4, 0, 0, []byte{0, 6, 1, 2, 3, 4}), fuzzMessage(2, 5, 0, 0, []byte{0, 0, 0, 1})),
		live(fuzzMessage(3, 20, 1, 0, rtmptest.AMF0("publish", 3.0, nil, "x", "live")), fuzzMessage(3, 20, 1, 0, rtmptest.AMF0("play", 3.0, nil, "x"))),
	}
}

// fuzzHandler lets everything in. FuzzGuard serves one connection at a time.
type fuzzHandler struct {
	live  chan struct{}
	sinks chan *fuzzSink
}

func (h *fuzzHandler) Publish(context.Context, Publish) (Sink, error) {
	s := &fuzzSink{live: h.live}
	h.sinks <- s
	return s, nil
}

type fuzzSink struct {
	live   chan struct{}
	once   sync.Once
	frames []Frame
	closed int
}

func (s *fuzzSink) Write(f Frame) error { s.frames = append(s.frames, f); return nil }
func (s *fuzzSink) Close(error)         { s.closed++ }
func (s *fuzzSink) Err() error          { return nil }

// Done is first called when the connection is live.
func (s *fuzzSink) Done() <-chan struct{} {
	s.once.Do(func() { close(s.live) })
	return nil
}

func (s *fuzzSink) check(t *testing.T) {
	t.Helper()
	if s.closed != 1 {
		t.Fatalf("Sink closed %d times", s.closed)
	}
	var last [Audio + 1]int64
	for _, f := range s.frames {
		checkFrame(t, f, &last)
	}
}

// fuzzConn gives early at once, late once the publish is live, then EOF; what is written is lost.
type fuzzConn struct {
	early, late []byte
	live        chan struct{}
	once        sync.Once
	closed      chan struct{}

	mu       sync.Mutex    // guards deadline
	deadline chan struct{} // closed while the read deadline is over
}

func (c *fuzzConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	deadline := c.deadline
	c.mu.Unlock()
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	if c.late == nil {
		return 0, io.EOF
	}
	select {
	case <-c.live:
		c.early, c.late = c.late, nil
		return c.Read(p)
	case <-deadline:
		return 0, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *fuzzConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.deadline:
		c.deadline = make(chan struct{})
	default:
	}
	if !t.IsZero() && t.Before(time.Now()) {
		close(c.deadline)
	}
	return nil
}

func (c *fuzzConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *fuzzConn) Close() error                     { c.once.Do(func() { close(c.closed) }); return nil }
func (c *fuzzConn) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (c *fuzzConn) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (c *fuzzConn) SetDeadline(time.Time) error      { return nil }
func (c *fuzzConn) SetWriteDeadline(time.Time) error { return nil }

type fuzzListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *fuzzListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fuzzListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *fuzzListener) Addr() net.Addr { return &net.UnixAddr{} }
