package objectstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/load/objectstore/objectstoretest"
	"github.com/rollcall-data/rollcall/load/publish"
)

// part names what a process of this test is to do instead of testing: the endpoint and the folder of a version.
const part = "ROLLCALL_TEST_PART"

func TestMain(m *testing.M) {
	if role := os.Getenv(part); role != "" {
		endpoint, dir, _ := strings.Cut(role, "\n")
		if err := publishOnce(endpoint, dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func publishOnce(endpoint, dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return err
	}
	v := publish.Version{Dir: dir}
	if err := json.Unmarshal(raw, &v.Manifest); err != nil {
		return err
	}
	v.Run = v.Manifest.Run
	s, err := open(context.Background(), Options{URL: place, Endpoint: endpoint, PathStyle: true}, hasty)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Publish(context.Background(), v, terms())
	return err
}

const place = "s3://" + objectstoretest.Bucket + "/data/users"

// hasty tries as often as the real one, and does not wait.
func hasty() aws.Retryer {
	return retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts, s.MaxBackoff, s.RateLimiter = attempts, time.Millisecond, noLimit{}
	})
}

// noLimit lets every repetition through.
type noLimit struct{}

func (noLimit) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}

func (noLimit) AddTokens(uint) error { return nil }

var clock = time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)

// terms are of a warehouse that has no other versions.
func terms() Terms {
	return Terms{KeepFor: time.Hour, Now: clock, Ours: func(string) bool { return false }}
}

func store(t *testing.T, endpoint string) *Store {
	t.Helper()
	s, err := open(t.Context(), Options{URL: place, Endpoint: endpoint, PathStyle: true}, hasty)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

const run1, run2, run3 = "20260101-040000-000000", "20260102-040000-000000", "20260103-040000-000000"

// version makes a version of random files, the first of this many bytes. One with erasures was rewritten so often.
func version(t *testing.T, run string, bytes, erasures int) publish.Version {
	t.Helper()
	v := publish.Version{Run: run, Dir: filepath.Join(t.TempDir(), run), Manifest: publish.Manifest{
		Format: 1, Run: run, CreatedAt: "2026-01-01T04:00:00Z", Tables: []publish.TableEntry{{Name: "roles", Rows: 1}, {Name: "users", Rows: 2}},
		Summary:  json.RawMessage(`{"run_id":"x","status":"certified","source":"amigo","orgs":["acme"],"users":2,"certificate":{"certified":true,"proof":"count","as":"somebody","reasons":[],"users_sha256":"abc"}}`),
		Erasures: make([]publish.Erasure, erasures),
	}}
	for i, path := range []string{"users.duckdb", "parquet/roles/part-00000.parquet", "parquet/users/part-00000.parquet", "parquet/users/part-00001.parquet"} {
		body := make([]byte, max(bytes>>(4*i), 10))
		for j := range body {
			body[j] = byte(rand.Uint32())
		}
		sum := sha256.Sum256(body)
		v.Manifest.Files = append(v.Manifest.Files, publish.FileEntry{Path: path, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])})
		write(t, filepath.Join(v.Dir, path), body)
	}
	sum := sha256.Sum256([]byte(fmt.Sprint(v.Manifest.Files)))
	v.Manifest.SHA256 = hex.EncodeToString(sum[:])
	raw, err := json.Marshal(v.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(v.Dir, "manifest.json"), raw)
	return v
}

func write(t *testing.T, path string, body []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// readable follows current.json as a reader does, through read, and compares what it leads to with the version's files. It returns the run it
// names; empty where there is no current.json.
func readable(t *testing.T, read func(key string) ([]byte, bool), versions ...publish.Version) string {
	t.Helper()
	raw, ok := read("data/users/current.json")
	if !ok {
		return ""
	}
	var p struct {
		Run      string `json:"run_id"`
		Database string `json:"users_duckdb"`
		Manifest string `json:"manifest"`
		Tables   map[string]struct {
			Parquet []string `json:"parquet"`
		} `json:"tables"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	urls := append([]string{p.Database, p.Manifest}, p.Tables["roles"].Parquet...)
	urls = append(urls, p.Tables["users"].Parquet...)
	for _, v := range versions {
		if v.Run != p.Run {
			continue
		}
		if len(urls) != 5 || len(p.Tables) != 2 {
			t.Fatalf("current.json leads to %d files of %d tables", len(urls), len(p.Tables))
		}
		for _, u := range urls {
			key := strings.TrimPrefix(u, "s3://"+objectstoretest.Bucket+"/")
			_, path, _ := strings.Cut(strings.TrimPrefix(key, "data/users/versions/"), "/")
			want, err := os.ReadFile(filepath.Join(v.Dir, path))
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := read(key); !ok || string(got) != string(want) {
				t.Errorf("%s, which current.json leads to, is not there or not whole", u)
			}
		}
		return p.Run
	}
	t.Fatalf("current.json names run %s", p.Run)
	return ""
}
