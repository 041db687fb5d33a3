package ingest

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
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
		{"set back by a second, track by track", []step{
			{Video, 0, 0},
			{Audio, 10, 10},
			{Video, 1500, 1500},
			{Audio, 1510, 1510},
			{Video, 1533, 1533},
			{Video, 300, 1566},  // as the last step was
			{Audio, 1531, 1531}, // still by the clock before
			{Audio, 310, 1576},
			{Video, 333, 1599},
			{Audio, 331, 1597},
		}, 1},
		{"set forward by five seconds, track by track", []step{
			{Video, 0, 0},
			{Audio, 10, 10},
			{Video, 33, 33},
			{Audio, 31, 31},
			{Audio, 5052, 52},
			{Video, 66, 66},
			{Video, 5099, 99},
			{Audio, 5073, 73},
		}, 1},
		{"set back with the sound longer than the pictures", []step{
			{Video, 0, 0},
			{Audio, 0, 0},
			{Video, 960, 960},
			{Video, 1000, 1000},
			{Audio, 1400, 1400},
			{Video, 0, 1400},
			{Audio, 0, 1400},
			{Video, 40, 1440},
			{Audio, 21, 1421},
		}, 1},
		{"one track jumps for good", []step{
			{Video, 0, 0}, {Audio, 0, 0}, {Video, 40, 40}, {Video, 90_000, 80}, {Audio, 80, 80}, {Video, 90_040, 120}, {Audio, 120, 120}, {Video, 90_080, 160},
		}, 1},
		{"one track jumps, and comes back", []step{
			{Video, 0, 0}, {Audio, 0, 0}, {Video, 40, 40}, {Video, 90_000, 80}, {Audio, 80, 80}, {Video, 120, 120}, {Audio, 100, 100}, {Video, 160, 160},
		}, 1},
		{"sound begins late, by a clock that was set anew", []step{{Video, 0, 0}, {Video, 40, 40}, {Video, 500_000, 80}, {Audio, 500_040, 120}}, 1},
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

// TestClock_BelievesAHoleThatTimeHas holds that dates stay true: time goes on by what timestamps say
// only if so much time has passed, and by the time that has passed where timestamps say nothing.
func TestClock_BelievesAHoleThatTimeHas(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		passes  time.Duration // after a second of pictures
		at      uint32        // the next picture's timestamp; it would be at 1000
		want    int64
		believe bool
	}{
		{"a hole of 8 s", 8 * time.Second, 9_000, 9_000, true},
		{"a hole of 8 s that did not pass", 0, 9_000, 1_000, false},
		{"a hole of 8 s in 7, as the network was slow before", 7 * time.Second, 9_000, 9_000, true},
		{"a hole of 1 s that did not pass", 0, 2_000, 2_000, true},
		{"a hole of a minute", time.Minute, 61_000, 31_000, false},
		{"a clock that begins anew after 8 s of silence", 8 * time.Second, 0, 9_000, false},
		{"a clock that begins anew at once", 40 * time.Millisecond, 0, 1_000, false},
		{"a burst after 8 s of silence", 8 * time.Second, 1_000, 1_000, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var c clock
				for ms := uint32(0); ms < 1000; ms += 40 {
					c.at(Video, ms)
					time.Sleep(40 * time.Millisecond)
				}
				time.Sleep(test.passes)
				got := c.at(Video, test.at) / 90
				if d := got - test.want; d < 0 || d > 40 { // the pause in front of the frame counts as silence
					t.Errorf("got %d ms, want %d", got, test.want)
				}
				if believed := c.resets == 0; believed != test.believe {
					t.Errorf("believed is %v, want %v", believed, test.believe)
				}
			})
		})
	}
}

// TestClock_Loops holds that time keeps pace with the frames of an encoder that plays a file in a loop.
func TestClock_Loops(t *testing.T) {
	t.Parallel()
	var c clock
	var video, sound int64
	for range 100 {
		for ms := uint32(0); ms < 5000; ms += 20 {
			video = c.at(Video, ms) / 90
			sound = c.at(Audio, ms+5) / 90
		}
	}
	if video < 100*5000-20 || video > 100*5000+100*25 {
		t.Errorf("the last picture is at %d ms, want 500 s, give or take a frame for each time", video)
	}
	if d := sound - video; d != 5 {
		t.Errorf("sound is %d ms behind the pictures, want 5", d)
	}
}

// TestClock_Days holds that a stream of 60 days never stops growing.
func TestClock_Days(t *testing.T) {
	t.Parallel()
	var c clock
	last := int64(-1)
	for ms := uint64(0); ms < 60*24*3600*1000; ms += 1_999 {
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
