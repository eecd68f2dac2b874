package journal

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/extract"
)

const (
	fixture       = "testdata/20250301T020000Z"
	fixtureShared = "testdata/20250302T020000Z"
)

var fixtureFiles = []string{fixture + "/00001.rcj", fixture + "/00002.rcj", fixtureShared + "/00001.rcj", fixtureShared + "/00002.rcj"}

// The fixture was written from the package comment by another program (testdata/fixture.py): what it says is what is read.
func TestFormat(t *testing.T) {
	if err := Check(t.Context(), fixture); err != nil {
		t.Fatal(err)
	}
	j, r, err := OpenReadOnly(t.Context(), fixture)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Report{Sealed: true, Segments: 2, Answers: 4, SetAside: 1}, r); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	started := time.Date(2025, 3, 1, 2, 0, 0, 0, time.UTC)
	want := Header{Run: "20250301T020000Z", Started: started.Add(123456 * time.Microsecond), Config: []byte(`{"source":"amigo"}`)}
	if diff := cmp.Diff(want, j.Header()); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	call := func(kind extract.Kind, path string) extract.Call {
		return extract.Call{Org: "acme", Kind: kind, Method: "GET", Path: path}
	}
	list := call(extract.KindList, "/v1/acme/user/")
	list.Query = url.Values{"limit": {"100"}, "sort_by": {"+email"}}
	sql := call(extract.KindSQL, "/v1/acme/admin/sql_query")
	sql.Method, sql.Body = "POST", []byte(`{"sql":"SELECT 1"}`)
	at := func(body string, status int, after time.Duration) extract.Answer {
		a := extract.Answer{Status: status, ContentType: "application/json", At: started.Add(after)}
		if body != "" {
			a.Body = []byte(body)
		}
		return a
	}
	entries := entriesOf(t, j)
	users := entries[4].Answer.Body
	if !bytes.HasPrefix(users, []byte(`{"users":[{"user_id":"u0","email":"ü0@example.com"}`)) || len(users) != 908 {
		t.Errorf("a page of %d bytes: %.60s", len(users), users)
	}
	wantEntries := []Entry{
		{Call: list, Answer: at("old page", 200, time.Second), Usable: true, Segment: "00001.rcj", SetAside: true},
		{Call: call(extract.KindModel, "/v1/acme/user/u%2F1/user_model"), Answer: at(`{"user_models":[]}`, 200, 2*time.Second+time.Microsecond), Usable: true, Segment: "00001.rcj"},
		{Call: call(extract.KindModel, "/v1/acme/user/u2/user_model"), Answer: at("", 404, 2500*time.Millisecond), Usable: true, Segment: "00001.rcj"},
		{Call: call(extract.KindModel, "/v1/acme/user/u3/user_model"), Answer: at("<html>", 200, 3*time.Second), Segment: "00001.rcj"},
		{Call: list, Answer: at(string(users), 200, 8*time.Hour), Usable: true, Segment: "00002.rcj"},
		{Call: sql, Answer: at("{\"rows\":[\n]}", 200, 8*time.Hour+time.Second), Usable: true, Segment: "00002.rcj"},
		{Note: "published", Value: []byte(`{"version":1}`), Segment: "00002.rcj"},
	}
	if diff := cmp.Diff(wantEntries, entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// The second fixture, of the version that is written now, has bodies that are kept once.
func TestFormatShared(t *testing.T) {
	if err := Check(t.Context(), fixtureShared); err != nil {
		t.Fatal(err)
	}
	j, r, err := OpenReadOnly(t.Context(), fixtureShared)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Report{Sealed: true, Segments: 2, Answers: 8}, r); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	entries := entriesOf(t, j)
	page := string(entries[1].Answer.Body)
	if !strings.HasPrefix(page, `[{"user_id":"u0","email":"u0@example.com"}`) || len(page) != 1741 {
		t.Errorf("a page of %d bytes: %.60s", len(page), page)
	}
	mirrored := []byte(page)
	slices.Reverse(mirrored)
	if diff := cmp.Diff([]string{"begun1", page, "[]", page, "[]", page, string(mirrored), string(mirrored), page, page}, bodies(entries)); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
	if e := entries[5]; e.Call.Kind != extract.KindSQL || string(e.Call.Body) != `{"sql":"SELECT 1"}` || e.Usable ||
		!e.Answer.At.Equal(time.Date(2025, 3, 2, 2, 0, 5, 0, time.UTC)) {
		t.Errorf("an answer whose body is elsewhere: %+v", e)
	}
	wantRecorded(t, j, entries[1].Call, page, page, page, page)
	wantRecorded(t, j, entries[2].Call, "[]", "[]")
	wantRecorded(t, j, entries[5].Call)
	wantRecorded(t, j, entries[7].Call, string(mirrored))
	if j.Err() != nil {
		t.Error(j.Err())
	}
	// Rewritten without a change it is left alone: this package would have referred to the same places.
	dir := filepath.Join(t.TempDir(), filepath.Base(fixtureShared))
	copyDir(t, fixtureShared, dir)
	rewritten, err := rewrite(t.Context(), quickDisk{}, dir, func(e Entry) (Entry, bool, error) { return e, true, nil })
	if err != nil || len(rewritten.Files) != 0 {
		t.Errorf("%+v, %v", rewritten, err)
	}
}

// What this package writes is spelled as the fixture is: rewriting the entries one by one gives their very bytes.
func TestSpelling(t *testing.T) {
	for _, path := range fixtureFiles {
		_, err := walk{path: path, limit: -1, verify: true}.run(t.Context(), func(b *block) error {
			var again []byte
			err := b.entries(func(it item) error {
				e, err := b.whole(it)
				must(err)
				f, err := frameOf(e)
				if it.same != nil {
					f = f.refer(*it.same)
				}
				again = f.append(again)
				return err
			})
			if diff := cmp.Diff(string(b.raw), string(again)); diff != "" {
				t.Errorf("%s, byte %d (-want +got):\n%s", path, b.off, diff)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		old, err := readPreamble(path)
		must(err)
		f, err := os.Open(path)
		must(err)
		var buf buffers
		h, err := readBlock(f, zstdCodec{}, 0, &buf)
		raw := buf.raw
		must(err)
		must(f.Close())
		line, err := jsonLine(old)
		if err != nil || !bytes.Equal(line, raw) {
			t.Errorf("%s: the preamble is spelled\n%s, not\n%s", path, line, raw)
		}
		b, err := appendBlock(nil, zstdCodec{}, blockHeader{Version: h.Version, Type: h.Type, Segment: h.Segment}, raw)
		must(err)
		// Another encoder may compress otherwise; the rest of the header is the same.
		h2, err := decodeHeader(b)
		must(err)
		h2.Payload, h2.Sum = h.Payload, h.Sum
		if diff := cmp.Diff(h, h2); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", path, diff)
		}
	}
	s, err := readSeal(filepath.Join(fixture, "seal.json"))
	must(err)
	if line, err := s.encode(); err != nil || !bytes.Equal(line, readFile(t, filepath.Join(fixture, "seal.json"))) {
		t.Errorf("the seal is spelled %s", line)
	}
}
