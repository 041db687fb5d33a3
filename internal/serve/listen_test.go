package serve_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/pharos-live/pharos/internal/serve"
)

func TestListen_TakesAnyFreePort(t *testing.T) {
	t.Parallel()
	ln, err := serve.Listen("PHAROS_HTTP_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	if err := ln.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestListen_TheErrorNamesTheSetting(t *testing.T) {
	t.Parallel()
	taken, err := serve.Listen("PHAROS_HTTP_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	defer func() { _ = taken.Close() }()
	inUse := taken.Addr().String()
	tests := []struct{ name, addr, want string }{
		{"in use", inUse, "listen on PHAROS_HTTP_ADDR=" + inUse + ": address already in use"},
		{"no port", "127.0.0.1", "listen on PHAROS_HTTP_ADDR=127.0.0.1: address 127.0.0.1: missing port in address"},
		{"port out of range", "127.0.0.1:70000", "listen on PHAROS_HTTP_ADDR=127.0.0.1:70000: address 70000: invalid port"},
		{"foreign address", "192.0.2.1:0", "listen on PHAROS_HTTP_ADDR=192.0.2.1:0: cannot assign requested address"},
	}
	for _, tt := range tests {
		ln, err := serve.Listen("PHAROS_HTTP_ADDR", tt.addr)
		if err == nil {
			_ = ln.Close()
			t.Errorf("%s: listened on %s", tt.name, tt.addr)
			continue
		}
		if got := err.Error(); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
	if _, err := serve.Listen("X", inUse); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("in use: %v does not wrap EADDRINUSE", err)
	}
}
