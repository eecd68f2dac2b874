package journal

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/extract"
)

const fixture = "testdata/20250301T020000Z"

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

// What this package writes is spelled as the fixture is: rewriting the entries one by one gives their very bytes.
func TestSpelling(t *testing.T) {
	for _, name := range []string{"00001.rcj", "00002.rcj"} {
		_, err := walk{path: filepath.Join(fixture, name), limit: -1, verify: true}.run(t.Context(), func(b *block) error {
			var again []byte
			err := b.entries(func(_ int, e Entry) error {
				f, err := frameOf(e)
				again = f.append(again)
				return err
			})
			if diff := cmp.Diff(string(b.raw), string(again)); diff != "" {
				t.Errorf("%s, byte %d (-want +got):\n%s", name, b.off, diff)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		old, err := readPreamble(filepath.Join(fixture, name))
		must(err)
		f, err := os.Open(filepath.Join(fixture, name))
		must(err)
		h, raw, err := readBlock(f, zstdCodec{}, 0)
		must(err)
		must(f.Close())
		line, err := jsonLine(old)
		if err != nil || !bytes.Equal(line, raw) {
			t.Errorf("%s: the preamble is spelled\n%s, not\n%s", name, line, raw)
		}
		b, err := appendBlock(nil, zstdCodec{}, blockHeader{Type: h.Type, Segment: h.Segment}, raw)
		must(err)
		// Another encoder may compress otherwise; the rest of the header is the same.
		h2, err := decodeHeader(b)
		must(err)
		h2.Payload, h2.Sum = h.Payload, h.Sum
		if diff := cmp.Diff(h, h2); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", name, diff)
		}
	}
	s, err := readSeal(filepath.Join(fixture, "seal.json"))
	must(err)
	if line, err := s.encode(); err != nil || !bytes.Equal(line, readFile(t, filepath.Join(fixture, "seal.json"))) {
		t.Errorf("the seal is spelled %s", line)
	}
}
