package memhttp_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/memhttp"
)

func TestPipe_CarriesBytesBothWaysInOrder(t *testing.T) {
	t.Parallel()
	a, b := memhttp.Pipe()
	for _, end := range []struct{ from, to net.Conn }{{a, b}, {b, a}} {
		mustWrite(t, end.from, "one ")
		mustWrite(t, end.from, "two")
		if got, want := readN(t, end.to, 7), "one two"; got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
}

func TestPipe_AWriteDoesNotWaitForAReader(t *testing.T) {
	t.Parallel()
	a, b := memhttp.Pipe()
	mustWrite(t, a, "left behind") // net.Pipe would stay here for ever
	if err := a.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	got, err := io.ReadAll(b)
	if want := "left behind"; string(got) != want || err != nil {
		t.Errorf("after the writer's Close: read %q, %v, want %q, nil", got, err, want)
	}
}

func TestPipe_AWriterWaitsOnceSixteenMiBAreOnTheirWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := memhttp.Pipe()
		sent := bytes.Repeat([]byte("0123456789abcdef"), 20<<16) // 20 MiB
		done := false
		go func() {
			if n, err := a.Write(sent); n != len(sent) || err != nil {
				t.Errorf("Write: %d, %v, want %d, nil", n, err, len(sent))
			}
			done = true
			_ = a.Close()
		}()
		synctest.Wait()
		if done {
			t.Error("a write of 20 MiB returned before anything was read")
		}
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("read %d bytes, %v, want the %d written", len(got), err, len(sent))
		}
	})
}

func TestPipe_Close(t *testing.T) {
	t.Parallel()
	a, b := memhttp.Pipe()
	if err := a.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	tests := []struct {
		name string
		do   func() error
		want error
	}{
		{"the closed end does not read", func() error { return read1(a) }, net.ErrClosed},
		{"the closed end does not write", func() error { return write1(a) }, net.ErrClosed},
		{"the other end reads the end", func() error { return read1(b) }, io.EOF},
		{"the other end does not write", func() error { return write1(b) }, io.ErrClosedPipe},
	}
	for _, tt := range tests {
		if err := tt.do(); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestPipe_CloseWakesWhoWaits(t *testing.T) {
	t.Parallel()
	for _, closer := range []string{"its own end", "the other end"} {
		synctest.Test(t, func(t *testing.T) {
			a, b := memhttp.Pipe()
			reader := make(chan error, 1)
			go func() { reader <- read1(a) }()
			synctest.Wait()
			if closer == "its own end" {
				_ = a.Close()
			} else {
				_ = b.Close()
			}
			if err := <-reader; !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
				t.Errorf("close of %s: Read got %v, want net.ErrClosed or io.EOF", closer, err)
			}
		})
	}
}

func TestPipe_DeadlinesEndWhatWaits(t *testing.T) {
	t.Parallel()
	full := make([]byte, 17<<20)
	tests := []struct {
		name string
		set  func(net.Conn, time.Time) error
		wait func(net.Conn) error
	}{
		{"read", net.Conn.SetReadDeadline, read1},
		{"read, by both", net.Conn.SetDeadline, read1},
		{"write", net.Conn.SetWriteDeadline, func(c net.Conn) error { _, err := c.Write(full); return err }},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			a, _ := memhttp.Pipe()
			start := time.Now()
			result := make(chan error, 1)
			go func() { result <- tt.wait(a) }()
			synctest.Wait() // a deadline must reach what waits already
			if err := tt.set(a, start.Add(time.Hour)); err != nil {
				t.Fatalf("%s: set deadline: %v", tt.name, err)
			}
			err := <-result
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Hour {
				t.Errorf("%s: ended after %v with %v, want 1h, deadline exceeded", tt.name, time.Since(start), err)
			}
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("%s: %v is no net.Error timeout", tt.name, err)
			}
		})
	}
}

func TestPipe_ADeadlineTakenBackLetsReadsGoOn(t *testing.T) {
	t.Parallel()
	a, b := memhttp.Pipe()
	if err := a.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatalf("SetReadDeadline: %v", err)
	}
	mustWrite(t, b, "x")
	if err := read1(a); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past its deadline: Read got %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if err := a.SetReadDeadline(time.Time{}); err != nil {
		t.Fatalf("SetReadDeadline: %v", err)
	}
	if err := read1(a); err != nil {
		t.Errorf("without a deadline: Read got %v", err)
	}
}

func mustWrite(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if n, err := io.WriteString(c, s); n != len(s) || err != nil {
		t.Fatalf("write %q: %d, %v", s, n, err)
	}
}

func readN(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(c, p); err != nil {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	return string(p)
}

func read1(c net.Conn) error {
	_, err := c.Read(make([]byte, 1))
	return err
}

func write1(c net.Conn) error {
	_, err := c.Write([]byte("x"))
	return err
}
