package journal_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/journal"
)

// The journal is the recorder under the HTTP client.
var _ = extract.Options{Recorder: (*journal.Journal)(nil)}

// A run asks for a page, dies, and goes on where it was.
func Example() {
	root, err := os.MkdirTemp("", "journal")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	ctx := context.Background()
	now := time.Date(2025, 3, 1, 2, 0, 0, 0, time.UTC)
	dir := filepath.Join(root, "20250301T020000Z")
	page := extract.Call{Org: "acme", Kind: extract.KindList, Method: "GET", Path: "/v1/acme/user/", Query: url.Values{"limit": {"100"}}}

	j, err := journal.Create(dir, journal.Header{Run: "20250301T020000Z", Started: now})
	if err != nil {
		panic(err)
	}
	if err := j.Record(ctx, page, extract.Answer{Status: 200, Body: []byte(`{"users":[]}`), At: now}, true); err != nil {
		panic(err)
	}
	if err := j.Close(); err != nil {
		panic(err)
	}

	j, report, err := journal.Resume(ctx, dir, journal.ResumeOptions{Now: now.Add(time.Hour)})
	if err != nil {
		panic(err)
	}
	a, ok := j.Recorded(page)
	fmt.Println(report.Answers, ok, string(a.Body))
	_, ok = j.Recorded(page)
	fmt.Println(ok)
	if err := j.Seal(); err != nil {
		panic(err)
	}
	fmt.Println(journal.Check(ctx, dir))
	// Output:
	// 1 true {"users":[]}
	// false
	// <nil>
}
