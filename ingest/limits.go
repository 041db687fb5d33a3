package ingest

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// limiter bounds the connections that are open at once, in all and from one place. It is safe for
// concurrent use.
type limiter struct {
	total, perIP int

	mu   sync.Mutex // guards what follows
	open int
	from map[netip.Prefix]int
}

func newLimiter(total, perIP int) *limiter {
	return &limiter{total: total, perIP: perIP, from: make(map[netip.Prefix]int)}
}

// admit takes a place for a connection from addr, to be given back by release, once.
func (l *limiter) admit(addr net.Addr) (release func(), err error) {
	place, known := origin(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.total {
		return nil, fmt.Errorf("%d connections are open, the limit", l.open)
	}
	if known && l.from[place] >= l.perIP {
		return nil, fmt.Errorf("%d connections from %s are open, the limit", l.from[place], place)
	}
	l.open++
	if known {
		l.from[place]++
	}
	return func() { l.release(place, known) }, nil
}

func (l *limiter) release(place netip.Prefix, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if !known {
		return
	}
	if l.from[place]--; l.from[place] == 0 {
		delete(l.from, place)
	}
}

// origin is who a connection counts for: an IPv4 address, or an IPv6 /64, since that is what one
// subscriber is given at least. false for connections without an IP address.
func origin(addr net.Addr) (netip.Prefix, bool) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}, false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	place, err := ip.Prefix(bits)
	return place, err == nil
}

// throttle lets through one event a second and counts the others, so that a flood of connections
// is no flood of log lines. It is safe for concurrent use.
type throttle struct {
	mu      sync.Mutex // guards what follows
	next    time.Time
	skipped int
}

// allow tells whether to log now, and how many events since the last time were not.
func (t *throttle) allow() (skipped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Before(t.next) {
		t.skipped++
		return 0, false
	}
	t.next = now.Add(time.Second)
	skipped, t.skipped = t.skipped, 0
	return skipped, true
}
