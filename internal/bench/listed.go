package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pharos-live/pharos/ingest"
	"github.com/pharos-live/pharos/internal/hls"
)

// playlistRetry is the pause of a viewer who comes before the broadcast does.
const playlistRetry = 20 * time.Millisecond

var errFewParts = errors.New("too few parts were listed to say anything")

// measureListed sends a broadcast at its own pace and follows its source rendition as a player
// does. The time of a part counts from when its last frame is handed to the stream to the runner,
// until the viewer has read the playlist that lists it.
func (b *bench) measureListed(ctx context.Context) error {
	b.progress("part listed: one broadcast of %v, one viewer", b.listed)
	var ways []way
	err := b.withRig(ctx, func(ctx context.Context, r *rig) error {
		p := newPublish(r.frames, b.clip.first(b.listed))
		f := &follower{url: r.web.url("/hls/" + p.broadcast + "/source/index.m3u8")}
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return p.run(ctx, r) })
		group.Go(func() error { return f.run(ctx) })
		err := group.Wait()
		if err != nil {
			return err
		}
		ways, err = f.ways(p, r.puts)
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		what string
		of   func(way) time.Duration
	}{
		{"last frame of a part in → part listed", func(w way) time.Duration { return w.listed.Sub(w.sent) }},
		{"of it, frame sent → the part's upload begins", func(w way) time.Duration { return w.began.Sub(w.sent) }},
		{"of it, the upload (directory store)", func(w way) time.Duration { return w.ended.Sub(w.began) }},
		{"of it, durable → feed → playlist read", func(w way) time.Duration { return w.listed.Sub(w.ended) }},
	} {
		b.report.add(row{what: f.what, samples: fmt.Sprintf("%d parts", len(ways)), ours: spread(pick(ways, f.of))})
	}
	return nil
}

// A way is a part's, from its last frame to a viewer.
type way struct {
	sent, listed time.Time
	put          // of its object
}

// A follower is a viewer of one media playlist who blocks for each part.
type follower struct {
	url   string
	parts []listedPart
	at    []time.Time // when each part was first seen
	known int         // parts in the first playlist, which were listed before it was asked for
}

// run follows the playlist to its end.
func (f *follower) run(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	url := f.url
	for {
		text, err := get(ctx, client, url)
		if err != nil {
			return err
		}
		p, err := parsePlaylist(text)
		if err != nil {
			return err
		}
		f.take(p, time.Now())
		if p.ended {
			return nil
		}
		url = fmt.Sprintf("%s?_HLS_msn=%d&_HLS_part=%d", f.url, p.msn, p.part)
	}
}

func (f *follower) take(p playlist, now time.Time) {
	for _, part := range p.parts {
		if n := len(f.parts); n == 0 || part.number > f.parts[n-1].number {
			f.parts = append(f.parts, part)
			f.at = append(f.at, now)
		}
	}
	if f.known == 0 {
		f.known = len(f.parts)
	}
}

// get reads a playlist, and waits while there is no broadcast yet.
func get(ctx context.Context, client *http.Client, url string) (string, error) {
	for {
		status, body, err := getOnce(ctx, client, url)
		switch {
		case err != nil:
			return "", err
		case status == http.StatusOK:
			return body, nil
		case status != http.StatusNotFound:
			return "", fmt.Errorf("get %s: status %d: %s", url, status, body)
		}
		if err := sleepUntil(ctx, time.Now().Add(playlistRetry)); err != nil {
			return "", err
		}
	}
}

func getOnce(ctx context.Context, client *http.Client, url string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// ways are those of the parts that were waited for. The last part is left out: it was closed by the
// end of the publish rather than by a frame.
func (f *follower) ways(p *publish, uploads *puts) ([]way, error) {
	ends, ok := partEnds(f.parts)
	if !ok {
		return nil, errors.New("the first playlist does not begin at the broadcast's first part: the machine is too busy")
	}
	places, sent := p.pictures()
	var ways []way
	for i, last := range lastFrames(places, ends) {
		if i < f.known || last < 0 {
			continue
		}
		upload, ok := uploads.of(hls.PartKey(p.broadcast, "source", f.parts[i].number, p.term))
		w := way{sent: sent[last], listed: f.at[i], put: upload}
		if !ok || upload.began.Before(w.sent) {
			return nil, fmt.Errorf("part %d was closed before frame %d was sent, which should be its last", i, last)
		}
		ways = append(ways, w)
	}
	if len(ways) < 3 {
		return nil, errFewParts
	}
	return ways, nil
}

// pictures are the places of the video frames, from the first one on, and when each was sent.
func (p *publish) pictures() (places []time.Duration, sent []time.Time) {
	for i, f := range p.frames {
		if f.Kind == ingest.Video && !f.Config {
			places = append(places, at(f))
			sent = append(sent, p.sent[i])
		}
	}
	for i := len(places) - 1; i >= 0; i-- {
		places[i] -= places[0]
	}
	return places, sent
}
