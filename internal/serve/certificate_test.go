package serve_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pharos-live/pharos/internal/memhttp"
	"github.com/pharos-live/pharos/internal/serve"
)

// selfMade writes a certificate for pharos.test with its key, and returns the files.
func selfMade(t *testing.T, dir, serial string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serial}, DNSNames: []string{"pharos.test"},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Now().Add(24 * time.Hour), // bubbles begin in 2000
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return certFile, keyFile
}

func write(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadCertificate_SaysWhichFileIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := selfMade(t, dir, "one")
	_, otherKey := selfMade(t, t.TempDir(), "two")
	missing, garbage := filepath.Join(dir, "none.pem"), filepath.Join(dir, "garbage.pem")
	write(t, garbage, []byte("not PEM"))
	tests := []struct{ name, cert, key, want string }{
		{"no certificate", missing, key, "read " + missing + ": no such file or directory"},
		{"no key", cert, missing, "read " + missing + ": no such file or directory"},
		{"no PEM", garbage, key, "use " + garbage + " with " + key + ": tls: failed to find any PEM data"},
		{"another's key", cert, otherKey, "use " + cert + " with " + otherKey + ": tls: private key does not match public key"},
		{"swapped", key, cert, "use " + key + " with " + cert + ": tls: failed to find certificate PEM data"},
	}
	for _, tt := range tests {
		_, err := serve.LoadCertificate(tt.cert, tt.key, nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant one line that begins with %s", tt.name, err, tt.want)
		}
	}
	if _, err := serve.LoadCertificate(missing, key, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap %v", err, fs.ErrNotExist)
	}
}

// secure is a server over TLS on a listener, with the certificate in dir.
func secure(t *testing.T, ln net.Listener, c *serve.Certificate, h http.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	srv := &http.Server{Handler: h, Protocols: serve.Protocols(), TLSConfig: c.TLS()}
	done := make(chan error, 2)
	go func() { done <- c.Run(ctx) }()
	go func() { done <- serve.HTTP(ctx, srv, ln, time.Second) }()
	return func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("serve: %v", err)
			}
		}
	}
}

// viewer is a client that trusts the certificate in the file, and speaks one version of HTTP.
func viewer(t *testing.T, certFile string, h2 bool, dial func(context.Context, string, string) (net.Conn, error)) *http.Client {
	t.Helper()
	body, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(body)
	var p http.Protocols
	p.SetHTTP1(!h2)
	p.SetHTTP2(h2)
	tr := &http.Transport{Protocols: &p, DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "pharos.test", MinVersion: tls.VersionTLS12}}
	if !h2 {
		tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestTLS_SpeaksHTTP2AndHTTP1(t *testing.T) {
	t.Parallel()
	cert, key := selfMade(t, t.TempDir(), "one")
	c, err := serve.LoadCertificate(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := serve.Listen("PHAROS_HTTP_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := secure(t, ln, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	defer stop()
	for _, tt := range []struct {
		h2          bool
		alpn, proto string
	}{{true, "h2", "HTTP/2.0"}, {false, "http/1.1", "HTTP/1.1"}} {
		client := viewer(t, cert, tt.h2, func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, ln.Addr().String())
		})
		resp, err := client.Get("https://pharos.test/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		client.CloseIdleConnections()
		if got := resp.TLS.NegotiatedProtocol; got != tt.alpn || string(body) != tt.proto {
			t.Errorf("ALPN %q and %s, want %q and %s", got, body, tt.alpn, tt.proto)
		}
	}
}

// TestTLS_BlockingRequestsShareOneConnection: a player holds a playlist and a part for each rendition, and
// asks for more beside them.
func TestTLS_BlockingRequestsShareOneConnection(t *testing.T) {
	t.Parallel()
	cert, key := selfMade(t, t.TempDir(), "one")
	synctest.Test(t, func(t *testing.T) {
		c, err := serve.LoadCertificate(cert, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		ln, release := memhttp.NewListener(), make(chan struct{})
		stop := secure(t, ln, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/held" {
				<-release
			}
			_, _ = fmt.Fprint(w, r.URL.Path)
		}))
		defer stop()
		var dials atomic.Int32
		client := viewer(t, cert, true, func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials.Add(1)
			return ln.Dial(ctx)
		})
		defer client.CloseIdleConnections()
		get := func(path string) string {
			resp, err := client.Get("https://pharos.test" + path)
			if err != nil {
				return err.Error()
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			return string(body)
		}
		get("/first") // later requests share its connection
		var held sync.WaitGroup
		for range 50 {
			held.Go(func() {
				if got := get("/held"); got != "/held" {
					t.Errorf("held request: %s", got)
				}
			})
		}
		synctest.Wait()
		if got := get("/quick"); got != "/quick" {
			t.Errorf("a request beside 50 held ones: %s", got)
		}
		close(release)
		held.Wait()
		if got := dials.Load(); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
	})
}

func TestCertificate_FollowsItsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := selfMade(t, dir, "one")
	synctest.Test(t, func(t *testing.T) {
		c, err := serve.LoadCertificate(cert, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		ln := memhttp.NewListener()
		stop := secure(t, ln, c, http.NotFoundHandler())
		defer stop()
		presented := func() string {
			raw, err := ln.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) // who it is is the question
			defer conn.Close()
			if err := conn.HandshakeContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
		}
		if got := presented(); got != "one" {
			t.Fatalf("presents %q, want the certificate of its files", got)
		}
		otherCert, otherKey := selfMade(t, t.TempDir(), "two")
		move := func(from, to string) {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		move(otherCert, cert) // the key comes later
		time.Sleep(11 * time.Second)
		if got := presented(); got != "one" {
			t.Errorf("presents %q while the files do not fit together", got)
		}
		move(otherKey, key)
		time.Sleep(11 * time.Second)
		if got := presented(); got != "two" {
			t.Errorf("presents %q, want the renewed certificate", got)
		}
		if err := os.Remove(cert); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		if got := presented(); got != "two" {
			t.Errorf("presents %q once the file is gone, want what it had", got)
		}
	})
}
