//go:build integration

package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gohlslib/v2/pkg/playlist"

	"github.com/pharos-live/pharos/internal/hls/hlscheck"
)

// A follower does all that players do with a live broadcast, and keeps what it saw:
// it follows every rendition by blocking reloads, and fetches hints, parts, segments
// and init sections.
type follower struct {
	t      *testing.T
	base   string // of an app server: http://host:port
	client *http.Client

	mu      sync.Mutex // protects all below
	fetches []hlscheck.Fetch
	asked   map[string]bool // files
	files   sync.WaitGroup
}

func newFollower(t *testing.T, base string) *follower {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &p, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &follower{
		t: t, base: base, asked: map[string]bool{},
		client: &http.Client{
			Transport: transport, Timeout: 30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// fetch asks for a path and notes the answer. An answer that never came is noted by
// nobody: the test's end cut it off.
func (f *follower) fetch(ctx context.Context, path string) (hlscheck.Fetch, bool) {
	a := hlscheck.Fetch{URL: path, Gzip: strings.Contains(path, ".m3u8"), Sent: time.Now()}
	for at := f.base + path; ; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			f.t.Errorf("GET %s: %v", path, err)
			return a, false
		}
		if a.Gzip {
			req.Header.Set("Accept-Encoding", "gzip")
		}
		resp, err := f.client.Do(req)
		if err != nil {
			if ctx.Err() == nil {
				f.t.Errorf("GET %s: %v", path, err)
			}
			return a, false
		}
		a.FirstByte = time.Now()
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			f.t.Errorf("GET %s: %v", path, err)
			return a, false
		}
		if resp.StatusCode == http.StatusFound {
			a.Hops = append(a.Hops, hlscheck.Hop{Status: resp.StatusCode, Header: resp.Header})
			location, err := resp.Location()
			if err != nil || len(a.Hops) > 3 {
				f.t.Errorf("GET %s: %d redirects, %v", path, len(a.Hops), err)
				return a, false
			}
			at = location.String()
			continue
		}
		a.Status, a.Proto, a.Header, a.Body = resp.StatusCode, resp.Proto, resp.Header, body
		break
	}
	if a.Header.Get("Content-Encoding") == "gzip" {
		a.Body = f.unzip(path, a.Body)
	}
	a.Done = time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fetches = append(f.fetches, a)
	return a, true
}

func (f *follower) unzip(path string, body []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		f.t.Errorf("GET %s: %v", path, err)
		return nil
	}
	text, err := io.ReadAll(z)
	if err != nil {
		f.t.Errorf("GET %s: %v", path, err)
	}
	return text
}

// once fetches a file that was not asked for before, in the background.
func (f *follower) once(ctx context.Context, base, uri, as string) {
	path := resolvePath(base, uri)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked[as+path] {
		return
	}
	f.asked[as+path] = true
	f.files.Go(func() { f.fetch(ctx, path) })
}

func resolvePath(base, uri string) string {
	b, err := url.Parse(base)
	if err != nil {
		return uri
	}
	u, err := b.Parse(uri)
	if err != nil {
		return uri
	}
	return u.String()
}

// read parses a media playlist with gohlslib, which must understand each.
func (f *follower) read(a hlscheck.Fetch) *playlist.Media {
	var m playlist.Media
	if a.Status != http.StatusOK {
		f.t.Errorf("GET %s: %d %s", a.URL, a.Status, a.Body)
		return nil
	}
	if err := m.Unmarshal(a.Body); err != nil {
		f.t.Errorf("gohlslib cannot read %s: %v\n%s", a.URL, err, a.Body)
		return nil
	}
	return &m
}

// follow follows one rendition to its end.
func (f *follower) follow(ctx context.Context, path string) {
	query := ""
	for n := 0; ; n++ {
		a, ok := f.fetch(ctx, path+query)
		if !ok {
			return
		}
		m := f.read(a)
		if m == nil || m.Endlist {
			break
		}
		f.take(ctx, path, m)
		msn := m.MediaSequence + len(m.Segments)
		if m.Skip != nil {
			msn += m.Skip.SkippedSegments
		}
		query = fmt.Sprintf("?_HLS_msn=%d&_HLS_part=%d", msn, len(m.Parts))
		switch n % 4 {
		case 1:
			query += "&_HLS_skip=YES"
		case 3: // the same state in full and as a delta update, at once
			f.fetch(ctx, path)
			f.fetch(ctx, path+"?_HLS_skip=YES")
		}
		if n == 10 {
			f.oddities(ctx, path, msn)
		}
		if n%6 == 5 { // a player without parts, beside this one
			f.files.Go(func() { f.fetch(ctx, fmt.Sprintf("%s?_HLS_msn=%d", path, msn)) })
		}
	}
	f.files.Wait()
	f.fetch(ctx, path)
	f.fetch(ctx, path+"?_HLS_msn=99999&_HLS_skip=YES")
}

// take fetches what a playlist names.
func (f *follower) take(ctx context.Context, path string, m *playlist.Media) {
	if m.Map != nil {
		f.once(ctx, path, m.Map.URI, "")
	}
	for _, s := range m.Segments {
		f.once(ctx, path, s.URI, "")
		for _, p := range s.Parts {
			f.once(ctx, path, p.URI, "")
		}
	}
	for _, p := range m.Parts {
		f.once(ctx, path, p.URI, "")
	}
	if m.PreloadHint != nil {
		f.once(ctx, path, m.PreloadHint.URI, "hint ")
	}
}

// oddities are requests that must be refused, or understood all the same.
func (f *follower) oddities(ctx context.Context, path string, open int) {
	for _, query := range []string{
		"?_HLS_part=1", "?_HLS_msn=-1", "?_HLS_msn=1&_HLS_msn=2", "?_HLS_msn=99999999999999999999",
		fmt.Sprintf("?_HLS_msn=%d", open+10), fmt.Sprintf("?_HLS_msn=%d&_HLS_part=100", open),
		"?_HLS_msn=0", "?token=abc",
	} {
		f.fetch(ctx, path+query)
	}
	f.fetch(ctx, resolvePath(path, "p999999.m4s"))
	f.files.Go(func() { f.fetch(ctx, fmt.Sprintf("%s?_HLS_msn=%d", path, open+1)) })
	f.files.Go(func() { f.fetch(ctx, fmt.Sprintf("%s?_HLS_msn=%d&_HLS_part=4", path, open)) })
}
