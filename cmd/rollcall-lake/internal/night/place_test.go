package night

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// places are the places that tests run on: a folder, and where there is a versitygw, S3.
func places(t *testing.T) map[string]*Place {
	t.Helper()
	p, err := Open(t.Context(), t.TempDir(), ObjectStorage{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*Place{"folder": p}
	if program := versitygw(); program != "" {
		out["s3"] = s3Place(t, program)
	}
	return out
}

func versitygw() string {
	if named := os.Getenv("ROLLCALL_TEST_VERSITYGW"); named != "" {
		return named
	}
	path, err := exec.LookPath("versitygw")
	if err != nil {
		return ""
	}
	return path
}

// s3Place starts an S3-compatible server with a bucket.
func s3Place(t *testing.T, program string) *Place {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	cmd := exec.Command(program, "--quiet", "--port", address, "posix", t.TempDir())
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID=key", "ROOT_SECRET_ACCESS_KEY=secret-of-the-test")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p, err := Open(t.Context(), "s3://nights/a/prefix", ObjectStorage{Endpoint: "http://" + address, Region: "us-east-1", PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, err := p.store.(*bucket).client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("nights")})
		if err == nil {
			return p
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// TestOfManyOneCreates is what nights rest on.
func TestOfManyOneCreates(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			for round := range 10 {
				var created atomic.Int32
				var all sync.WaitGroup
				doc := fmt.Sprintf("nights/2026-11-23/results/%d.json", round)
				for i := range 8 {
					all.Go(func() {
						ours, err := p.createDoc(t.Context(), doc, map[string]int{"by": i})
						if err != nil {
							t.Error(err)
						}
						if ours {
							created.Add(1)
						}
					})
				}
				all.Wait()
				if n := created.Load(); n != 1 {
					t.Errorf("%d of 8 created the same document", n)
				}
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			var got map[string]int
			if err := p.readDoc(ctx, "nights/2026-11-23/plan.json", &got); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a document that is not there: %v", err)
			}
			for range 2 { // the second is a repetition whose answer was lost
				if ours, err := p.createDoc(ctx, "nights/2026-11-23/plan.json", map[string]int{"a": 1}); !ours || err != nil {
					t.Errorf("created %t, %v", ours, err)
				}
			}
			if ours, err := p.createDoc(ctx, "nights/2026-11-23/plan.json", map[string]int{"a": 2}); ours || err != nil {
				t.Errorf("another document is taken for ours: %t, %v", ours, err)
			}
			if err := p.readDoc(ctx, "nights/2026-11-23/plan.json", &got); err != nil || got["a"] != 1 {
				t.Errorf("%v, %v", got, err)
			}
			if nights, err := Nights(ctx, p); err != nil || !slices.Equal(nights, []string{"2026-11-23"}) {
				t.Errorf("nights %v, %v", nights, err)
			}
			for range 2 {
				if err := p.store.remove(ctx, "nights/2026-11-23/plan.json"); err != nil {
					t.Error(err)
				}
			}
			if there, err := p.isThere(ctx, "nights/2026-11-23/plan.json", &got); there || err != nil {
				t.Errorf("removed, and there: %t, %v", there, err)
			}
		})
	}
}

func TestAFolderHoldsNothingHalfWritten(t *testing.T) {
	dir := t.TempDir()
	p, err := Open(t.Context(), "file://"+dir, ObjectStorage{})
	if err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(dir, resultsOf("2026-11-23"))
	if err := os.MkdirAll(results, 0o700); err != nil {
		t.Fatal(err)
	}
	// What a writer that was killed leaves.
	if err := os.WriteFile(filepath.Join(results, ".new-1"), []byte(`{"org":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _, err := Outcomes(t.Context(), p, "2026-11-23"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", "s3://", "s3://key:secret@bucket/x", "https://bucket/x", "file://host/x", "file:///"} {
		_, err := Open(t.Context(), bad, ObjectStorage{})
		if wrong := new(UsageError); !errors.As(err, &wrong) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
