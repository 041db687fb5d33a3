package main

import (
	"errors"
	"log/slog"

	"github.com/pharos-live/pharos/internal/serve"
)

// loadCertificate reads the certificate of the listeners; nil where none is set.
func (c *config) loadCertificate(log *slog.Logger) (*serve.Certificate, error) {
	if c.tlsCert == "" {
		return nil, nil
	}
	cert, err := serve.LoadCertificate(c.tlsCert, c.tlsKey, log)
	if err != nil {
		return nil, &settingError{name: "PHAROS_TLS_CERT", value: c.tlsCert, err: err}
	}
	return cert, nil
}

// errHalfTLS says that one of the two was given.
func errHalfTLS(cert, key string) error {
	if cert == "" {
		return &settingError{name: "PHAROS_TLS_CERT", err: errors.New("must be given with PHAROS_TLS_KEY=" + key)}
	}
	return &settingError{name: "PHAROS_TLS_KEY", err: errors.New("must be given with PHAROS_TLS_CERT=" + cert)}
}

// scheme is that of the URLs of the HTTP listener.
func (s *server) scheme() string {
	if s.cert != nil {
		return "https"
	}
	return "http"
}
