package status

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
)

// paths are all pages of the shared warehouse, the SQL box left out.
func paths(t *testing.T, dir string) []string {
	t.Helper()
	runs, err := publish.Open(dir).RunRecords()
	if err != nil || len(runs) != nights {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	out := []string{"/", "/runs", "/runs?before=" + runs[4], "/schema", "/runs/nobody", "/nothing", "/style.css", "/icon.svg"}
	for _, run := range runs {
		out = append(out, "/runs/"+run)
	}
	return out
}

func TestNow(t *testing.T) {
	next := firstNight.AddDate(0, 0, nights)
	s := serve(t, Options{Warehouse: history(t), Next: func() (time.Time, bool) { return next, true },
		Running: func() (time.Time, bool) { return next.Add(-17 * time.Hour), true }})
	page := s.get(t, "/")
	for _, want := range []string{
		`<h1 class="verdict good">Certified</h1>`, "Last run", "unchanged, took", "Confirmed", "nothing changed", "Next run", "in 16 hours", "2 January 2026", "Running now", "for 1 hour",
		"Needs a person", "cells in quarantine", "SELECT reason, path, count(*) FROM _issues", `href="/runs/2026`,
	} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if n := strings.Count(page.Body, `<svg role="img"`); n != len(measures) {
		t.Errorf("%d charts of %d", n, len(measures))
	}
}

func TestARunsPage(t *testing.T) {
	dir := history(t)
	s := serve(t, Options{Warehouse: dir})
	runs, err := publish.Open(dir).RunRecords()
	if err != nil {
		t.Fatal(err)
	}
	for i, wants := range map[int][]string{
		0:          {"Certified by count", "300", "By organization", "What the run said", "pass over the list", "<th scope=\"row\">extract</th>", "× 200"},
		5:          {"Paths that changed", "<code>$.preferences (within)</code>", "a new path, which schema.contract quarantines"},
		nights - 1: {"unchanged", "as before"},
	} {
		page := s.get(t, "/runs/"+runs[i])
		for _, want := range wants {
			if !strings.Contains(page.Body, want) {
				t.Errorf("night %d: %q is missing", i, want)
			}
		}
	}
}

func TestTheListOfRuns(t *testing.T) {
	dir := t.TempDir()
	wh := publish.Open(dir)
	for i := range listedRuns + 3 {
		run := "20260101-020000-" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		if err := publish.WriteFile(wh.RunRecord(run), []byte(`{"run_id":"`+run+`","status":"failed"}`)); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, Options{Warehouse: dir})
	first := s.get(t, "/runs").Body
	older := regexp.MustCompile(`/runs\?before=[-0-9a-z]+`).FindString(first)
	second := s.get(t, older).Body
	count := func(page string) int { return strings.Count(page, `<th scope="row"><a`) }
	if count(first) != listedRuns || count(second) != 3 || strings.Contains(second, "before=") {
		t.Errorf("%d runs, then %d", count(first), count(second))
	}
	if page := s.get(t, "/runs?before=0").Body; count(page) != 0 {
		t.Errorf("before the first: %d runs", count(page))
	}
	// A record that changes is read anew.
	latest := "20260101-020000-ca"
	if err := publish.WriteFile(wh.RunRecord(latest), []byte(`{"run_id":"`+latest+`","status":"interrupted","command":"sync"}`)); err != nil {
		t.Fatal(err)
	}
	if page := s.get(t, "/runs").Body; !strings.Contains(page, "interrupted") {
		t.Error("the record that was changed is not shown")
	}
}

func TestSchema(t *testing.T) {
	page := serve(t, Options{Warehouse: history(t)}).get(t, "/schema").Body
	for _, want := range []string{"users_flat", "pref_timezone", "$.preferences.timezone", "the twelve documented columns", "The user&#39;s id"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestBeforeTheFirstVersion(t *testing.T) {
	s := serve(t, Options{Warehouse: filepath.Join(t.TempDir(), "absent"), SQLToken: token})
	for _, path := range []string{"/", "/schema"} {
		if page := s.get(t, path); page.StatusCode != http.StatusOK || !strings.Contains(page.Body, "rollcall sync --sandbox") {
			t.Errorf("%s: %d, %s", path, page.StatusCode, page.Body)
		}
	}
	if page := s.get(t, "/runs"); !strings.Contains(page.Body, "no runs on record") {
		t.Error(page.Body)
	}
	if page := s.ask(t, "SELECT 1", "csv"); page.StatusCode != http.StatusNotFound {
		t.Errorf("SQL: %d", page.StatusCode)
	}
}

func TestAFailedFirstRunIsShown(t *testing.T) {
	dir := t.TempDir()
	record := `{"run_id":"r1","status":"failed","error":"list: refused with 401","checks":[{"name":"min_users","passed":false,"found":"7 users"}]}`
	if err := publish.WriteFile(publish.Open(dir).RunRecord("r1"), []byte(record)); err != nil {
		t.Fatal(err)
	}
	s := serve(t, Options{Warehouse: dir})
	if run := s.get(t, "/runs/r1").Body; !strings.Contains(run, "7 users") || !strings.Contains(run, "Not certified") || !strings.Contains(run, "refused with 401") {
		t.Error(run)
	}
	page := s.get(t, "/").Body
	if !strings.Contains(page, "the last run failed: list: refused with 401") || strings.Contains(page, "still current") {
		t.Error(page)
	}
}

func TestADamagedRecordIsNotThePagesEnd(t *testing.T) {
	dir := t.TempDir()
	if err := publish.WriteFile(publish.Open(dir).RunRecord("r1"), []byte(`{"run_id":`)); err != nil {
		t.Fatal(err)
	}
	s := serve(t, Options{Warehouse: dir})
	if page := s.get(t, "/"); page.StatusCode != http.StatusInternalServerError || !strings.Contains(s.log.String(), "r1") {
		t.Errorf("%d, logged %q", page.StatusCode, s.log)
	}
}

// TestEveryAnswerIsHardened: whatever is asked, and however.
func TestEveryAnswerIsHardened(t *testing.T) {
	dir := history(t)
	s := serve(t, Options{Warehouse: dir, SQLToken: token})
	answers := []reply{s.ask(t, "SELECT 1", "table"), s.ask(t, "SELECT 1", "csv"), s.ask(t, "SELEC 1", "parquet"), s.do(t, http.MethodDelete, "/", nil),
		s.do(t, http.MethodPost, "/sql/login", url.Values{"token": {token}}), s.do(t, http.MethodGet, "/", nil, func(r *http.Request) { r.Host = "evil.example" })}
	for _, path := range append(paths(t, dir), "/sql") {
		answers = append(answers, s.get(t, path))
	}
	for _, a := range answers {
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q", a.Request.URL.Path, name, got)
			}
		}
		if kind := a.Header.Get("Content-Type"); kind == "" && a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: no content type", a.Request.URL.Path)
		}
		if strings.Contains(a.Body, "<script") || strings.Contains(a.Body, " style=") || strings.Contains(a.Body, " on") && regexp.MustCompile(` on[a-z]+=`).MatchString(a.Body) {
			t.Errorf("%s: script or style within", a.Request.URL.Path)
		}
		if regexp.MustCompile(`(?:href|src|action)="(?:https?:)?//`).MatchString(a.Body) {
			t.Errorf("%s: something from elsewhere", a.Request.URL.Path)
		}
	}
}

func TestMethods(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	for _, tt := range []struct {
		method, path, allow string
		want                int
	}{
		{http.MethodHead, "/", "", 200}, {http.MethodPost, "/", "GET, HEAD", 405}, {http.MethodPut, "/sql", "GET, HEAD, POST", 405}, {http.MethodGet, "/sql/login", "POST", 405},
		{http.MethodPost, "/style.css", "GET, HEAD", 405}, {http.MethodOptions, "/runs", "GET, HEAD", 405}, {http.MethodGet, "/sql/logout", "POST", 405},
		{http.MethodGet, "/runs/../../etc/passwd", "", 307}, {http.MethodGet, "/runs/..%2f..%2flock", "", 404}, {http.MethodGet, "/runs/", "", 404},
	} {
		a := s.do(t, tt.method, tt.path, nil)
		if a.StatusCode != tt.want || a.Header.Get("Allow") != tt.allow || tt.method == http.MethodHead && a.Body != "" {
			t.Errorf("%s %s: %d, Allow %q", tt.method, tt.path, a.StatusCode, a.Header.Get("Allow"))
		}
	}
}

// TestHosts: a name that somebody's DNS points to loopback is not this page's.
func TestHosts(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t)})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9180": 200, "LOCALHOST.": 200, "127.0.0.1:80": 200, "127.9.9.9": 200, "[::1]:9180": 200, "[::1]": 200,
		"evil.example": 421, "evil.example:9180": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "10.0.0.1": 421, "0.0.0.0": 421, "": 200,
	} {
		a := s.do(t, http.MethodGet, "/style.css", nil, func(r *http.Request) { r.Host = host })
		if a.StatusCode != want {
			t.Errorf("%q: %d, want %d", host, a.StatusCode, want)
		}
	}
}

// people are what identifies the users of a warehouse, past ones included.
func people(t *testing.T, dir string) []string {
	t.Helper()
	v, err := publish.Open(dir).Current()
	if err != nil {
		t.Fatal(err)
	}
	r, err := duckdb.OpenReader(t.Context(), v.Database(), duckdb.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	rows, err := r.Query(t.Context(), `SELECT DISTINCT unnest([user_id, email, first_name, last_name]) AS v FROM users_history
		UNION SELECT entry FROM user_context UNION SELECT content FROM user_models UNION SELECT raw FROM _issues WHERE length(raw) > 8 UNION SELECT value FROM user_variables`)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		if v := rows.Row()[0]; len(v.Text) > 3 {
			out = append(out, v.Text)
		}
	}
	if rows.Err() != nil || len(out) < 2*users {
		t.Fatalf("%d values, %v", len(out), rows.Err())
	}
	return out
}

// within tells whether a text has the value in it, as a word of its own.
func within(text, value string) bool {
	for rest := text; ; {
		i := strings.Index(rest, value)
		if i < 0 {
			return false
		}
		letter := func(j int) bool {
			return j >= 0 && j < len(rest) && (rest[j] >= 'a' && rest[j] <= 'z' || rest[j] >= 'A' && rest[j] <= 'Z' || rest[j] == '_' || rest[j] == '-')
		}
		if !letter(i-1) && !letter(i+len(value)) {
			return true
		}
		rest = rest[i+1:]
	}
}

// TestPersonalDataShowsOnlyInTheSQLBox: of nobody, past or present, is there anything on any other page, nor in the log.
func TestPersonalDataShowsOnlyInTheSQLBox(t *testing.T) {
	dir := history(t)
	s := serve(t, Options{Warehouse: dir, SQLToken: token})
	known := people(t, dir)
	box := s.ask(t, documentedQuery, "table")
	if n := len(slices.DeleteFunc(slices.Clone(known), func(v string) bool { return !within(box.Body, v) })); n < users {
		t.Errorf("the SQL box shows %d values: the check cannot fail", n)
	}
	s.ask(t, "SELECT email::INT FROM users", "table")
	s.ask(t, "SELECT email FROM users WHERE email = '"+known[0]+"'", "csv")
	texts := map[string]string{"the log": s.log.String(), "login": s.get(t, "/sql").Body}
	for _, path := range paths(t, dir) {
		texts[path] = s.get(t, path).Body
	}
	words := []string{"name", "Name", "true", "false", "null"} // values of variables that are words of the page
	for where, text := range texts {
		for _, value := range known {
			if !slices.Contains(words, value) && within(text, value) {
				t.Errorf("%s shows %q", where, value)
			}
		}
		if strings.Contains(text, "CANARY") {
			t.Errorf("%s shows the token, or a preference that is named after a person", where)
		}
	}
}

func TestALogIsShownFromItsEnd(t *testing.T) {
	dir := t.TempDir()
	wh := publish.Open(dir)
	if err := publish.WriteFile(wh.RunRecord("r1"), []byte(`{"run_id":"r1","status":"failed"}`)); err != nil {
		t.Fatal(err)
	}
	line := `{"level":"info","time":"2026-01-02T03:04:05Z","message":"<b>asked</b>","page":12,"deep":{"a":1}}` + "\n"
	log := "not JSON\n" + strings.Repeat(line, 5000) + `{"level":"error","message":"the end` + `\u001b[31m"}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "runs", "r1.log"), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	page := serve(t, Options{Warehouse: dir}).get(t, "/runs/r1").Body
	for _, want := range []string{"The end of it", "03:04:05.000", "&lt;b&gt;asked&lt;/b&gt;", "page=12", "deep={&#34;a&#34;:1}", `the end\x1b[31m`} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if n := strings.Count(page, "asked"); n != logLines-1 {
		t.Errorf("%d lines", n)
	}
}
