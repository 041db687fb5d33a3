package objstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pharos-live/pharos/internal/objstore"
)

// noon is the beginning of an hour.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// options are good options for a bucket at endpoint.
func options(endpoint string) objstore.S3Options {
	return objstore.S3Options{
		Bucket: "media", Endpoint: endpoint, Region: "auto", AccessKeyID: "AKID", SecretAccessKey: "hush-hush",
		AttemptTimeout: 5 * time.Second,
	}
}

func openS3(t *testing.T, o objstore.S3Options) *objstore.S3 {
	t.Helper()
	s, err := objstore.OpenS3(o)
	if err != nil {
		t.Fatalf("OpenS3: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustURL(t *testing.T, s objstore.Store, key string, now time.Time) string {
	t.Helper()
	u, err := s.URL(key, now)
	if err != nil {
		t.Fatalf("URL of %q: %v", key, err)
	}
	return u
}

func TestOpenS3_SaysAllThatIsWrongOnOneLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		bad  func(*objstore.S3Options)
		want string
	}{
		{"no bucket", func(o *objstore.S3Options) { o.Bucket = "" }, `bucket "": it has no name`},
		{"nowhere", func(o *objstore.S3Options) { o.Endpoint, o.Region = "", "" }, `bucket "media": neither endpoint nor region is set`},
		{
			"half a credential, and more", func(o *objstore.S3Options) { o.SecretAccessKey, o.Endpoint = "", "localhost:9000" },
			`bucket "media": the access key id and the secret access key must both be set; the endpoint "localhost:9000" is not of the form https://host[:port][/path]`,
		},
		{"public URL", func(o *objstore.S3Options) { o.PublicURL = "/media" }, `bucket "media": the public URL "/media" is not of the form https://host[:port][/path]`},
	}
	for _, tt := range tests {
		o := options("https://s3.example")
		tt.bad(&o)
		_, err := objstore.OpenS3(o)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s:\n got %v\nwant %s", tt.name, err, tt.want)
		}
	}
}

func TestS3Options_PrintNoSecrets(t *testing.T) {
	t.Parallel()
	o := options("https://s3.example")
	for _, got := range []string{fmt.Sprint(o), fmt.Sprintf("%+v %#v", o, o), o.LogValue().String()} {
		if strings.Contains(got, o.SecretAccessKey) || strings.Contains(got, o.AccessKeyID) || !strings.Contains(got, o.Endpoint) {
			t.Errorf("printed as %s", got)
		}
	}
}

func TestS3_URLIsTheSameOnAllServersForAnHour(t *testing.T) {
	t.Parallel()
	const key = "01J/source/p12.1700000000000.m4s"
	a, b := openS3(t, options("https://s3.example")), openS3(t, options("https://s3.example/"))
	first := mustURL(t, a, key, noon)
	for _, now := range []time.Time{noon, noon.Add(time.Minute), noon.Add(time.Hour - 1), noon.In(time.FixedZone("", 19800)).Add(time.Minute)} {
		for name, s := range map[string]*objstore.S3{"same server": a, "other server": b} {
			if got := mustURL(t, s, key, now); got != first {
				t.Errorf("%s at %v:\n got %s\nwant %s", name, now, got, first)
			}
		}
	}
	if next := mustURL(t, a, key, noon.Add(time.Hour)); next == first {
		t.Errorf("the next hour has the same URL %s", next)
	}
	if again := mustURL(t, a, key, noon.Add(time.Minute)); again != first {
		t.Errorf("back in the hour:\n got %s\nwant %s", again, first)
	}
	if other := mustURL(t, a, "01J/source/p13.1700000000000.m4s", noon); other == first {
		t.Error("two keys have the same URL")
	}
}

func TestS3_URLHoldsSixHoursFromTheHour(t *testing.T) {
	t.Parallel()
	s := openS3(t, options("https://s3.example:8443"))
	u, err := url.Parse(mustURL(t, s, "01J/audio/s4.7.m4s", noon.Add(59*time.Minute)))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	if got, want := u.Scheme+"://"+u.Host+u.Path, "https://s3.example:8443/media/01J/audio/s4.7.m4s"; got != want {
		t.Errorf("the URL leads to %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"X-Amz-Date": "20261122T120000Z", "X-Amz-Expires": "21600", "X-Amz-SignedHeaders": "host",
		"X-Amz-Credential": "AKID/20261122/auto/s3/aws4_request",
	} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestS3_PublicURL(t *testing.T) {
	t.Parallel()
	o := options("https://s3.example")
	o.PublicURL = "https://cdn.example/live/"
	s := openS3(t, o)
	if got, want := mustURL(t, s, "01J/source/a b+c%.m4s", noon), "https://cdn.example/live/01J/source/a%20b%2Bc%25.m4s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestS3_AmazonsOwnBucketsAreHosts(t *testing.T) {
	t.Parallel()
	o := options("")
	o.Region = "eu-central-1"
	u := mustURL(t, openS3(t, o), "01J/p1.m4s", noon)
	if want := "https://media.s3.eu-central-1.amazonaws.com/01J/p1.m4s?"; !strings.HasPrefix(u, want) {
		t.Errorf("got %s, want it to begin with %s", u, want)
	}
}

// service is a server that answers as an S3 service in trouble would.
func service(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func refuse(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>The message.\nOn two lines.</Message></Error>", code)
	}
}

func TestS3_CheckExplainsOnOneLine(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	tests := []struct{ name, endpoint, want string }{
		{"no bucket", service(t, refuse(404, "NoSuchBucket")), "there is no such bucket (NoSuchBucket)"},
		{"unknown key", service(t, refuse(403, "InvalidAccessKeyId")), "the access key id is unknown there (InvalidAccessKeyId)"},
		{"wrong secret", service(t, refuse(403, "SignatureDoesNotMatch")), "the secret access key does not belong to the access key id (SignatureDoesNotMatch)"},
		{"no rights", service(t, refuse(403, "AccessDenied")), "the access key may not write and read there (AccessDenied)"},
		{"elsewhere", service(t, refuse(301, "PermanentRedirect")), "the bucket is in another region, or at another endpoint (PermanentRedirect)"},
		{"something else", service(t, refuse(400, "Strange")), "refused: Strange: The message. On two lines."},
		{"nobody there", closed.URL, "unreachable: connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := openS3(t, options(tt.endpoint)).Check(t.Context())
			if want := `bucket "media" at ` + tt.endpoint + ": " + tt.want; err == nil || err.Error() != want {
				t.Errorf("\n got %v\nwant %s", err, want)
			}
		})
	}
}

func TestS3_AHangingAttemptIsGivenUpAndTriedAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	release := make(chan struct{})
	endpoint := service(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if asked.Add(1) == 1 {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(http.StatusOK)
	})
	t.Cleanup(func() { close(release) })
	o := options(endpoint)
	o.AttemptTimeout = 500 * time.Millisecond
	if err := openS3(t, o).Put(t.Context(), "b/k", []byte("body"), objstore.PutOptions{}); err != nil {
		t.Errorf("Put: %v", err)
	}
	if got := asked.Load(); got < 2 { // more where the machine is busy
		t.Errorf("%d attempts, want another after the one that hung", got)
	}
}

func TestS3_GivesUpAfterThreeAttempts(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	endpoint := service(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		refuse(503, "SlowDown")(w, r)
	})
	if err := openS3(t, options(endpoint)).Put(t.Context(), "b/k", []byte("body"), objstore.PutOptions{}); err == nil {
		t.Error("Put: nil, want an error")
	}
	if got, want := asked.Load(), int32(3); got != want {
		t.Errorf("%d attempts, want %d", got, want)
	}
}

// TestS3_OncePutsOnce: the packager's retries and the SDK's would multiply.
func TestS3_OncePutsOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	endpoint := service(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		refuse(503, "SlowDown")(w, r)
	})
	if err := openS3(t, options(endpoint)).Put(t.Context(), "b/k", []byte("body"), objstore.PutOptions{Once: true}); err == nil {
		t.Error("Put: nil, want an error")
	}
	if got := asked.Load(); got != 1 {
		t.Errorf("%d attempts, want 1", got)
	}
}

func TestS3_TheDeadlineIsTheCallers(t *testing.T) {
	t.Parallel()
	endpoint := service(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	fenced := errors.New("fenced")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, fenced)
	defer cancel()
	began := time.Now()
	err := openS3(t, options(endpoint)).Put(ctx, "b/k", []byte("body"), objstore.PutOptions{})
	if !errors.Is(err, fenced) {
		t.Errorf("Put: %v, want %v", err, fenced)
	}
	if took := time.Since(began); took > 4*time.Second { // the attempt's own limit is 5 s
		t.Errorf("Put took %v with 100ms to go", took)
	}
}

func TestS3_ReportsWhatADeleteLeft(t *testing.T) {
	t.Parallel()
	endpoint := service(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `<DeleteResult><Error><Key>b/1</Key><Code>NoSuchKey</Code></Error>`+
			`<Error><Key>b/2</Key><Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>`)
	})
	err := openS3(t, options(endpoint)).Delete(t.Context(), "b/1", "b/2")
	if want := `delete "b/2": AccessDenied: locked`; err == nil || err.Error() != want {
		t.Errorf("Delete: %v, want %s", err, want)
	}
}

func BenchmarkS3_URL(b *testing.B) {
	s, err := objstore.OpenS3(options("https://s3.example"))
	if err != nil {
		b.Fatalf("OpenS3: %v", err)
	}
	for _, bench := range []struct {
		name string
		key  func(i int) string
	}{
		{"remembered", func(int) string { return "01J/source/p1.7.m4s" }},
		{"new", func(i int) string { return fmt.Sprintf("01J/source/p%d.7.m4s", i) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				if _, err := s.URL(bench.key(i), noon); err != nil {
					b.Fatalf("URL: %v", err)
				}
			}
		})
	}
}
