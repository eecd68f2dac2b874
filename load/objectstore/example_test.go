package objectstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/rollcall-data/rollcall/load/objectstore"
	"github.com/rollcall-data/rollcall/load/objectstore/objectstoretest"
	"github.com/rollcall-data/rollcall/load/publish"
)

func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// sent 1 object
	// s3://warehouse/users/versions/20260101-040000-000000
}

func example(ctx context.Context) error {
	for name, value := range objectstoretest.Environment() { // credentials
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	server := httptest.NewServer(objectstoretest.NewFake())
	defer server.Close()

	s, err := objectstore.Open(ctx, objectstore.Options{URL: "s3://warehouse/users", Endpoint: server.URL, PathStyle: true})
	if err != nil {
		return err
	}
	defer s.Close()
	v, err := emptyVersion("20260101-040000-000000")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(v.Dir) }()
	report, err := s.Publish(ctx, v, objectstore.Terms{KeepFor: time.Hour, Now: time.Now(), Ours: func(string) bool { return true }})
	if err != nil {
		return err
	}
	fmt.Println("sent", report.Sent, "object")
	current, err := s.Current(ctx)
	if err != nil {
		return err
	}
	fmt.Println(current.URL)
	return nil
}

// emptyVersion is a version without tables, as publish.Warehouse.Current returns one.
func emptyVersion(run string) (publish.Version, error) {
	dir, err := os.MkdirTemp("", "version")
	if err != nil {
		return publish.Version{}, err
	}
	m := publish.Manifest{Format: 1, Run: run, Summary: json.RawMessage(`{"status":"certified"}`)}
	raw, err := json.Marshal(m)
	if err != nil {
		return publish.Version{}, err
	}
	return publish.Version{Run: run, Dir: dir, Manifest: m}, os.WriteFile(filepath.Join(dir, "manifest.json"), raw, 0o600)
}
