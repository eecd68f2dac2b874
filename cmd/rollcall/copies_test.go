package main

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/objectstore/objectstoretest"
)

// TestCommandsReachObjectStorage runs a sync and a replay, and rolls back with a bucket that refuses: exit 3, and what is outstanding is said.
func TestCommandsReachObjectStorage(t *testing.T) {
	t.Chdir(t.TempDir())
	bucket := objectstoretest.StartFake(t)
	s, err := sandbox.New(sandbox.Options{Users: 12, Org: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	address, err := s.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	env := map[string]string{
		"ROLLCALL_PUBLISH": "s3://" + objectstoretest.Bucket, "ROLLCALL_PUBLISH_ENDPOINT": bucket.URL, "ROLLCALL_PUBLISH_PATH_STYLE": "true", "ROLLCALL_RPM": "none",
	}
	for _, line := range s.Exports(address) {
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		env[name] = value
	}
	run := func(args ...string) (stdout, stderr string, err error) {
		out, messages := &collector{}, &collector{}
		a := &app{stdin: strings.NewReader(""), stdout: cli.Stream{Writer: out}, stderr: cli.Stream{Writer: messages}, env: func(name string) (string, bool) {
			v, ok := env[name]
			return v, ok
		}}
		err = a.execute(t.Context(), args)
		return out.String(), messages.String(), err
	}
	out, _, err := run("sync")
	if err != nil || !strings.Contains(out, "copy         ") || !strings.Contains(out, " at s3://warehouse: ") {
		t.Fatalf("sync: %v\n%s", err, out)
	}
	if _, _, err := run("backfill", "--replay"); err != nil {
		t.Fatalf("replay: %v", err)
	}
	bucket.Intercept(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		objectstoretest.Refuse(w, http.StatusForbidden, "AccessDenied")
	})
	_, messages, err := run("rollback")
	if !errors.Is(err, cli.ErrAttention) || !strings.Contains(messages, "\noutstanding: s3://warehouse: read s3://warehouse/current.json: made up by the test (AccessDenied); credentials come from ") {
		t.Errorf("rollback: %v\n%s", err, messages)
	}
	if strings.Contains(messages, objectstoretest.SecretKey) || strings.Contains(messages, objectstoretest.AccessKey) {
		t.Error("credentials are printed")
	}
	if left, err := filepath.Glob("warehouse/copies.json"); err != nil || len(left) != 1 {
		t.Errorf("where the copies are is not recorded: %v", err)
	}
}

func TestSummaryTellsOfCopies(t *testing.T) {
	version := "20260102-020000-000000"
	s := &pipeline.Summary{Status: pipeline.Certified, Version: &version, Copies: []pipeline.Copy{
		{URL: "s3://warehouse/users", Version: &version, Sent: 15, Bytes: 1_500_000},
		{URL: "s3://of-before", Outstanding: "there is no way"},
	}}
	text := summaryText(s, "w")
	for _, want := range []string{
		"copy         20260102-020000-000000 at s3://warehouse/users: 15 objects sent, 1.5 MB\n",
		"look at      s3://of-before: there is no way (the next run goes on with it)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if !s.NeedsPerson() {
		t.Error("an outstanding copy needs nobody")
	}
}
