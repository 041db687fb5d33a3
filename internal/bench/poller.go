package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A poller is one viewer's way of asking. It belongs to one goroutine.
type poller interface {
	// poll asks for path and returns the size of the body once it has all of it.
	poll(path string) (int, error)
	// hangUp leaves, even amid a poll.
	hangUp()
}

// plain speaks HTTP/1.1 on a connection of its own, with as little work as will do: what viewers
// cost is in the figures of both sides.
type plain struct {
	conn net.Conn
	r    *bufio.Reader
	host string
	body []byte
}

func dialPlain(ctx context.Context, addr string) (*plain, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &plain{conn: conn, r: bufio.NewReader(conn), host: addr}, nil
}

func (p *plain) poll(path string) (int, error) {
	_, err := fmt.Fprintf(p.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: gzip\r\n\r\n", path, p.host)
	if err != nil {
		return 0, err
	}
	status, length, err := readHead(p.r)
	if err != nil {
		return 0, err
	}
	if cap(p.body) < length {
		p.body = make([]byte, length)
	}
	if _, err := io.ReadFull(p.r, p.body[:length]); err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, fmt.Errorf("poll %s: status %d: %s", path, status, bytes.TrimSpace(p.body[:length]))
	}
	return length, nil
}

func (p *plain) hangUp() { _ = p.conn.Close() }

// readHead reads a response's status line and headers.
func readHead(r *bufio.Reader) (status, length int, err error) {
	length = -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(line) == 0 && length < 0:
			return 0, 0, fmt.Errorf("an answer of status %d without a length", status)
		case len(line) == 0:
			return status, length, nil
		case status == 0:
			if fields := bytes.Fields(line); len(fields) > 1 {
				status, err = strconv.Atoi(string(fields[1]))
			}
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
		if err != nil {
			return 0, 0, fmt.Errorf("read header %q: %w", line, err)
		}
	}
}

// shared speaks HTTP/2 in clear text on connections that many viewers share, as a TLS edge does.
type shared struct {
	client *http.Client
	base   string
	cancel context.CancelFunc
	ctx    context.Context // ends with hangUp
}

// newEdge returns what all viewers of an edge share.
func newEdge() *http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: &protocols, IdleConnTimeout: time.Minute}}
}

func newShared(ctx context.Context, edge *http.Client, addr string) *shared {
	s := &shared{client: edge, base: "http://" + addr}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

func (s *shared) poll(path string) (int, error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.base+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", "gzip") // set here, it is not undone
	res, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("poll %s: status %d", path, res.StatusCode)
	}
	return int(n), err
}

func (s *shared) hangUp() { s.cancel() }
