package memhttp

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// maxBuffered bounds the bytes one direction of a Pipe holds. HTTP/2's flow control stops a
// sender well before (net/http's windows are 4 MiB a stream); it exists so that a peer that
// never reads makes a writer wait, as TCP would.
const maxBuffered = 16 << 20

// Pipe returns the two ends of an in-memory connection. Unlike net.Pipe's, its writes do not
// wait for a reader until 16 MiB are on their way: a writer that holds a lock while it waits
// would freeze a synctest bubble. Deadlines hold for reads and writes already waiting. Close of
// one end lets the other read what was sent, then io.EOF; its writes fail with io.ErrClosedPipe.
func Pipe() (a, b net.Conn) {
	return pipe(addr(1), addr(2))
}

func pipe(a, b net.Addr) (net.Conn, net.Conn) {
	there, back := newFlow(), newFlow()
	return &conn{in: back, out: there, local: a, remote: b}, &conn{in: there, out: back, local: b, remote: a}
}

// addr makes an address that looks like TCP's, as handlers take it apart with net.SplitHostPort.
func addr(port int) net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
}

// conn is one end of a pipe.
type conn struct {
	in, out       *flow
	local, remote net.Addr
}

// Read waits for at least one byte, the deadline or the end.
func (c *conn) Read(p []byte) (int, error) { return c.in.read(p) }

// Write waits for room for all of p, the deadline or the end.
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

// LocalAddr is the other end's RemoteAddr.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the other end's LocalAddr.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Close ends both directions. It never fails, and may be called again.
func (c *conn) Close() error {
	c.in.update(func(f *flow) { f.readerGone, f.buf = true, bytes.Buffer{} })
	c.out.update(func(f *flow) { f.writerGone = true })
	return nil
}

// SetDeadline sets both deadlines; a zero t is none.
func (c *conn) SetDeadline(t time.Time) error {
	c.in.update(func(f *flow) { f.readBy = t })
	c.out.update(func(f *flow) { f.writeBy = t })
	return nil
}

// SetReadDeadline also reaches a Read that waits already; a zero t is none.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.update(func(f *flow) { f.readBy = t })
	return nil
}

// SetWriteDeadline also reaches a Write that waits already; a zero t is none.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.update(func(f *flow) { f.writeBy = t })
	return nil
}

// flow is one direction of a pipe: bytes on their way, and the state of both its ends.
type flow struct {
	mu         sync.Mutex // guards all below; never held while waiting
	buf        bytes.Buffer
	writerGone bool
	readerGone bool
	readBy     time.Time // zero = no deadline
	writeBy    time.Time
	changed    chan struct{} // closed and replaced by every change of the above
}

func newFlow() *flow {
	return &flow{changed: make(chan struct{})}
}

func (f *flow) read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.readerGone:
			return 0, net.ErrClosed
		case passed(f.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case f.buf.Len() > 0:
			f.changeLocked()
			return f.buf.Read(p)
		case f.writerGone:
			return 0, io.EOF
		}
		f.waitLocked(f.readBy)
	}
}

func (f *flow) write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	written := 0
	for {
		switch {
		case f.writerGone:
			return written, net.ErrClosed
		case f.readerGone:
			return written, io.ErrClosedPipe
		case passed(f.writeBy):
			return written, os.ErrDeadlineExceeded
		case written == len(p):
			return written, nil
		case f.buf.Len() < maxBuffered:
			n := min(len(p)-written, maxBuffered-f.buf.Len())
			_, _ = f.buf.Write(p[written : written+n]) // a bytes.Buffer's Write never fails
			written += n
			f.changeLocked()
			continue
		}
		f.waitLocked(f.writeBy)
	}
}

// update changes f and wakes whoever waits on it.
func (f *flow) update(change func(*flow)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	f.changeLocked()
}

func (f *flow) changeLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// waitLocked gives up the lock until something changes, and at the latest until by.
func (f *flow) waitLocked(by time.Time) {
	changed := f.changed
	f.mu.Unlock()
	defer f.mu.Lock()
	if by.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(by))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

func passed(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}
