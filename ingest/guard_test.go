package ingest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/ingest/rtmptest"
	"github.com/pharos-live/pharos/internal/memhttp"
)

// command is a command message on chunk stream 3, of raw AMF0 behind its name and number.
func command(name string, amf ...byte) []byte {
	body := append(rtmptest.AMF0(name, 1.0), amf...)
	return rtmptest.Chunks(128, 3, rtmptest.TypeCommand, 0, 0, body)
}

// connected is a connect and a createStream.
func connected() []byte {
	return append(
		rtmptest.Chunks(128, 3, rtmptest.TypeCommand, 0, 0, rtmptest.AMF0("connect", 1.0, map[string]any{"app": "live"})),
		rtmptest.Chunks(128, 3, rtmptest.TypeCommand, 0, 0, rtmptest.AMF0("createStream", 2.0, nil))...)
}

// nested is an object in an object, n deep.
func nested(n int) []byte {
	b := append(bytes.Repeat([]byte{3, 0, 1, 'a'}, n-1), 3)
	return append(b, bytes.Repeat([]byte{0, 0, 9}, n)...)
}

// strictArray begins an array of n elements.
func strictArray(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0x0a}, n) }

func TestGuard_BeforePublish(t *testing.T) {
	t.Parallel()
	handshake := rtmptest.HandshakeBytes()
	after := func(parts ...[]byte) []byte { return append(bytes.Clone(handshake), bytes.Join(parts, nil)...) }
	for _, test := range []struct {
		name string
		in   []byte
		want string // in the log; empty = the connection goes on
	}{
		{"an HTTP request", []byte("GET / HTTP/1.1\r\n\r\n"), "not RTMP: version byte 0x47 (an HTTP request?)"},
		{"TLS on the plain port", []byte{0x16, 3, 1, 2, 0}, "not RTMP: version byte 0x16 (a TLS client hello? rtmps:// has a port of its own)"},
		{"RTMPE", []byte{6}, "not RTMP: version byte 0x06 (RTMPE? use rtmps://)"},
		{"noise", []byte{0xde, 0xad}, "not RTMP: version byte 0xde"},

		{"strict array beyond the message", after(command("connect", strictArray(0x10000000)...)), "rtmp guard: AMF0 array of 268435456 elements in a message of 24 bytes"},
		{"array in an object", after(command("connect", append([]byte{3, 0, 1, 'a'}, strictArray(0x10000000)...)...)), "AMF0 array of 268435456 elements"},
		{"array in an unknown command", after(connected(), command("foo", strictArray(1<<30)...)), "AMF0 array of 1073741824 elements"},
		{"ECMA array with a lie", after(command("connect", 8, 0xff, 0xff, 0xff, 0xff)), "AMF0 array of 4294967295 elements"},
		{"4 MiB of nesting", after(rtmptest.Chunks(128, 3, 20, 0, 0, append(rtmptest.AMF0("connect", 1.0), nested(1<<20)...))), "command message of 7340048 bytes; the limit is 65536 here"},
		{"nesting of 9", after(command("connect", nested(9)...)), "rtmp guard: AMF0 nested deeper than 8"},
		{"many values", after(command("connect", bytes.Repeat([]byte{5}, 600)...)), "rtmp guard: AMF0 of more than 512 values in one message"},
		{"long string beyond the message", after(command("connect", 0x0c, 0x7f, 0xff, 0xff, 0xff)), "AMF0 string of 2147483647 bytes in a message of 24 bytes"},
		{"AMF0 cut off", after(command("connect", 0, 1, 2)), "AMF0 cut off at the end of a message of 22 bytes"},
		{"AMF0 movie clip", after(command("connect", 4)), "AMF0 has no type 0x04"},
		{"AMF3 value", after(command("connect", 0x11)), "AMF3 value in an AMF0 message"},
		{"connect without an object", after(command("connect")), "connect without its command object"},
		{"command that is not a string", after(rtmptest.Chunks(128, 3, 20, 0, 0, []byte{5})), "command without a name"},
		{"createStream first", after(command("createStream", 5)), `command "createStream" before connect`},
		{"connect twice", after(connected(), connected()), "a second connect"},
		{"publish without a stream", after(connected(), rtmptest.Chunks(128, 3, 20, 9, 0, rtmptest.AMF0("publish", 1.0, nil, "x"))), "publish on message stream 9, which was never created"},

		{"large command", after(rtmptest.Header(3, 20, 0, 0, 65537)), "rtmp guard: command message of 65537 bytes; the limit is 65536 here"},
		{"large video", after(connected(), rtmptest.Header(6, 9, 1, 0, 65537)), "video message of 65537 bytes; the limit is 65536 here"},
		{"video", after(connected(), rtmptest.Chunks(128, 6, 9, 1, 0, []byte{1})), "video message before publish"},
		{"aggregate", after(connected(), rtmptest.Chunks(128, 3, 22, 1, 0, make([]byte, 40))), "aggregate messages are not supported"},
		{"unknown type", after(rtmptest.Chunks(128, 3, 77, 0, 0, []byte{1})), "there is no message type 77"},
		{"chunk size 0", after(rtmptest.Chunks(128, 2, 1, 0, 0, make([]byte, 4))), "chunk size of 0"},
		{"chunk size with the first bit", after(rtmptest.Chunks(128, 2, 1, 0, 0, []byte{0x80, 0, 0, 1})), "chunk size of 2147483649"},
		{"control message cut off", after(rtmptest.Chunks(128, 2, 1, 0, 0, []byte{1})), "control message of type 1 with 1 bytes"},
		{"header in a message", after(rtmptest.Header(3, 20, 0, 0, 300), make([]byte, 128), rtmptest.Header(3, 20, 0, 0, 300)), "type 0 chunk header inside a message on chunk stream 3"},
		{"type 3 first", after([]byte{0xc5}), "chunk stream 5 begins with a type 3 chunk"},
		{"17 chunk streams", after(manyStreams(17)), "more than 16 chunk streams"},
		{"4 MiB before publish", after(connected(), bytes.Repeat(rtmptest.Chunks(1<<20, 3, 3, 0, 0, make([]byte, 128)), 30_000)), "more than 65536 bytes before the publish was allowed"},

		{"16 chunk streams", after(manyStreams(16)), ""},
		{"nesting of 8", after(command("connect", nested(8)...)), ""},
		{"empty messages", after(connected(), rtmptest.Header(6, 9, 1, 0, 0), rtmptest.Header(3, 20, 0, 0, 0), rtmptest.Header(7, 77, 0, 0, 0)), ""},
		{"what nobody needs", after(connected(), rtmptest.Chunks(128, 3, 15, 0, 0, []byte{0}), rtmptest.Chunks(128, 3, 16, 0, 0, []byte{0}),
			rtmptest.Chunks(128, 3, 19, 0, 0, []byte{0}), rtmptest.Chunks(128, 2, 6, 0, 0, make([]byte, 5)), rtmptest.Chunks(128, 2, 4, 0, 0, []byte{0})), ""},
		{"AMF3 command", after(rtmptest.Chunks(128, 3, 17, 0, 0, append([]byte{0}, rtmptest.AMF0("connect", 1.0, map[string]any{"app": "live"})...))), ""},
		{"undefined, references, dates, typed objects", after(command("connect", append([]byte{3, 0, 1, 'a', 6, 0, 1, 'b', 7, 0, 0, 0, 1, 'c', 0x0b}, append(make([]byte, 10), 0, 1, 'd', 0x10, 0, 1, 'X', 0, 0, 9, 0, 0, 9)...)...)), ""},
		{"long string", after(command("connect", append([]byte{3, 0, 1, 'a', 0x0c, 0, 0, 0x10, 0}, append(make([]byte, 4096), 0, 0, 9)...)...)), ""},
		{"what go-amf0 misreads", after(
			rtmptest.Chunks(128, 3, 20, 0, 0, bytes.Join([][]byte{rtmptest.AMF0("connect", 1.0), {3, 0, 1, 'x'}, rtmptest.Killer(), {0, 0, 9}}, nil)),
			command("foo", rtmptest.Killer()...),
		), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := serve(t, take(newSink()), ingest.Options{})
				conn := r.conn()
				_, _ = conn.Write(test.in) // fails when the server has closed by then
				took := mustClose(t, conn)
				if test.want == "" {
					r.mustLog("no publish within 10s of connecting")
				} else if r.mustLog(test.want); took != 0 {
					t.Errorf("closed after %s, want at once", took)
				}
			})
		})
	}
}

// manyStreams opens n chunk streams with a harmless message each.
func manyStreams(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, rtmptest.Chunks(128, byte(3+i), rtmptest.TypeAck, 0, 0, make([]byte, 4))...)
	}
	return b
}

func TestGuard_AfterPublish(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		in   []byte
		want string // Sink's reason
	}{
		{"9 MB of video", rtmptest.Header(6, 9, 1, 0, 9_000_000), "rtmp guard: video message of 9000000 bytes; the limit is 8388608 here"},
		{"large metadata", rtmptest.Header(5, 18, 1, 0, 100_000), "data message of 100000 bytes; the limit is 65536 here"},
		{"metadata with an array", rtmptest.Chunks(128, 5, 18, 1, 0, append(rtmptest.AMF0("@setDataFrame", "onMetaData"), strictArray(1<<28)...)), "AMF0 array of 268435456 elements"},
		{"aggregate", rtmptest.Chunks(128, 6, 22, 1, 0, make([]byte, 99)), "aggregate messages are not supported"},
		{"12 MiB pending", pending(13), "more than 12582912 bytes of incomplete messages"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSink()
				c := serve(t, take(s), ingest.Options{}).publish()
				var client sync.WaitGroup
				defer client.Wait()
				client.Go(func() { _, _ = c.Write(test.in) })
				err := s.reason(t)
				var guard *ingest.GuardError
				if !errors.As(err, &guard) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				status, err := c.ReadStatus()
				if err != nil || status.Code != ingest.CodeFailed || !strings.Contains(status.Description, test.want) {
					t.Errorf("encoder was told %+v, %v", status, err)
				}
			})
		})
	}
}

// pending begins n video messages of 8 MiB on as many chunk streams, and sends 1 MiB of each.
func pending(n int) []byte {
	b := rtmptest.Chunks(128, 2, rtmptest.TypeSetChunkSize, 0, 0, []byte{0, 0x10, 0, 0})
	for i := range n {
		b = append(b, rtmptest.Header(byte(10+i), 9, 1, 0, 8<<20)...)
		b = append(b, make([]byte, 1<<20)...)
	}
	return b
}

func TestGuard_Deadlines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		act  func(c *rtmptest.Client) // after the publish
		want string
		at   time.Duration
	}{
		{"silent", func(*rtmptest.Client) {}, "no audio or video within 10s of publish", 10 * time.Second},
		{"metadata alone", func(c *rtmptest.Client) {
			every(time.Second, func() error {
				return c.WriteMessage(5, rtmptest.TypeData, 1, 0, rtmptest.AMF0("@setDataFrame", "onMetaData", map[string]any{}))
			})
		}, "no audio or video within 10s of publish", 10 * time.Second},
		{"sequence headers alone", func(c *rtmptest.Client) {
			every(time.Second, func() error { return c.Video(0, rtmptest.VideoConfig()) })
		}, "no audio or video within 10s of publish", 10 * time.Second},
		{"empty frames", func(c *rtmptest.Client) {
			every(time.Second, func() error { return c.Audio(0, []byte{0xaf, 1}) })
		}, "no audio or video within 10s of publish", 10 * time.Second},
		{"frames without a sequence header", func(c *rtmptest.Client) {
			every(3*time.Second, func() error { return c.Video(0, rtmptest.Picture(true, 0, 10)) })
		}, "no audio or video within 10s of publish: 4 video frames came without an AVC sequence header", 10 * time.Second},
		{"a picture byte by byte", func(c *rtmptest.Client) {
			_ = c.Video(0, rtmptest.VideoConfig())
			_, _ = c.Write(rtmptest.Header(6, 9, 1, 0, 100))
			every(time.Second, func() error { _, err := c.Write([]byte{0x17}); return err })
		}, "no audio or video within 10s of publish", 10 * time.Second},
		{"silent after a while", func(c *rtmptest.Client) {
			_ = c.Audio(0, rtmptest.AudioConfig())
			for i := range 5 {
				time.Sleep(7 * time.Second)
				_ = c.Audio(uint32(i*7000), rtmptest.Sound(10))
			}
		}, "no audio or video for 10s", 45 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSink()
				r := serve(t, take(s), ingest.Options{})
				c := r.publish()
				start := time.Now()
				var client sync.WaitGroup
				defer client.Wait()
				client.Go(func() { test.act(c) })
				err := s.reason(t)
				if err == nil || err.Error() != test.want {
					t.Errorf("got %v, want %q", err, test.want)
				}
				if got := time.Since(start); got != test.at {
					t.Errorf("ended after %s, want %s", got, test.at)
				}
				status, err := c.ReadStatus()
				if err != nil || status.Description != test.want {
					t.Errorf("encoder was told %+v, %v", status, err)
				}
				if got := r.Stats().Timeouts.Load(); got != 1 {
					t.Errorf("got %d timeouts, want 1", got)
				}
			})
		})
	}
}

// every does f until it fails.
func every(d time.Duration, f func() error) {
	for f() == nil {
		time.Sleep(d)
	}
}

func TestGuard_SlowLoris(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := serve(t, take(newSink()), ingest.Options{})
		conn := r.conn()
		var client sync.WaitGroup
		defer client.Wait()
		client.Go(func() {
			for _, b := range rtmptest.HandshakeBytes() {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		if got := mustClose(t, conn); got != 10*time.Second {
			t.Errorf("closed after %s, want 10s", got)
		}
		r.mustLog("no publish within 10s of connecting")
	})
}

func TestGuard_ClientThatDoesNotRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		deaf := &deafListener{}
		r := serveOn(t, take(s), ingest.Options{}, memhttp.NewListener(), func(ln net.Listener) net.Listener {
			deaf.Listener = ln
			return deaf
		})
		c := r.publish()
		deaf.conn.hang()
		start := time.Now()
		must(t, c.WriteMessage(2, rtmptest.TypeUserControl, 0, 0, []byte{0, 6, 1, 2, 3, 4}))
		err := s.reason(t)
		if want := "the encoder has read nothing for 5s"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
		if got := time.Since(start); got > 7*time.Second { // the write deadline, and the try to tell
			t.Errorf("ended after %s", got)
		}
	})
}

// deafListener's connections can be made to take nothing more.
type deafListener struct {
	net.Listener
	conn *deafConn
}

func (l *deafListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.conn = &deafConn{Conn: conn}
	return l.conn, nil
}

type deafConn struct {
	net.Conn
	mu   sync.Mutex // guards what follows
	deaf bool
	by   time.Time
}

func (c *deafConn) hang() { c.mu.Lock(); c.deaf = true; c.mu.Unlock() }

func (c *deafConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = t
	return nil
}

func (c *deafConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	deaf, by := c.deaf, c.by
	c.mu.Unlock()
	if !deaf {
		return c.Conn.Write(p)
	}
	time.Sleep(time.Until(by))
	return 0, os.ErrDeadlineExceeded
}

func TestGuard_TimestampsAndChunks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		c := serve(t, take(s), ingest.Options{}).publish()
		must(t, c.Video(0, rtmptest.VideoConfig()))
		must(t, c.Audio(0, rtmptest.AudioConfig()))
		const start = 0xffffff - 100
		must(t, c.Video(start, rtmptest.Picture(true, 0, 300)))
		must(t, c.Video(start+200, rtmptest.Picture(false, 0, 300))) // extended, repeated in type 3 chunks

		// The same, by an encoder that does not repeat it.
		body := rtmptest.Picture(false, 0, 200)
		b := append(rtmptest.Header(6, 9, 1, start+400, len(body)), body[:128]...)
		b = append(append(b, 0xc6), body[128:]...)
		// Type 1 and 2 headers: the delta, then the same with a type 3 header.
		sound := rtmptest.Sound(20)
		b = append(b, rtmptest.Chunks(128, 4, 8, 1, start+400, sound)...)
		b = append(append(b, 0x44, 0, 0, 23, 0, 0, byte(len(sound)), 8), sound...)
		b = append(append(b, 0x84, 0, 0, 21), sound...)
		b = append(append(b, 0xc4), sound...)
		// Two messages that take turns, and one that is given up.
		p := rtmptest.Picture(false, 0, 130)
		b = append(append(b, rtmptest.Header(6, 9, 1, start+500, len(p))...), p[:128]...)
		b = append(append(b, 0xc4), sound...)
		b = append(append(b, 0xc6), p[128:]...)
		b = append(append(b, rtmptest.Header(6, 9, 1, start+600, len(p))...), p[:128]...)
		b = append(b, rtmptest.Chunks(128, 2, rtmptest.TypeAbort, 0, 0, []byte{0, 0, 0, 6})...)
		_, err := c.Write(b)
		must(t, err)
		must(t, c.Unpublish())
		must(t, s.reason(t))

		var got []string
		for _, f := range s.got()[2:] {
			got = append(got, f.Kind.String()+" "+(time.Duration(f.DTS/90)*time.Millisecond).String())
		}
		want := []string{
			"video 1s", "video 1.2s", "video 1.4s", // 1 s: the clock did not begin at 0
			"audio 1.4s", "audio 1.423s", "audio 1.444s", "audio 1.465s",
			"audio 1.486s", "video 1.5s",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("decode times (-want +got):\n%s", diff)
		}
	})
}

func TestLimits_Connections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := serve(t, take(newSink()), ingest.Options{MaxConnsPerIP: 3})
		held := []net.Conn{r.conn(), r.conn(), r.conn()}
		for range 30 {
			if took := mustClose(t, r.conn()); took != 0 {
				t.Errorf("a connection too many was closed after %s", took)
			}
		}
		r.mustLog("3 connections from 127.0.0.1/32 are open, the limit")
		if got := strings.Count(r.log.String(), "RTMP connection refused"); got != 1 {
			t.Errorf("%d log lines in a second, want 1", got)
		}
		if got := r.Stats().OverLimit.Load(); got != 30 {
			t.Errorf("got %d over the limit, want 30", got)
		}
		time.Sleep(time.Second)
		mustClose(t, r.conn())
		r.mustLog("not_logged=29")

		must(t, held[0].Close())
		time.Sleep(time.Second)
		c := r.dial() // its place is free again
		must(t, c.Publish("live", "news_key"))
	})
}

func TestLimits_Total(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := serve(t, take(newSink()), ingest.Options{MaxConns: 2})
		_, _ = r.conn(), r.conn()
		mustClose(t, r.conn())
		r.mustLog("2 connections are open, the limit")
	})
}
