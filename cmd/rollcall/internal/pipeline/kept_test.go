package pipeline

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// through puts a proxy before the API of c that edits the bodies of its answers.
func through(t *testing.T, c *config.Config, edit func(path string, body []byte) []byte) {
	t.Helper()
	origin, err := url.Parse(c.BaseURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(origin)
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			body = edit(r.Request.URL.Path, body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			r.ContentLength = int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	c.BaseURL = proxy.URL
}

// TestPreferencesOfTheKeptAreLearned: two users are gone, and held. What the others have now would make the column a DECIMAL, which theirs do not fit.
func TestPreferencesOfTheKeptAreLearned(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 12, Limits: "none"})
	c.Models = config.ModelsNone
	odd := "1e300"
	through(t, c, func(_ string, body []byte) []byte {
		body = bytes.ReplaceAll(body, []byte(`"preferences":{`), []byte(`"preferences":{"odd":`+odd+`,`))
		return bytes.ReplaceAll(body, []byte(`"odd":`+odd+`,}`), []byte(`"odd":`+odd+`}`))
	})
	values := func(table, column string) map[string]string {
		out := map[string]string{}
		err := eachBatch(t.Context(), currentVersion(t, c), memory.DefaultAllocator, table, []string{"user_id", column}, func(b transform.Columns) error {
			for i := range b.Rows() {
				out[strings.Clone(b.Text("user_id", i).String)] = strings.Clone(b.Text(column, i).String)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	night(t, c)
	var gone []string
	for id, preferences := range values(schema.NameUsers, "preferences") {
		if strings.Contains(preferences, odd) && len(gone) < 2 {
			gone = append(gone, id)
			write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
		}
	}
	odd = "0.30000000000000004001"
	if second := night(t, c); second.Status != Held || second.DeletesHeld != 2 || second.QuarantinedCells != 0 {
		t.Fatalf("second night: %s, %d deletions held, %d cells quarantined", second.Status, second.DeletesHeld, second.QuarantinedCells)
	}
	kept := values(schema.NameUsersFlat, "pref_odd")
	for _, id := range gone {
		if kept[id] != "1e300" {
			t.Errorf("a kept user's preference is %q", kept[id])
		}
	}
}

// TestPreferencesOfTheUnchangedAreLearned: one user has another number now. By itself it would make the column a DECIMAL, which the numbers of the
// others, whose items are not taken apart again, do not fit.
func TestPreferencesOfTheUnchangedAreLearned(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 12, Limits: "none"})
	c.Models = config.ModelsNone
	const before, after = `"odd":1e300`, `"odd":0.30000000000000004001`
	second := false
	through(t, c, func(_ string, body []byte) []byte {
		body = bytes.ReplaceAll(body, []byte(`"preferences":{`), []byte(`"preferences":{`+before+`,`))
		body = bytes.ReplaceAll(body, []byte(before+`,}`), []byte(before+`}`))
		if second { // all are on one page, so this is the same user each time
			body = bytes.Replace(body, []byte(before), []byte(after), 1)
		}
		return body
	})
	night(t, c)
	second = true
	if s := night(t, c); s.Status != Certified || s.Changed != 1 || s.QuarantinedCells != 0 {
		t.Fatalf("second night: %s, %d changed, %d cells quarantined", s.Status, s.Changed, s.QuarantinedCells)
	}
	got := map[string]int{}
	err := eachBatch(t.Context(), currentVersion(t, c), memory.DefaultAllocator, schema.NameUsersFlat, []string{"pref_odd"}, func(b transform.Columns) error {
		for i := range b.Rows() {
			got[strings.Clone(b.Text("pref_odd", i).String)]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got["1e300"] == 0 || got["0.30000000000000004001"] != 1 {
		t.Errorf("the column has %v", got)
	}
}

// TestWhatAContractKeptOutIsLearned: a contract quarantines the texts that all have under a new key. Once it evolves, one user has a number there, and
// the items of the others are what they were.
func TestWhatAContractKeptOutIsLearned(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 12, Limits: "none"})
	c.Models = config.ModelsNone
	const text, number = `"odd":"loud"`, `"odd":5`
	n := 0
	through(t, c, func(_ string, body []byte) []byte {
		if n > 0 {
			body = bytes.ReplaceAll(body, []byte(`"preferences":{`), []byte(`"preferences":{`+text+`,`))
			body = bytes.ReplaceAll(body, []byte(text+`,}`), []byte(text+`}`))
		}
		if n > 1 { // all are on one page, so this is the same user each time
			body = bytes.Replace(body, []byte(text), []byte(number), 1)
		}
		return body
	})
	night(t, c)
	n, c.SchemaContract = 1, "quarantine"
	if s := night(t, c); s.QuarantinedCells != 12 {
		t.Fatalf("second night: %d cells quarantined", s.QuarantinedCells)
	}
	n, c.SchemaContract = 2, "evolve"
	if s := night(t, c); s.Status != Certified || s.Changed != 1 || s.QuarantinedCells != 0 {
		t.Fatalf("third night: %s, %d changed, %d cells quarantined", s.Status, s.Changed, s.QuarantinedCells)
	}
	got := map[string]int{}
	err := eachBatch(t.Context(), currentVersion(t, c), memory.DefaultAllocator, schema.NameUsersFlat, []string{"pref_odd"}, func(b transform.Columns) error {
		for i := range b.Rows() {
			got[strings.Clone(b.Text("pref_odd", i).String)]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got[`"loud"`] != 11 || got["5"] != 1 {
		t.Errorf("the column has %v", got)
	}
}
