package memhttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/memhttp"
)

func TestListener_ConnectsEachDialWithAnAccept(t *testing.T) {
	t.Parallel()
	ln := memhttp.NewListener()
	client, err := ln.Dial(t.Context())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	mustWrite(t, client, "ping")
	if got, want := readN(t, server, 4), "ping"; got != want {
		t.Errorf("server read %q, want %q", got, want)
	}
	if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
		t.Errorf("the server sees %s, the client is %s", got, want)
	}
	if _, _, err := net.SplitHostPort(server.RemoteAddr().String()); err != nil {
		t.Errorf("RemoteAddr: %v", err)
	}
}

func TestListener_CloseRefusesAndForgetsWhatNobodyAccepted(t *testing.T) {
	t.Parallel()
	ln := memhttp.NewListener()
	waiting, err := ln.Dial(t.Context())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	if err := ln.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := read1(waiting); !errors.Is(err, io.EOF) {
		t.Errorf("read of a connection that was never accepted: %v, want %v", err, io.EOF)
	}
	if _, err := ln.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial after Close: %v, want %v", err, syscall.ECONNREFUSED)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v, want %v", err, net.ErrClosed)
	}
}

func TestListener_DialWaitsBehindAFullBacklogUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := memhttp.NewListener()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 128 {
			if _, err := ln.Dial(ctx); err != nil {
				t.Fatalf("Dial: %v", err)
			}
		}
		if _, err := ln.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial with nobody accepting: %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
