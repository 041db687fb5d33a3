package ingest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

const (
	// setupBudget is what a connection may send until its publish is allowed. ffmpeg and OBS need
	// about 4 KiB, 3,073 bytes of it for the handshake.
	setupBudget = 64 << 10
	// handshakeSize is C0, C1 and C2 (RTMP 1.0, 5.2).
	handshakeSize = 1 + 1536 + 1536
	// inputSize is the buffer for what was read and not parsed yet.
	inputSize = 16 << 10
	// maxKeptOutput is the largest output buffer that is kept for the next message.
	maxKeptOutput = 1 << 20
	// lingerTime is how long a closed connection is still drained, so that the encoder reads why:
	// closing a TCP socket with unread input resets it, and the last status is lost.
	lingerTime = time.Second
)

// The phases of a connection, as its deadlines see it.
type phase int

const (
	setup    phase = iota // one absolute deadline for all of it: beats a slow loris
	deciding              // Handler.Publish is at work; the encoder waits, and may do so silently
	live                  // each picture or sound moves the deadline
)

// guard is the net.Conn between a client's socket and go-rtmp. Reading it gives the handshake as
// it came, then the dialect: see dialect.go. It writes through, a chunk at a time.
//
// The client's bytes are not passed on verbatim after being checked, as go-rtmp reads the chunk
// stream wrongly where it matters: it panics over empty messages, ignores the extended timestamps
// of type 3 chunks (every stream breaks after 4.66 hours) and parses some valid AMF0 into
// something else than was checked. Written anew, each message is one type 0 chunk, and nothing of
// that can happen.
//
// One goroutine at a time reads: go-rtmp's, or the one that watches while the Handler decides.
type guard struct {
	net.Conn

	setupBy time.Time // until when the publish must have been allowed
	setup   time.Duration
	idle    time.Duration
	writeBy time.Duration
	onRead  func(n int)
	onClose func()

	phase    phase
	mediaAt  time.Time // of the last picture or sound, or of the publish's begin
	anyMedia bool
	budget   int // bytes that may still come before the publish is allowed

	in        [inputSize]byte
	inEnd     int
	out       []byte // for go-rtmp
	outPos    int
	handshake int // bytes of it still to come
	chunks    chunkReader
	talk      dialect
	acks      acks
	err       error // the first and last one of reading

	mu     sync.Mutex // guards what follows, and the order of it and SetReadDeadline
	stop   error      // why reading must end
	paused bool       // the watcher must let go

	h265 bool // see Options.H265

	writing sync.Mutex // held for each write: go-rtmp's chunks and the guard's own
	answer  answer     // guarded by writing
	closing sync.Once
	linger  bool // see lingerTime
}

func newGuard(conn net.Conn, o Options, onRead func(int), onClose func()) *guard {
	g := &guard{
		Conn:      conn,
		setupBy:   time.Now().Add(o.Setup),
		setup:     o.Setup,
		idle:      o.Idle,
		writeBy:   o.Write,
		onRead:    onRead,
		onClose:   onClose,
		h265:      o.H265,
		budget:    setupBudget,
		handshake: handshakeSize,
		acks:      acks{window: defaultAckWindow},
	}
	g.chunks = newChunkReader(g.startMessage, g.takeMessage)
	return g
}

// Read gives go-rtmp what it may see. A panic of the parser ends the connection, not the process:
// go-rtmp's own recover does not cover the handshake.
func (g *guard) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			g.err = &PanicError{Value: r, Stack: debug.Stack()}
			n, err = 0, g.err
		}
	}()
	if err := g.stopped(); err != nil {
		g.err = err
		return 0, err
	}
	for g.outPos == len(g.out) {
		if g.err != nil {
			return 0, g.err
		}
		g.err = g.fill()
	}
	n = copy(p, g.out[g.outPos:])
	if g.outPos += n; g.outPos == len(g.out) {
		if cap(g.out) > maxKeptOutput {
			g.out = nil
		}
		g.out, g.outPos = g.out[:0], 0
	}
	return n, nil
}

// fill reads once from the socket and parses what came, which may add to out.
func (g *guard) fill() error {
	room := len(g.in) - g.inEnd
	if g.phase != live {
		if room = min(room, g.budget); room == 0 {
			return fault(FaultLimit, "more than %d bytes before the publish was allowed", setupBudget)
		}
	}
	if err := g.arm(); err != nil {
		return err
	}
	n, err := g.Conn.Read(g.in[g.inEnd : g.inEnd+room])
	if n > 0 {
		g.onRead(n)
		g.budget -= n
		g.inEnd += n
		if err := g.parse(n); err != nil {
			return err
		}
	}
	if err != nil {
		return g.readError(err)
	}
	return nil
}

// parse takes the n bytes that have just been added to the input.
func (g *guard) parse(n int) error {
	used := 0
	if g.handshake > 0 {
		if g.handshake == handshakeSize && g.in[0] != 3 {
			return notRTMP(g.in[0])
		}
		used = min(g.handshake, g.inEnd)
		g.out = append(g.out, g.in[:used]...)
		if g.handshake -= used; g.handshake == 0 {
			g.out = appendDialectStart(g.out)
		}
		n -= used
	}
	if g.handshake == 0 {
		took, err := g.chunks.feed(g.in[used:g.inEnd])
		if err != nil {
			return err
		}
		used += took
		if err := g.acknowledge(n); err != nil {
			return err
		}
	}
	g.inEnd = copy(g.in[:], g.in[used:g.inEnd])
	return nil
}

// notRTMP names what probably came instead of RTMP's version byte.
func notRTMP(b byte) error {
	guess := ""
	switch {
	case b >= 'A' && b <= 'Z':
		guess = " (an HTTP request?)"
	case b == 0x16:
		guess = " (a TLS client hello? rtmps:// has a port of its own)"
	case b == 6 || b == 8:
		guess = " (RTMPE? use rtmps://)"
	}
	return fault(FaultNotRTMP, "version byte 0x%02x%s", b, guess)
}

// arm sets the deadline for one read, unless reading must end.
func (g *guard) arm() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.stop != nil:
		return g.stop
	case g.paused:
		return errPaused
	}
	var deadline time.Time
	switch g.phase {
	case setup:
		deadline = g.setupBy
	case live:
		deadline = g.mediaAt.Add(g.idle)
	case deciding:
	}
	return g.SetReadDeadline(deadline)
}

// readError says what the end of a read means.
func (g *guard) readError(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.stop != nil:
		return g.stop
	case left(err):
		return ErrLeft
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("read from the encoder: %w", err)
	case g.paused:
		return errPaused
	case g.phase == setup:
		return fault(FaultTimeout, "no publish within %s of connecting", seconds(g.setup))
	case !g.anyMedia:
		return fault(FaultTimeout, "no audio or video within %s of publish", seconds(g.idle))
	default:
		return fault(FaultTimeout, "no audio or video for %s", seconds(g.idle))
	}
}

// left tells whether err means that the client, or the network to it, is gone.
func left(err error) bool {
	for _, end := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// interrupt ends reading, now and for good, with err. The first call wins. Safe for concurrent use.
func (g *guard) interrupt(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stop == nil {
		g.stop = err
		_ = g.SetReadDeadline(past)
	}
}

func (g *guard) stopped() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stop
}

var (
	errPaused = errors.New("paused")
	past      = time.Unix(1, 0)
)

// watch goes on reading while go-rtmp's goroutine is inside the Handler, so that a client which
// leaves is noticed: gone gets why. What it sends meanwhile is kept; the budget bounds it. The
// returned function ends the watch and returns when reading is the caller's again.
func (g *guard) watch(gone func(error)) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				g.err = &PanicError{Value: r, Stack: debug.Stack()}
				gone(g.err)
			}
		}()
		for g.err == nil {
			g.err = g.fill()
		}
		if errors.Is(g.err, errPaused) {
			g.err = nil
			return
		}
		gone(g.err)
	}()
	return func() {
		g.mu.Lock()
		g.paused = true
		_ = g.SetReadDeadline(past)
		g.mu.Unlock()
		<-done
		g.mu.Lock()
		g.paused = false
		g.mu.Unlock()
	}
}

// decide stops the setup clock: the publish was asked for, and now it is not the client's turn.
func (g *guard) decide() { g.phase = deciding }

// goLive opens the guard for media.
func (g *guard) goLive() {
	g.phase = live
	g.mediaAt = time.Now()
}

// touch notes a picture or a sound: the encoder has another Options.Idle.
func (g *guard) touch() {
	g.mediaAt = time.Now()
	g.anyMedia = true
}

// Write passes a chunk to the client. A client that does not read is cut off.
func (g *guard) Write(p []byte) (int, error) {
	g.writing.Lock()
	defer g.writing.Unlock()
	if err := g.SetWriteDeadline(time.Now().Add(g.writeBy)); err != nil {
		return 0, err
	}
	out := g.answer.replace(p)
	if len(out) == 0 {
		return len(p), nil
	}
	n, err := g.Conn.Write(out)
	n = min(n, len(p))
	switch {
	case err == nil:
		return len(p), nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fault(FaultTimeout, "the encoder has read nothing for %s", seconds(g.writeBy))
	case left(err):
		return n, ErrLeft // reading goes on: an unpublish may still be there to be read
	}
	g.interrupt(err)
	return n, err
}

// Close is the last thing that go-rtmp does with a connection.
func (g *guard) Close() error {
	g.closing.Do(func() {
		if g.linger {
			g.drain()
		}
		_ = g.Conn.Close()
		g.onClose()
	})
	return nil
}

// drain closes the writing half and waits a little for the client to read what was sent.
func (g *guard) drain() {
	half, ok := g.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = g.SetReadDeadline(time.Now().Add(lingerTime))
	for {
		if _, err := g.Conn.Read(g.in[:]); err != nil {
			return
		}
	}
}
