package objectstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// Options say where the copies are.
type Options struct {
	URL       string // s3://BUCKET/PREFIX
	Endpoint  string // of a server other than AWS; empty: as the AWS configuration says
	Region    string // empty: as the AWS configuration says, else us-east-1
	PathStyle bool   // the bucket is in the path of requests, not in the host's name
}

const (
	attempts      = 5
	maxBackoff    = 10 * time.Second
	dialTimeout   = 15 * time.Second
	answerTimeout = time.Minute

	// fallbackRegion is what servers other than AWS expect where nobody names one. AWS says so where it is wrong.
	fallbackRegion = "us-east-1"
)

// Store is a place for copies. It is for one goroutine.
type Store struct {
	client    *s3.Client
	transport *http.Transport
	bucket    string
	prefix    string // without a slash at its ends; may be empty

	multipart int64 // size above which an object is sent in parts
	part      int64 // least size of a part
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// ParseURL takes s3://BUCKET/PREFIX apart. The error is the reason alone, a phrase.
func ParseURL(s string) (bucket, prefix string, err error) {
	rest, found := strings.CutPrefix(s, "s3://")
	if !found {
		return "", "", errors.New("must be s3://BUCKET/PREFIX")
	}
	bucket, prefix, _ = strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	switch {
	case !bucketName.MatchString(bucket):
		return "", "", errors.New("names no bucket: 3 to 63 lower-case letters, digits, dots and hyphens")
	case prefix != "" && (path.Clean("/"+prefix) != "/"+prefix || url.PathEscape(prefix) != strings.ReplaceAll(prefix, "/", "%2F")):
		return "", "", errors.New("has a prefix that not every reader takes: letters, digits, dots, hyphens and underscores between single slashes")
	}
	return bucket, prefix, nil
}

// Open reads the AWS configuration. Nothing is asked of the server yet. Close must be called in the end.
func Open(ctx context.Context, o Options) (*Store, error) {
	return open(ctx, o, func() aws.Retryer {
		return retry.NewStandard(func(s *retry.StandardOptions) { s.MaxAttempts, s.MaxBackoff = attempts, maxBackoff })
	})
}

func open(ctx context.Context, o Options, retryer func() aws.Retryer) (*Store, error) {
	bucket, prefix, err := ParseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("object storage: %q %w", o.URL, err)
	}
	buildable := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answerTimeout })
	settings := []func(*config.LoadOptions) error{config.WithHTTPClient(buildable), config.WithRetryer(retryer), config.WithLogger(logging.Nop{})}
	if o.Region != "" {
		settings = append(settings, config.WithRegion(o.Region))
	}
	c, err := config.LoadDefaultConfig(ctx, settings...)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if c.Region == "" {
		c.Region = fallbackRegion
	}
	if b, ok := c.HTTPClient.(*awshttp.BuildableClient); ok { // with the certificates of AWS_CA_BUNDLE in it
		buildable = b
	}
	s := &Store{transport: buildable.GetTransport(), bucket: bucket, prefix: prefix, multipart: 64 << 20, part: 16 << 20}
	c.HTTPClient = &http.Client{Transport: s.transport, CheckRedirect: sameRequestAgain}
	s.client = s3.NewFromConfig(c, func(so *s3.Options) {
		so.UsePathStyle = o.PathStyle
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
		// Each request has the checksum that is wanted. What the SDK would add by itself, servers other than AWS may refuse.
		so.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	return s, nil
}

// sameRequestAgain follows what asks for the very same request elsewhere, as of a bucket that is new; any other redirection is an answer.
func sameRequestAgain(r *http.Request, via []*http.Request) error {
	again := r.Response.StatusCode == http.StatusTemporaryRedirect || r.Response.StatusCode == http.StatusPermanentRedirect
	if again && len(via) < attempts {
		return nil
	}
	return http.ErrUseLastResponse
}

// Close closes the connections.
func (s *Store) Close() { s.transport.CloseIdleConnections() }

// URL is s3://BUCKET/PREFIX.
func (s *Store) URL() string { return strings.TrimSuffix(s.url(""), "/") }

// key is the name of an object, by its path below the prefix.
func (s *Store) key(p string) string {
	if s.prefix == "" {
		return p
	}
	return s.prefix + "/" + p
}

func (s *Store) url(p string) string { return "s3://" + s.bucket + "/" + s.key(p) }

// leastRate is what an upload is to reach, bytes a second; below that, something is broken.
const leastRate = 128 << 10

// patience bounds one request with its repetitions.
func patience(ctx context.Context, bytes int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 2*time.Minute+time.Duration(bytes/leastRate)*time.Second)
}

// workers is how many requests are under way at once.
const workers = 4

// each calls do for 0 to n-1, several at once. The first error ends it.
func each(ctx context.Context, n int, do func(context.Context, int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	done := make(chan struct{}, workers)
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range next {
				if err := do(ctx, i); err != nil {
					stop(err)
				}
			}
		}()
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	for range workers {
		<-done
	}
	return context.Cause(ctx)
}
