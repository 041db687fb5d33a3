package ingest_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/ingest/rtmptest"
)

// serveTCP starts a server on a loopback socket.
func serveTCP(t *testing.T, h ingest.Handler, wrap func(net.Listener) net.Listener) (addr string) {
	t.Helper()
	server, err := ingest.NewServer(h, ingest.Options{})
	must(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, wrap(ln)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

func plain(ln net.Listener) net.Listener { return ln }

// TestTCP_ReasonReachesABusyEncoder holds that an encoder in full flow reads why it was cut off: a
// plain close would reset the connection, and the reason with it.
func TestTCP_ReasonReachesABusyEncoder(t *testing.T) {
	t.Parallel()
	s := newSink()
	pictures := 0
	s.write = func(ingest.Frame) error {
		if pictures++; pictures > 20 {
			return errors.New("the runner died")
		}
		return nil
	}
	c, err := rtmptest.Dial(t.Context(), serveTCP(t, take(s), plain))
	must(t, err)
	defer c.Close()
	must(t, c.Publish("live", "news_key"))
	must(t, c.Video(0, rtmptest.VideoConfig()))
	for i := range uint32(300) {
		// As ffmpeg does it: what there is to read is looked at between writes, not all the time,
		// and a failed write is the end of it.
		if err := c.Video(i*16, rtmptest.Picture(i == 0, 0, 10_000)); err != nil {
			t.Fatalf("the connection broke before the reason was read: %v", err)
		}
		time.Sleep(time.Millisecond)
		if i < 20 || i%10 != 9 {
			continue
		}
		status, err := c.ReadStatus()
		if err != nil || status.Description != "the runner died" {
			t.Errorf("got %+v, %v", status, err)
		}
		break
	}
	must(t, c.Close())
	if err := <-s.ended; err == nil || err.Error() != "the runner died" {
		t.Errorf("Sink closed with %v", err)
	}
}

// TestTCP_TLS holds that RTMPS is the same server on another listener: deadlines, the watch while
// the Handler decides, and the half-close work through TLS.
func TestTCP_TLS(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	s := newSink()
	handler := ingest.HandlerFunc(func(_ context.Context, p ingest.Publish) (ingest.Sink, error) {
		time.Sleep(20 * time.Millisecond) // the watch reads meanwhile, and must let go
		if p.Key == "bad_key" {
			return nil, &ingest.Refusal{Code: ingest.CodeDenied, Text: "stream key revoked"}
		}
		return s, nil
	})
	addr := serveTCP(t, handler, func(ln net.Listener) net.Listener {
		return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
	})
	dial := func() *rtmptest.Client {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // made above
		must(t, err)
		c := rtmptest.New(conn)
		must(t, c.Handshake())
		return c
	}
	refused := dial()
	defer refused.Close()
	var status rtmptest.Status
	if err := refused.Publish("live", "bad_key"); !errors.As(err, &status) || status.Description != "stream key revoked" {
		t.Errorf("got %v", err)
	}
	c := dial()
	defer c.Close()
	must(t, c.Publish("live", "news_key"))
	picture := rtmptest.Picture(true, 0, 100_000)
	must(t, c.Video(0, rtmptest.VideoConfig()))
	must(t, c.Video(0, picture))
	must(t, c.Unpublish())
	if err := <-s.ended; err != nil {
		t.Errorf("got %v", err)
	}
	if got := s.got(); len(got) != 2 || !bytes.Equal(got[1].Payload, picture[5:]) {
		t.Errorf("got %v", summaries(got))
	}
}
