package objstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// DefaultRegion is what stores other than Amazon's take where no region is named.
	DefaultRegion = "us-east-1"
	// DefaultAttemptTimeout bounds one attempt of one request, its body included.
	DefaultAttemptTimeout = 10 * time.Second

	maxAttempts     = 3 // few: whoever uploads retries with its own patience
	maxBackoff      = 500 * time.Millisecond
	maxIdlePerHost  = 128 // at least the uploads under way at once, or each would dial anew
	idleTimeout     = 90 * time.Second
	dialTimeout     = 5 * time.Second
	deletesPerBatch = 1000 // the limit of DeleteObjects
)

// S3Options says which bucket, and how to reach it.
type S3Options struct {
	Bucket          string
	Endpoint        string // base URL of the service, addressed path-style; "" = Amazon's own
	Region          string // "" = DefaultRegion with an Endpoint; needed without one
	AccessKeyID     string
	SecretAccessKey string
	PublicURL       string        // base URL where anyone may GET the objects; "" = URL presigns
	AttemptTimeout  time.Duration // 0 = DefaultAttemptTimeout
}

// LogValue leaves the credentials out.
func (o S3Options) LogValue() slog.Value {
	return slog.GroupValue(slog.String("bucket", o.Bucket), slog.String("endpoint", o.Endpoint),
		slog.String("region", o.Region), slog.String("public_url", o.PublicURL))
}

// String leaves the credentials out.
func (o S3Options) String() string { return o.LogValue().String() }

// GoString leaves the credentials out, for %#v.
func (o S3Options) GoString() string { return o.String() }

func (o S3Options) withDefaults() S3Options {
	if o.Endpoint != "" {
		o.Region = cmp.Or(o.Region, DefaultRegion)
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	o.AttemptTimeout = cmp.Or(o.AttemptTimeout, DefaultAttemptTimeout)
	return o
}

// validate returns everything that is wrong, on one line.
func (o S3Options) validate() error {
	var wrong []string
	if o.Bucket == "" {
		wrong = append(wrong, "it has no name")
	}
	if o.Region == "" {
		wrong = append(wrong, "neither endpoint nor region is set")
	}
	if o.AccessKeyID == "" || o.SecretAccessKey == "" {
		wrong = append(wrong, "the access key id and the secret access key must both be set")
	}
	if o.Endpoint != "" && !isBaseURL(o.Endpoint) {
		wrong = append(wrong, fmt.Sprintf("the endpoint %q is not of the form https://host[:port][/path]", o.Endpoint))
	}
	if o.PublicURL != "" && !isBaseURL(o.PublicURL) {
		wrong = append(wrong, fmt.Sprintf("the public URL %q is not of the form https://host[:port][/path]", o.PublicURL))
	}
	if wrong == nil {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}

func isBaseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// S3 is a Store in a bucket of a service that speaks S3. An object is durable once the service
// has acknowledged it. Each request is tried up to three times, each attempt with its own timeout,
// as long as ctx allows; a Put with PutOptions.Once is tried once.
//
// It speaks HTTP/1.1, one request to a connection: uploads that shared one HTTP/2 connection would all
// wait for one lost packet, and the second request of an upload that hangs would hang with the first.
type S3 struct {
	options S3Options
	client  *s3.Client
	http    *http.Client
	urls    *presigner
}

var _ Store = (*S3)(nil)

// OpenS3 returns the store of o's bucket. It does not connect; Check does.
func OpenS3(o S3Options) (*S3, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("bucket %q: %w", o.Bucket, err)
	}
	s := &S3{options: o, http: httpClient(o.AttemptTimeout)}
	s.client = s3.New(s3.Options{
		Region:       o.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, ""),
		HTTPClient:   s.http,
		Retryer:      retryer(),
		BaseEndpoint: stringOrNil(o.Endpoint),
		UsePathStyle: o.Endpoint != "",
		// The signature covers the body's SHA-256. Checksums beside it would add nothing, and
		// not every service that speaks S3 knows them.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		// "Expect: 100-continue" would cost each segment a round trip.
		ContinueHeaderThresholdBytes: -1,
	})
	bucketURL, err := locate(s.client, o.Bucket)
	if err != nil {
		return nil, fmt.Errorf("bucket %q: %w", o.Bucket, err)
	}
	s.urls = newPresigner(bucketURL, o)
	return s, nil
}

// httpClient returns a client with a pool of its own. Redirects are not followed: a service answers
// with one where the region or the endpoint is wrong, and a followed PUT would become a GET.
func httpClient(attempt time.Duration) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Client{
		Timeout:       attempt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:   dialTimeout,
			Protocols:             &protocols,
			MaxIdleConnsPerHost:   maxIdlePerHost,
			IdleConnTimeout:       idleTimeout,
			ExpectContinueTimeout: time.Second,
		},
	}
}

func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.MaxBackoff = maxBackoff
		// The SDK's quota of retries would make the first parts after an outage fail at once.
		o.RateLimiter = ratelimit.None
	})
}

// Close closes idle connections.
func (s *S3) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

// Put stores body under key.
func (s *S3) Put(ctx context.Context, key string, body []byte, o PutOptions) error {
	if err := ready(ctx, key); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	o = o.withDefaults(key)
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:       &s.options.Bucket,
		Key:          &key,
		Body:         bytes.NewReader(body), // seekable: the signature needs two passes, a retry another
		ContentType:  &o.ContentType,
		CacheControl: &o.CacheControl,
	}, attempts(o))
	if err != nil {
		return fmt.Errorf("put %q: %w", key, cause(ctx, err))
	}
	return nil
}

// attempts sets how often a Put is tried.
func attempts(o PutOptions) func(*s3.Options) {
	return func(c *s3.Options) {
		if o.Once {
			c.Retryer = aws.NopRetryer{}
		}
	}
}

// Get returns the object under key.
func (s *S3) Get(ctx context.Context, key string) ([]byte, error) {
	if err := ready(ctx, key); err != nil {
		return nil, fmt.Errorf("get %q: %w", key, err)
	}
	body, err := s.get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get %q: %w", key, cause(ctx, err))
	}
	return body, nil
}

func (s *S3) get(ctx context.Context, key string) ([]byte, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.options.Bucket, Key: &key})
	if _, ok := errors.AsType[*types.NoSuchKey](err); ok {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Body.Close() }()
	size := aws.ToInt64(out.ContentLength)
	if out.ContentLength == nil || size < 0 || size > MaxGet {
		return nil, ErrTooLarge // or of unknown size, which no store that speaks S3 leaves open
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(out.Body, body); err != nil {
		return nil, err
	}
	return body, nil
}

// Delete removes the objects under keys, 1000 in a request.
func (s *S3) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := ready(ctx, key); err != nil {
			return fmt.Errorf("delete %q: %w", key, err)
		}
	}
	for batch := range slices.Chunk(keys, deletesPerBatch) {
		if err := s.deleteBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (s *S3) deleteBatch(ctx context.Context, keys []string) error {
	ids := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		ids[i].Key = aws.String(key)
	}
	out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &s.options.Bucket,
		Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}, // quiet: the answer names failures only
	})
	if err != nil {
		return fmt.Errorf("delete %q and %d more: %w", keys[0], len(keys)-1, cause(ctx, err))
	}
	for _, e := range out.Errors {
		if aws.ToString(e.Code) != "NoSuchKey" {
			return fmt.Errorf("delete %q: %s: %s", aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
		}
	}
	return nil
}

// List calls fn for each object whose key begins with prefix. Objects that others put there under
// keys a Store refuses are left out.
func (s *S3) List(ctx context.Context, prefix string, fn func(Object) bool) error {
	if err := validPrefix(prefix); err != nil {
		return err
	}
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.options.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list %q: %w", prefix, cause(ctx, err))
		}
		for _, o := range page.Contents {
			key := aws.ToString(o.Key)
			if !isKey(key) {
				continue
			}
			if !fn(Object{Key: key, Size: aws.ToInt64(o.Size), ModTime: aws.ToTime(o.LastModified)}) {
				return nil
			}
		}
	}
	return nil
}

// URL returns the public URL of key where there is one, and otherwise a presigned one that holds
// for 6 h from the beginning of now's hour.
func (s *S3) URL(key string, now time.Time) (string, error) {
	if err := ValidKey(key); err != nil {
		return "", err
	}
	if s.options.PublicURL != "" {
		return s.options.PublicURL + "/" + escapeKey(key), nil
	}
	return s.urls.url(key, now)
}

// Check tells whether the bucket can be written and read.
func (s *S3) Check(ctx context.Context) error {
	if err := check(ctx, s); err != nil {
		where := cmp.Or(s.options.Endpoint, "Amazon S3, region "+s.options.Region)
		return fmt.Errorf("bucket %q at %s: %w", s.options.Bucket, where, explain(err))
	}
	return nil
}

// cause is the reason for which ctx ended, where that is why err came about.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return err
}

func stringOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
