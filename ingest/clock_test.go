package ingest

import (
	"net"
	"net/netip"
	"testing"
)

func TestClock(t *testing.T) {
	t.Parallel()
	type step struct {
		kind Kind
		at   uint32 // as it comes
		want int64  // ms
	}
	for _, test := range []struct {
		name   string
		steps  []step
		resets int
	}{
		{"from 0", []step{{Audio, 0, 0}, {Video, 21, 21}, {Audio, 23, 23}, {Video, 54, 54}}, 0},
		{"tracks that take turns stay in time", []step{{Video, 100, 100}, {Audio, 80, 80}, {Video, 133, 133}, {Audio, 101, 101}}, 0},
		{"a clock that begins elsewhere", []step{{Video, 5_000_000, 1000}, {Audio, 4_999_990, 990}, {Video, 5_000_033, 1033}}, 0},
		{"a step back within a track", []step{{Video, 100, 100}, {Video, 95, 100}, {Video, 130, 130}}, 0},
		{"never negative", []step{{Video, 10, 10}, {Audio, 0xfffffff0, 0}, {Video, 40, 40}}, 0},
		{"wrap after 49.7 days", []step{{Video, 0xffffffe0, 1000}, {Audio, 0xfffffff0, 1016}, {Video, 0x10, 1048}, {Video, 0x31, 1081}}, 0},
		{"set back by an hour", []step{{Video, 4_000_000, 1000}, {Video, 400_000, 1000}, {Video, 400_033, 1033}}, 1},
		{"set forward by an hour", []step{{Video, 0, 0}, {Video, 3_600_000, 0}, {Audio, 3_600_020, 20}}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var c clock
			for i, s := range test.steps {
				if got := c.at(s.kind, s.at); got != s.want*90 {
					t.Errorf("step %d: got %d ms, want %d", i, got/90, s.want)
				}
			}
			if c.resets != test.resets {
				t.Errorf("got %d resets, want %d", c.resets, test.resets)
			}
		})
	}
}

// TestClock_Days holds that a stream of 60 days never stops growing.
func TestClock_Days(t *testing.T) {
	t.Parallel()
	var c clock
	last := int64(-1)
	for ms := uint64(0); ms < 60*24*3600*1000; ms += 9_999 {
		got := c.at(Video, uint32(ms))
		if got <= last {
			t.Fatalf("after %d ms: %d is not after %d", ms, got, last)
		}
		last = got
	}
	if c.resets != 0 {
		t.Errorf("got %d resets", c.resets)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for _, test := range []struct {
		addr net.Addr
		want string
	}{
		{tcp("192.0.2.7:1"), "192.0.2.7/32"},
		{tcp("[::ffff:192.0.2.7]:1"), "192.0.2.7/32"},
		{tcp("[2001:db8:1:2:3:4:5:6]:1"), "2001:db8:1:2::/64"},
		{tcp("[fe80::1%eth0]:1"), "fe80::/64"},
		{&net.UnixAddr{Name: "/run/x"}, "invalid Prefix"},
		{&net.TCPAddr{}, "invalid Prefix"},
	} {
		got, _ := origin(test.addr)
		if got.String() != test.want {
			t.Errorf("%v: got %s, want %s", test.addr, got, test.want)
		}
	}
}
