package journal

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/extract"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_TEST_VICTIM"); dir != "" {
		victim(dir)
	}
	goleak.VerifyTestMain(m)
}

const testRun = "20250301T020000Z"

func header(run string) Header {
	return Header{Run: run, Started: clock, Config: []byte(`{"source":"amigo","orgs":["<acme>"]}`)}
}

func listCall(page int) extract.Call {
	return extract.Call{
		Org: "acme", Kind: extract.KindList, Method: "GET", Path: "/v1/acme/user/",
		Query: map[string][]string{"limit": {"100"}, "offset": {fmt.Sprint(page * 100)}},
	}
}

// answer is one that came some time after the run's start.
func answer(body string, after time.Duration) extract.Answer {
	return extract.Answer{Status: 200, ContentType: "application/json", Body: []byte(body), At: clock.Add(after)}
}

// begin creates a run, without fsyncs.
func begin(t testing.TB) (*Journal, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal", testRun)
	j, err := create(quickDisk{}, dir, header(testRun))
	if err != nil {
		t.Fatal(err)
	}
	return j, dir
}

func record(t testing.TB, j *Journal, c extract.Call, body string) {
	t.Helper()
	if err := j.Record(context.Background(), c, answer(body, 0), true); err != nil {
		t.Fatal(err)
	}
}

func resumeQuick(t testing.TB, dir string) (*Journal, Report) {
	t.Helper()
	j, r, err := resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return j, r
}

func end(t testing.TB, finish func() error) {
	t.Helper()
	if err := finish(); err != nil {
		t.Fatal(err)
	}
}

// wantRecorded checks that j hands out these bodies for c, in this order, and no more.
func wantRecorded(t testing.TB, j *Journal, c extract.Call, bodies ...string) {
	t.Helper()
	for i, want := range bodies {
		a, ok := j.Recorded(c)
		if !ok {
			t.Fatalf("%s: answer %d of %d is missing (%v)", c.Kind, i, len(bodies), j.Err())
		}
		if string(a.Body) != want || !a.Replayed {
			t.Fatalf("%s: answer %d is %.40q, replayed %v; want %.40q", c.Kind, i, a.Body, a.Replayed, want)
		}
	}
	if _, ok := j.Recorded(c); ok {
		t.Fatalf("%s: an answer more than the %d recorded", c.Kind, len(bodies))
	}
}

// contents is every entry of a run, for comparison.
func contents(t testing.TB, dir string) []Entry {
	t.Helper()
	j, _, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return entriesOf(t, j)
}

func entriesOf(t testing.TB, j *Journal) []Entry {
	t.Helper()
	var all []Entry
	err := j.Each(t.Context(), func(e Entry) error {
		e.Value, e.Answer.Body, e.Call.Body = bytes.Clone(e.Value), bytes.Clone(e.Answer.Body), bytes.Clone(e.Call.Body)
		all = append(all, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// bodies is what the entries say.
func bodies(all []Entry) []string {
	var s []string
	for _, e := range all {
		s = append(s, e.Note+string(e.Value)+string(e.Answer.Body))
	}
	return s
}

// wholeBytes compares bodies as wholes: cmp takes minutes to align megabytes.
var wholeBytes = cmp.Comparer(bytes.Equal)

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
