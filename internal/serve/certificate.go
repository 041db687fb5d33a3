package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificateEvery is how often the files of a certificate are looked at.
const certificateEvery = 10 * time.Second

// A Certificate is a certificate with its key, from two PEM files, that follows them when they change: a
// renewal needs no restart. It is safe for concurrent use.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	seen [2][]byte // the files as they were read last; Run's, once LoadCertificate has returned
}

// LoadCertificate reads a certificate, with the chain behind it, and its key. Its error is one line that
// names the file to blame and says what is wrong. A nil log discards.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	pair, files, err := c.read()
	if err != nil {
		return nil, err
	}
	c.seen = files
	c.current.Store(pair)
	return c, nil
}

// TLS returns a configuration that presents c, in its newest form, to every new connection. A listener of
// HTTP takes it as http.Server.TLSConfig, which adds what Protocols says (ALPN).
func (c *Certificate) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// Run follows the files, each 10 s, until ctx ends, and returns nil then. Files that do not fit together, as
// when only one of them has been renewed yet, are logged and change nothing.
func (c *Certificate) Run(ctx context.Context) error {
	tick := time.NewTicker(certificateEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.follow(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *Certificate) follow(ctx context.Context) {
	pair, files, err := c.read()
	if bytes.Equal(files[0], c.seen[0]) && bytes.Equal(files[1], c.seen[1]) {
		return
	}
	c.seen = files
	if err != nil {
		c.log.ErrorContext(ctx, "the renewed certificate cannot be used: the former one stays", "error", err)
		return
	}
	c.current.Store(pair)
	c.log.InfoContext(ctx, "the certificate was renewed", "file", c.certFile, "expires", pair.Leaf.NotAfter)
}

// read reads both files; what it could read it returns even with an error.
func (c *Certificate) read() (pair *tls.Certificate, files [2][]byte, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		body, readErr := os.ReadFile(name)
		if readErr != nil {
			return nil, files, fmt.Errorf("read %s: %w", name, fileReason(readErr))
		}
		files[i] = body
	}
	p, err := tls.X509KeyPair(files[0], files[1])
	if err != nil {
		return nil, files, fmt.Errorf("use %s with %s: %w", c.certFile, c.keyFile, err)
	}
	if p.Leaf == nil { // GODEBUG can keep X509KeyPair from setting it
		if p.Leaf, err = x509.ParseCertificate(p.Certificate[0]); err != nil {
			return nil, files, fmt.Errorf("use %s: %w", c.certFile, err)
		}
	}
	return &p, files, nil
}

// fileReason takes off the name, which stands before it already.
func fileReason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
