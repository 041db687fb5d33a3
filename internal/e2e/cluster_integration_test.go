//go:build integration

package e2e_test

import (
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/objstore/objstoretest"
	"github.com/pharos-live/pharos/internal/registry/registrytest"
)

// secret is long enough for PHAROS_SECRET.
const secret = "a-secret-of-the-tests-and-of-nobody-else"

func redisServer(t *testing.T) string { return registrytest.RedisServer(t).URL() }

func TestCluster_AnyServerServesFromTheBucketAlone(t *testing.T) {
	for _, public := range []bool{true, false} {
		name := "presigned URLs"
		if public {
			name = "public bucket"
		}
		t.Run(name, func(t *testing.T) { testCluster(t, public) })
	}
}

func testCluster(t *testing.T, public bool) {
	need(t, "redis-server")
	s3 := objstoretest.VersityGW(t)
	bucket, base := s3.PublicBucket(t)
	settings := []string{
		"REDIS_URL=" + redisServer(t), "PHAROS_SECRET=" + secret,
		"BUCKET_MEDIA=" + bucket, "AWS_ENDPOINT_URL_S3=" + s3.Endpoint, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=" + s3.Access, "AWS_SECRET_ACCESS_KEY=" + s3.Secret,
	}
	if public {
		settings = append(settings, "PHAROS_MEDIA_URL="+base)
	}
	edge := append(settings, "PHAROS_RTMP_ADDR=off")
	a, b, c := serve(t, settings...), serve(t, edge...), serve(t, edge...)
	publish(t, a.rtmp+"/"+a.key(t, "far"))

	w := watcher{base: b.http}
	videos, audio := renditions(w.master(t, "far"))
	watcher{base: c.http}.master(t, "far")
	fromBucket(t, w, s3.Endpoint, append(videos, audio))

	c.signal(syscall.SIGKILL)
	fromBucket(t, w, s3.Endpoint, append(videos, audio))

	late := serve(t, edge...)
	began := time.Now()
	if got := get(t, late.http+videos[0]); got.status != 200 {
		t.Errorf("a server that came in mid-broadcast answers %d", got.status)
	}
	t.Logf("a late server's first playlist took %v", time.Since(began))
	fromBucket(t, watcher{base: late.http}, s3.Endpoint, append(videos, audio))
	if strings.Contains(b.output(), "passed through") {
		t.Error("a segment passed through the edge")
	}
}

// fromBucket checks that every segment and part listed now comes from the
// bucket, by one redirect.
func fromBucket(t *testing.T, w watcher, endpoint string, uris []string) {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, uri := range uris {
		m := w.media(t, uri)
		listed := []string{m.Map.URI}
		for _, s := range m.Segments {
			listed = append(listed, s.URI)
			for _, p := range s.Parts {
				listed = append(listed, p.URI)
			}
		}
		for _, p := range m.Parts {
			listed = append(listed, p.URI)
		}
		if m.PreloadHint != nil {
			listed = append(listed, m.PreloadHint.URI)
		}
		if len(listed) < 4 {
			t.Errorf("%s lists only %v", uri, listed)
		}
		for _, l := range listed {
			a := get(t, w.base+path(t, uri, l))
			if a.status != 200 || a.host != u.Host || a.redirects != 1 || len(a.body) == 0 {
				t.Errorf("%s of %s: %d from %s after %d redirects, %d bytes; want 200 from %s after one", l, uri, a.status, a.host, a.redirects, len(a.body), u.Host)
			}
		}
	}
}
