package main

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
)

// collector is a stream that tells when it was written to.
type collector struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written chan struct{}
}

func (c *collector) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.b.Write(p)
	select {
	case c.written <- struct{}{}:
	default:
	}
	return n, err
}

func (c *collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// reset forgets what was written.
func (c *collector) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.b.Reset()
	select {
	case <-c.written:
	default:
	}
}

func TestSandboxServesUntilItIsInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	out, messages := &collector{written: make(chan struct{}, 1)}, &collector{written: make(chan struct{}, 1)}
	a := &app{stdin: strings.NewReader(""), stdout: cli.Stream{Writer: out}, stderr: cli.Stream{Writer: messages}, env: func(string) (string, bool) { return "", false }}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.execute(ctx, []string{"sandbox", "--users", "3", "--org", "beta"}) }()
	select {
	case <-messages.written: // the exports came before
	case err := <-done:
		t.Fatalf("it did not serve: %v", err)
	}
	address := regexp.MustCompile(`(?m)^export AMIGO_BASE_URL=(http://127\.0\.0\.1:\d+)$`).FindStringSubmatch(out.String())
	if address == nil || !strings.Contains(out.String(), "export AMIGO_ORGANIZATION_ID=beta\n") {
		t.Fatalf("printed %q", out.String())
	}
	answer, err := http.Get(address[1] + "/v1/beta/user/")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d, %v", answer.StatusCode, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

func TestSummaryText(t *testing.T) {
	version := "20260102-020000-000000"
	s := &pipeline.Summary{
		RunID: version, Status: pipeline.Uncertified, Version: &version, Published: true, Orgs: []string{"acme", "beta"}, Users: 1234567, Added: 1, Changed: 2000,
		DeletesHeld: 1, QuarantinedRows: 1, QuarantinedCells: 2, Sweeps: 1, Shifts: 3, BytesReceived: 12_345_678, Seconds: 61.26,
		Requests:    pipeline.Requests{List: 12, Model: 3400, Retried: 1, Replayed: 5},
		Models:      pipeline.Models{Fetched: 3400, Pending: 7},
		Certificate: pipeline.Certificate{Proof: "count", As: "user-1", Reasons: []string{"the list kept moving", "an empty page"}},
	}
	want := `uncertified  1,234,567 users of acme, beta: 1 added, 2,000 changed, 0 deleted
run          20260102-020000-000000, 1m1.3s, 12.3 MB received
version      20260102-020000-000000 in ./warehouse
proof        count: 1 pass over the list, 3 shifts; asked as user-1
models       3,400 fetched, 0 reused, 0 in the list, 0 forbidden, 7 pending
requests     12 list, 3,400 model; 1 retried, 0 throttled; 5 answered by the journal
look at      not certified: the list kept moving; an empty page
look at      1 deletion held back, more than max_delete_percent: if they are right, rollcall sync --accept-deletes
look at      1 row and 2 cells in quarantine: rollcall query "SELECT reason, path, count(*) FROM _issues GROUP BY ALL"
`
	if d := cmp.Diff(want, summaryText(s, "./warehouse")); d != "" {
		t.Error(d)
	}
	if s := summaryText(&pipeline.Summary{Status: pipeline.Failed}, "w"); !strings.Contains(s, "none yet in w") || !strings.Contains(s, "requests     none") {
		t.Errorf("a run that did nothing: %q", s)
	}
}

func TestSchemaChanges(t *testing.T) {
	table := func(name string, columns ...columnInfo) tableInfo { return tableInfo{Name: name, Columns: columns} }
	before := []tableInfo{table("a", columnInfo{Name: "x", Type: "BIGINT"}, columnInfo{Name: "gone", Type: "VARCHAR"}), table("b", columnInfo{Name: "x", Type: "JSON"})}
	after := []tableInfo{table("a", columnInfo{Name: "x", Type: "DOUBLE"}, columnInfo{Name: "new", Type: "BOOLEAN"}), table("b", columnInfo{Name: "x", Type: "JSON"})}
	changes := schemaChanges(before, after)
	from := "run1"
	want := "from run1 to run2: 3 changes\n- a.gone VARCHAR\n~ a.x BIGINT → DOUBLE\n+ a.new BOOLEAN\n"
	if d := cmp.Diff(want, diffText(&from, "run2", changes)); d != "" {
		t.Error(d)
	}
	if got := schemaChanges(after, after); len(got) != 0 {
		t.Errorf("with itself: %v", got)
	}
}

func TestRelease(t *testing.T) {
	for want, info := range map[string]*debug.BuildInfo{
		"v1.2.3": {Main: debug.Module{Version: "v1.2.3"}},
		"(built from commit abc, modified)": {Main: debug.Module{Version: "(devel)"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}},
		"(built from a source tree without a version)": {},
	} {
		if got := release(info); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestSummaryTellsOfTheLake(t *testing.T) {
	version := "20260102-020000-000000"
	s := &pipeline.Summary{Status: pipeline.Certified, Version: &version, Lake: []pipeline.LakeCopy{
		{Location: "s3://acme", Namespace: "rollcall", Version: &version, Did: "publish", Seconds: 72.34},
		{Location: "s3://acme", Namespace: "other", Version: &version},
		{Location: "s3://of-before", Namespace: "rollcall", Did: "erase", Outstanding: "there is no way"},
	}}
	text := summaryText(s, "w")
	for _, want := range []string{
		"lake         20260102-020000-000000 at s3://acme, namespace rollcall: publish in 1m12.3s\n",
		"lake         20260102-020000-000000 at s3://acme, namespace other, as before\n",
		"look at      lake rollcall at s3://of-before: there is no way (the next run goes on with it)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if !s.NeedsPerson() {
		t.Error("an outstanding lake needs nobody")
	}
	for want, state := range map[string]pipeline.LakeState{
		"shows this version: L":   {Name: "L", Version: version},
		"BEHIND: L shows earlier": {Name: "L", Version: "earlier"},
		"BEHIND: it is not known what L shows; the next sync publishes to it": {Name: "L"},
		"BEHIND: what was erased here on T may still be in L":                 {Name: "L", Version: version, Erase: "T"},
	} {
		if got := lakeText(state, version); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
