package objstore

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// presignedFor is how long a presigned URL holds, from the beginning of the hour it was made in.
	presignedFor = 6 * time.Hour
	// presignEvery is what the signing time is rounded down to.
	presignEvery = time.Hour
	// maxPresigned bounds the URLs that are remembered: a few hundred bytes each. An hour of a
	// broadcast with four renditions in parts of 333 ms makes about 43,000 parts, but only the
	// newest are asked for again and again.
	maxPresigned = 8192
)

// presigner makes presigned GET URLs and remembers this hour's, as each is asked for once a viewer.
// It is safe for concurrent use.
//
// It calls the SDK's signer directly: the SDK's PresignClient cannot be told the time, and spends
// ten times as long on resolving the same endpoint for every key (BenchmarkS3_URL).
type presigner struct {
	bucketURL   string // where the bucket's keys begin, without a slash at the end
	region      string
	credentials aws.Credentials
	signer      *v4.Signer

	mu   sync.Mutex        // guards what follows; not held while signing
	hour time.Time         // when the remembered URLs were signed
	made map[string]string // key → URL
}

func newPresigner(bucketURL string, o S3Options) *presigner {
	return &presigner{
		bucketURL:   bucketURL,
		region:      o.Region,
		credentials: aws.Credentials{AccessKeyID: o.AccessKeyID, SecretAccessKey: o.SecretAccessKey},
		signer:      v4.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true }), // S3's paths are escaped once
		made:        make(map[string]string),
	}
}

// locate asks the SDK where the keys of a bucket begin: by host or by path, as c's options have it.
func locate(c *s3.Client, bucket string) (string, error) {
	const key = "key"
	r, err := s3.NewPresignClient(c).PresignGetObject(context.Background(), // no I/O: the credentials are at hand
		&s3.GetObjectInput{Bucket: &bucket, Key: aws.String(key)})
	if err != nil {
		return "", err
	}
	u, _, _ := strings.Cut(r.URL, "?")
	return strings.TrimSuffix(u, "/"+key), nil
}

// url returns the URL of an object that everyone makes who has the same credentials, in now's hour.
func (p *presigner) url(key string, now time.Time) (string, error) {
	hour := now.UTC().Truncate(presignEvery)
	if u, ok := p.remembered(hour, key); ok {
		return u, nil
	}
	u, err := p.sign(key, hour)
	if err != nil {
		return "", fmt.Errorf("presign %q: %w", key, err)
	}
	p.remember(hour, key, u)
	return u, nil
}

func (p *presigner) sign(key string, at time.Time) (string, error) {
	query := fmt.Sprintf("?X-Amz-Expires=%d", int(presignedFor.Seconds()))
	r, err := http.NewRequest(http.MethodGet, p.bucketURL+"/"+escapeKey(key)+query, nil)
	if err != nil {
		return "", err
	}
	const unsigned = "UNSIGNED-PAYLOAD" // a GET has none
	u, _, err := p.signer.PresignHTTP(context.Background(), p.credentials, r, unsigned, "s3", p.region, at)
	return u, err
}

func (p *presigner) remembered(hour time.Time, key string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.hour.Equal(hour) {
		return "", false
	}
	u, ok := p.made[key]
	return u, ok
}

// remember keeps u. A new hour, or too many, begins anew: rare enough to need no more care.
func (p *presigner) remember(hour time.Time, key, u string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.hour.Equal(hour) || len(p.made) >= maxPresigned {
		p.hour = hour
		clear(p.made)
	}
	p.made[key] = u
}
