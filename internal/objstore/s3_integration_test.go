//go:build integration

package objstore_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pharos-live/pharos/internal/objstore"
	"github.com/pharos-live/pharos/internal/objstore/objstoretest"
)

func TestS3_Conforms(t *testing.T) {
	t.Parallel()
	g := objstoretest.VersityGW(t)
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		return openS3(t, g.Options(g.Bucket(t)))
	})
}

func TestS3_APublicURLNeedsNoSignature(t *testing.T) {
	t.Parallel()
	g := objstoretest.VersityGW(t)
	bucket, base := g.PublicBucket(t)
	o := g.Options(bucket)
	o.PublicURL = base
	s := openS3(t, o)
	for _, key := range []string{"b/source/p1.7.m4s", "b/plus+and%20percent%/日本語?#&.m4s"} {
		if err := s.Put(t.Context(), key, []byte("part"), objstore.PutOptions{}); err != nil {
			t.Fatalf("Put %q: %v", key, err)
		}
		u := mustURL(t, s, key, time.Now())
		if strings.Contains(u, "X-Amz") {
			t.Errorf("%s is signed", u)
		}
		resp := fetch(t, u)
		got := []string{resp.Status, resp.Header.Get("Content-Type"), resp.Header.Get("Cache-Control"), resp.Header.Get("Access-Control-Allow-Origin")}
		want := []string{"200 OK", "video/mp4", "public, max-age=31536000, immutable", "*"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", u, diff)
		}
	}
	if resp := fetch(t, mustURL(t, s, "b/source/p2.7.m4s", time.Now())); resp.StatusCode == http.StatusOK {
		t.Error("an object that was never put was found")
	}
}

// fetch does what a page on another origin does with u, and returns the answer without its body.
func fetch(t *testing.T, u string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		t.Fatalf("GET %s: %v", u, err)
	}
	r.Header.Set("Origin", "https://page.example")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("GET %s: %v", u, err)
	}
	_ = resp.Body.Close()
	return resp
}

func TestS3_CheckAgainstARealService(t *testing.T) {
	t.Parallel()
	g := objstoretest.VersityGW(t)
	bucket := g.Bucket(t)
	tests := []struct {
		name string
		bad  func(*objstore.S3Options)
		want string
	}{
		{
			"a wrong secret", func(o *objstore.S3Options) { o.SecretAccessKey = "a-wrong-secret" },
			"the secret access key does not belong to the access key id (SignatureDoesNotMatch)",
		},
		{
			"an unknown access key", func(o *objstore.S3Options) { o.AccessKeyID = "nobody" },
			"the access key id is unknown there (XAdminUserNotFound)",
		},
		{
			"a missing bucket", func(o *objstore.S3Options) { o.Bucket = "no-such-bucket" },
			"there is no such bucket (NoSuchBucket)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := g.Options(bucket)
			tt.bad(&o)
			err := openS3(t, o).Check(t.Context())
			want := `bucket "` + o.Bucket + `" at ` + g.Endpoint + ": " + tt.want
			if err == nil || err.Error() != want {
				t.Errorf("\n got %v\nwant %s", err, want)
			}
		})
	}
}

func TestS3_AnonymousReadersNeedASignatureWithoutAPublicBucket(t *testing.T) {
	t.Parallel()
	g := objstoretest.VersityGW(t)
	s := openS3(t, g.Options(g.Bucket(t)))
	if err := s.Put(t.Context(), "b/source/p1.7.m4s", []byte("part"), objstore.PutOptions{}); err != nil {
		t.Fatalf("Put: %v", err)
	}
	signed := mustURL(t, s, "b/source/p1.7.m4s", time.Now())
	bare, _, _ := strings.Cut(signed, "?")
	for name, tt := range map[string]struct {
		url  string
		want int
	}{
		"signed":   {signed, http.StatusOK},
		"unsigned": {bare, http.StatusForbidden},
		"tampered": {strings.Replace(signed, "p1.7", "p2.7", 1), http.StatusForbidden},
		"expired":  {mustURL(t, s, "b/source/p1.7.m4s", time.Now().Add(-7*time.Hour)), http.StatusForbidden},
	} {
		resp := fetch(t, tt.url)
		if resp.StatusCode != tt.want {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, tt.want)
		}
	}
}
