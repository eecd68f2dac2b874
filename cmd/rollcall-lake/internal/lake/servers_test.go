package lake_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
)

const (
	accessKey = "lakekey"
	secretKey = "lakesecret123"
	bucket    = "lake"
)

// gateway starts an S3-compatible server with a bucket, and returns its address.
func gateway(t *testing.T) string {
	t.Helper()
	path := os.Getenv("ROLLCALL_TEST_VERSITYGW")
	if path == "" {
		var err error
		if path, err = exec.LookPath("versitygw"); err != nil {
			t.Skip("no versitygw on the PATH and no ROLLCALL_TEST_VERSITYGW")
		}
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "sidecar"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "objects"), 0o700); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--quiet", "--keep-alive", "--health", "/health", "--port", address, "posix", "--sidecar", filepath.Join(root, "sidecar"), filepath.Join(root, "objects"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+accessKey, "ROOT_SECRET_ACCESS_KEY="+secretKey)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	endpoint := "http://" + address
	await(t, endpoint+"/health")
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1", UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	return endpoint
}

func await(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not answer", url)
		case <-tick.C:
		}
	}
}

// onServer is what every kind of lake does alike.
func onServer(t *testing.T, p func(name string) place, races int) {
	t.Helper()
	t.Run("erase", func(t *testing.T) { eraseLeavesNoByte(t, p("erase")) })
	t.Run("maintain", func(t *testing.T) { maintenance(t, p("maintain")) })
	t.Run("kills", func(t *testing.T) { killed(t, p("kills"), 2) })
	t.Run("races", func(t *testing.T) { rounds(t, p("races"), races) })
}

func TestObjectStorage(t *testing.T) {
	endpoint := gateway(t)
	dir := t.TempDir()
	onServer(t, func(name string) place {
		return place{Settings: catalog.Settings{
			Kind: catalog.SQL, URI: catalog.Secret("sqlite:" + filepath.Join(dir, name+".db")), Location: fmt.Sprintf("s3://%s/%s", bucket, name),
			Endpoint: endpoint, Region: "us-east-1", PathStyle: true,
		}}
	}, 3)
}

// A database of ROLLCALL_TEST_POSTGRES is used as the catalog; each test has a namespace of its own, for its tables stay there.
func TestPostgres(t *testing.T) {
	uri := os.Getenv("ROLLCALL_TEST_POSTGRES")
	if uri == "" {
		t.Skip("no ROLLCALL_TEST_POSTGRES, the postgres:// address of a database")
	}
	onServer(t, unique(t, catalog.Settings{Kind: catalog.SQL, URI: catalog.Secret(uri), Location: "file://" + t.TempDir()}), 3)
}

// A REST catalog of ROLLCALL_TEST_ICEBERG_REST, which shares a folder with us: ROLLCALL_TEST_ICEBERG_REST_LOCATION, else a temporary one.
func TestREST(t *testing.T) {
	uri, location := os.Getenv("ROLLCALL_TEST_ICEBERG_REST"), os.Getenv("ROLLCALL_TEST_ICEBERG_REST_LOCATION")
	if uri == "" {
		t.Skip("no ROLLCALL_TEST_ICEBERG_REST, the http:// address of an Iceberg REST catalog")
	}
	if location == "" {
		location = "file://" + t.TempDir()
	}
	onServer(t, unique(t, catalog.Settings{Kind: catalog.REST, URI: catalog.Secret(uri), Location: location}), 3)
}

// unique gives lakes of one catalog, each in a namespace of its own.
func unique(t *testing.T, s catalog.Settings) func(string) place {
	began := time.Now().UnixNano()
	return func(name string) place {
		of := fmt.Sprintf("%s_%d", strings.ToLower(name), began)
		return place{s, of}
	}
}
