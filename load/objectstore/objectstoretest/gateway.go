package objectstoretest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// gatewayEnv names versitygw where it is not on the PATH.
const gatewayEnv = "ROLLCALL_TEST_VERSITYGW"

// Gateway is versitygw over a folder.
type Gateway struct {
	*Front
	Dir string // its objects, as files: Dir/BUCKET/KEY
}

// StartGateway starts versitygw until the test ends; versioned, its bucket keeps the versions of objects. Where it is not on this machine the test
// is skipped, but where ROLLCALL_TEST_VERSITYGW names it, it must be there: .ci/run does.
func StartGateway(t testing.TB, versioned bool) *Gateway {
	t.Helper()
	path, err := find()
	if err != nil {
		t.Skipf("versitygw is not on this machine (.ci/run tests installs it; %s or PATH names it): %v", gatewayEnv, err)
	}
	dir := t.TempDir()
	g := &Gateway{Dir: filepath.Join(dir, "objects")}
	address := freeAddress(t)
	args := []string{"--access", AccessKey, "--secret", SecretKey, "--region", "us-east-1", "--port", address, "posix", "--sidecar", filepath.Join(dir, "attributes")}
	if versioned {
		args = append(args, "--versioning-dir", filepath.Join(dir, "older"))
	}
	for _, d := range []string{"objects", "attributes", "older"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	launch(t, path, append(args, g.Dir), address)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address}) // the Host header stays, as it was signed
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { Cut() }
	g.Front = &Front{next: proxy}
	g.start(t)
	createBucket(t, address, versioned)
	return g
}

func find() (string, error) {
	if path := os.Getenv(gatewayEnv); path != "" {
		return path, nil
	}
	return exec.LookPath("versitygw")
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// launch starts the server and waits until it listens.
func launch(t testing.TB, path string, args []string, address string) {
	t.Helper()
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // it is stopped when the test ends, after what uses it
	if err := cmd.Start(); err != nil {
		t.Fatalf("versitygw: %v", err)
	}
	ended := make(chan struct{})
	var why error
	go func() {
		defer close(ended)
		why = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-ended
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if c, err := new(net.Dialer).DialContext(ctx, "tcp", address); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("versitygw ended: %v", why)
		case <-ctx.Done():
			t.Fatal("versitygw does not listen")
		case <-poll.C:
		}
	}
}

func createBucket(t testing.TB, address string, versioned bool) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + address), UsePathStyle: true, Region: "us-east-1", HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
	})
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(Bucket)})
	if err == nil && versioned {
		_, err = c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
			Bucket: aws.String(Bucket), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
	}
	if err != nil {
		t.Fatal(errors.Join(errors.New("make the bucket"), err))
	}
}
