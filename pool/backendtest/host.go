package backendtest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/pharos-live/pharos/internal/memhttp"
	"github.com/pharos-live/pharos/pool"
	"github.com/pharos-live/pharos/runner"
)

// A host is one machine of a Memory: a runner, and the connections to it.
type host struct {
	pool    string
	machine pool.Machine
	ticket  runner.Ticket
	ctx     context.Context // of its runner; it ends with cancel
	cancel  context.CancelFunc
	ln      *memhttp.Listener
	exited  chan struct{} // closed once exit is set
	exit    pool.Exit

	mu      sync.Mutex // protects all that follows, and the closing of the channels
	serving bool
	over    bool
	frozen  chan struct{} // closed when nothing is carried any more
	conns   []net.Conn    // both ends of what is carried
	pumps   sync.WaitGroup
}

func newHost(ctx context.Context, s pool.Spec) *host {
	ctx, cancel := context.WithCancel(ctx)
	t := s.Ticket
	t.Listen = "memory:" + s.Launch
	return &host{
		pool:    s.Pool,
		machine: pool.Machine{ID: "memory-" + s.Launch, Launch: s.Launch, Addr: t.Listen, Created: time.Now()},
		ticket:  t,
		ctx:     ctx,
		cancel:  cancel,
		ln:      memhttp.NewListener(),
		exited:  make(chan struct{}),
		frozen:  make(chan struct{}),
	}
}

// run is the machine's life.
func (h *host) run(newRunner func() *runner.Runner, plan Boot) {
	defer h.cancel()
	err := pause(h.ctx, plan.Serve)
	switch {
	case err != nil:
		h.end(pool.Exit{Code: 0})
	case plan.Dies != nil:
		h.end(*plan.Dies)
	default:
		h.setServing(true)
		err := newRunner().Serve(h.ctx, h.ticket, h.ln)
		h.setServing(false)
		_ = h.ln.Close()
		h.pumps.Wait() // What was sent arrives, as it does when a process exits.
		exit := pool.Exit{}
		if err != nil {
			exit = pool.Exit{Code: 1, Tail: []string{err.Error()}}
		}
		h.end(exit)
	}
}

func (h *host) setServing(serving bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serving = serving
}

// end ends the machine at once; the first call says how.
func (h *host) end(exit pool.Exit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	h.over = true
	for _, c := range h.conns {
		_ = c.Close()
	}
	h.exit = exit
	close(h.exited)
	h.cancel()
}

func (h *host) ended() bool {
	select {
	case <-h.exited:
		return true
	default:
		return false
	}
}

func (h *host) freeze() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.frozen:
	default:
		close(h.frozen)
	}
}

// dial opens a connection that end breaks and freeze silences.
func (h *host) dial(ctx context.Context) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || !h.serving {
		return nil, syscall.ECONNREFUSED
	}
	far, err := h.ln.Dial(ctx)
	if err != nil {
		return nil, err
	}
	client, near := memhttp.Pipe()
	h.conns = append(h.conns, near, far)
	h.pumps.Go(func() { h.pump(far, near) })
	h.pumps.Go(func() { h.pump(near, far) })
	return client, nil
}

// pump carries bytes until either end closes or the host freezes. What a frozen host
// is sent is swallowed.
func (h *host) pump(dst, src net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		select {
		case <-h.frozen:
			if err == nil {
				continue
			}
		default:
		}
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				err = errors.Join(err, werr)
			}
		}
		if err != nil {
			_ = dst.Close()
			if !errors.Is(err, io.EOF) {
				_ = src.Close()
			}
			return
		}
	}
}
