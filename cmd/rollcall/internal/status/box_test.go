package status

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/output"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
)

func TestTheDocumentedQuery(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	box := s.do(t, http.MethodGet, "/sql", nil, bearing(token))
	if !strings.Contains(box.Body, "\n"+documentedQuery+"</textarea>") {
		t.Error("it is not in the box")
	}
	result := s.ask(t, documentedQuery, "table")
	if result.StatusCode != http.StatusOK || strings.Count(result.Body, "<tr><td") < users || !strings.Contains(result.Body, "@example.com") {
		t.Errorf("%d: %s", result.StatusCode, result.Body[:min(3000, len(result.Body))])
	}
}

func TestValuesAreText(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	page := s.ask(t, `SELECT '<script>alert(1)</script>' AS "<b>", NULL AS n, 9007199254740993 AS big, chr(27) || 'x' AS esc, repeat('y', 3000) AS long,
		'{"a": [1, {"b": "<i>"}], "c": "`+strings.Repeat("z", 90)+`"}'::JSON AS j`, "table").Body
	for _, want := range []string{
		"&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;b&gt;", `<span class="null">NULL</span>`, `<td class="num">9007199254740993</td>`, `\x1bx`, "… and more", "&#34;b&#34;: &#34;&lt;i&gt;&#34;",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in %s", want, page)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "<b>") || strings.Contains(page, strings.Repeat("y", shownText+1)) {
		t.Error(page)
	}
}

// TestTheBoxIsLocked: whatever a statement tries, the tables are all there is.
func TestTheBoxIsLocked(t *testing.T) {
	dir := history(t)
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("CANARY-file\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AMIGO_API_KEY", "CANARY-key")
	v, err := publish.Open(dir).Current()
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(v.Database())
	if err != nil {
		t.Fatal(err)
	}
	file := schema.Literal(secret)
	aside := schema.Literal(secret + ".out")
	s := serve(t, Options{Warehouse: dir, SQLToken: token})
	for _, sql := range []string{
		"SELECT * FROM read_csv(" + file + ")", "SELECT * FROM " + file, "SELECT * FROM read_text(" + file + ")", "SELECT * FROM read_blob(" + file + ")", "SELECT * FROM glob('/*')",
		"SELECT * FROM read_parquet(" + file + ")", "SELECT * FROM read_json(" + file + ")", "SELECT * FROM sniff_csv(" + file + ")", "SELECT * FROM parquet_metadata(" + file + ")",
		"COPY users TO " + aside, "COPY (SELECT 1) TO " + aside, "EXPORT DATABASE " + aside, "IMPORT DATABASE " + file, "ATTACH " + aside + " AS x", "ATTACH ':memory:' AS x", "USE memory",
		"INSTALL httpfs", "LOAD httpfs", "LOAD " + file, "SET threads = 1", "SET enable_external_access = true", "RESET lock_configuration", "PRAGMA enable_profiling",
		"PRAGMA profiling_output = " + aside, "CALL pragma_version()", "SET VARIABLE x = 1", "CREATE TABLE x AS SELECT 1", "CREATE TEMP TABLE x AS SELECT 1", "CREATE SECRET (TYPE s3)",
		"DELETE FROM users", "UPDATE users SET email = 'x'", "INSERT INTO users SELECT * FROM users", "DROP TABLE users", "CHECKPOINT", "BEGIN", "PREPARE p AS SELECT 1", "EXECUTE p",
		"SELECT 1; SELECT 2", "SELECT 1; DELETE FROM users", "SELECT 1) TO " + aside + "; --", "SELECT 1); COPY users TO " + aside + "; SELECT (1", "EXPLAIN ANALYZE SELECT 1", "", ";", "--",
		"SELECT * FROM query('SELECT * FROM read_csv(" + strings.ReplaceAll(file, "'", "''") + ")')", "SELECT getenv('AMIGO_API_KEY')", "SELECT * FROM 'https://example.com/x.csv'",
	} {
		formats := []string{"table"}
		if strings.Contains(sql, "read_") || strings.Contains(sql, "COPY") || strings.Contains(sql, ";") { // what a download runs is built around the statement
			formats = []string{"table", "csv", "parquet"}
		}
		for _, format := range formats {
			a := s.ask(t, sql, format)
			if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.Body, `id="mistake"`) {
				t.Errorf("%s as %s: %d", sql, format, a.StatusCode)
			}
			if strings.Contains(a.Body, "CANARY-file") || strings.Contains(a.Body, "CANARY-key") {
				t.Errorf("%s as %s shows what is outside", sql, format)
			}
		}
	}
	// Not refused, and told the same wherever it is bound.
	told := "SELECT * FROM query(CASE WHEN current_setting('enable_external_access')::BOOL THEN 'SELECT * FROM read_text(" + strings.ReplaceAll(file, "'", "''''") + ")' ELSE 'SELECT 1' END)"
	if a := s.ask(t, told, "parquet"); a.StatusCode != http.StatusOK || strings.Contains(a.Body, "CANARY-file") {
		t.Errorf("SQL that can tell: %d", a.StatusCode)
	}
	after, err := os.Stat(v.Database())
	if err != nil || !after.ModTime().Equal(before.ModTime()) || after.Size() != before.Size() {
		t.Errorf("the database file changed: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(secret)); err != nil || len(entries) != 1 {
		t.Errorf("files were made: %v, %v", entries, err)
	}
}

func TestOnlyTheFirstRowsAreShown(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	for sql, want := range map[string]string{
		"FROM range(1000)": "1000 rows.", "FROM range(1001)": "The first 1000 rows; a download has all.", "FROM range(1)": "1 row.", "FROM range(0)": "0 rows.",
		"SELECT repeat('x', 100000) FROM range(5000)": "The first 1000 rows",
	} {
		if page := s.ask(t, sql, "table").Body; !strings.Contains(page, want) {
			t.Errorf("%s: %q is missing", sql, want)
		}
	}
}

// TestDownloads: CSV is what rollcall query writes, Parquet holds the same rows, and neither is more than it may be.
func TestDownloads(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := history(t)
	s := serve(t, Options{Warehouse: dir, SQLToken: token})
	v, err := publish.Open(dir).Current()
	if err != nil {
		t.Fatal(err)
	}
	query := "FROM users ORDER BY user_id DESC"
	want := written(t, v.Database(), query, duckdb.ReaderOptions{})
	a := s.ask(t, query, "csv")
	if d := cmp.Diff(want, a.Body); d != "" || a.Header.Get("Content-Disposition") != `attachment; filename="rollcall-`+v.Run+`.csv"` || a.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%v %s", a.Header, d)
	}
	a = s.ask(t, query, "parquet")
	file := filepath.Join(t.TempDir(), "x.parquet")
	if err := os.WriteFile(file, []byte(a.Body), 0o600); err != nil {
		t.Fatal(err)
	}
	got := written(t, v.Database(), "FROM "+schema.Literal(file), duckdb.ReaderOptions{AllowExternal: true})
	if d := cmp.Diff(want, got); d != "" || a.Header.Get("Content-Disposition") != `attachment; filename="rollcall-`+v.Run+`.parquet"` {
		t.Errorf("%v %s", a.Header, d)
	}
	if a := s.ask(t, "FROM range(1000001)", "csv"); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.Body, "more rows than") {
		t.Errorf("a million and one: %d", a.StatusCode)
	}
	s.Close()
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// written is what rollcall query writes as CSV.
func written(t *testing.T, database, query string, o duckdb.ReaderOptions) string {
	t.Helper()
	r, err := duckdb.OpenReader(t.Context(), database, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	rows, err := r.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var b bytes.Buffer
	if _, err := output.Write(&b, output.CSV, rows, output.Screen{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// endless is a statement that takes for ever.
const endless = "SELECT count(*) FROM range(100000000) a, range(1000000000) b WHERE a.range % 7 = b.range % 11"

func TestTimeIsBounded(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	s.page.box.limit = 300 * time.Millisecond
	for _, sql := range []string{endless, "SELECT length(repeat('x', 900000000)) + length(repeat('y', 900000001)) + length(repeat('z', 900000002))"} { // this one cannot be interrupted
		began := time.Now()
		a := s.ask(t, sql, "table")
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Body, "it had not ended after") || time.Since(began) > 10*time.Second {
			t.Errorf("%d after %s: %s", a.StatusCode, time.Since(began), a.Body)
		}
	}
	s.page.box.limit = queryTime
	if a := s.ask(t, "SELECT 42", "table"); a.StatusCode != http.StatusOK {
		t.Errorf("the next one: %d", a.StatusCode)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	a := s.ask(t, "SELECT list(range::VARCHAR || repeat('x', 50)) FROM range(100000000)", "table")
	if (a.StatusCode != http.StatusBadRequest || !strings.Contains(a.Body, "Out of Memory")) && a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("%d: %s", a.StatusCode, a.Body)
	}
	if a := s.ask(t, "SELECT 42", "table"); a.StatusCode != http.StatusOK {
		t.Errorf("the next one: %d", a.StatusCode)
	}
}

// waitFor polls, for so long, until it is so.
func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("it does not come to this: %s", what)
		}
	}
}

// TestQueriesWaitTheirTurn: one runs, a few wait, and the rest is told to come again. Who goes makes room.
func TestQueriesWaitTheirTurn(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	ctx, leave := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range mostWaiting + 1 {
		clients.Go(func() {
			form := strings.NewReader(url.Values{"sql": {endless}}.Encode())
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/sql", form)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			bearing(token)(r)
			if a, err := http.DefaultClient.Do(r); err == nil {
				t.Errorf("an answer: %d", a.StatusCode)
				_ = a.Body.Close()
			}
		})
	}
	box := s.page.box
	waitFor(t, "one runs, the others wait", func() bool { return len(box.slot) == 1 && box.waiting.Load() == mostWaiting })
	// The one that runs is no longer among those that wait, so there is room for one more.
	more, leaveToo := context.WithCancel(t.Context())
	clients.Go(func() {
		_, _, err := box.query(more, "none", "SELECT 1", "table")
		if err == nil {
			t.Error("it had its turn")
		}
	})
	waitFor(t, "one more waits", func() bool { return box.waiting.Load() == mostWaiting+1 })
	if a := s.ask(t, "SELECT 42", "table"); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(a.Body, "SELECT 42</textarea>") {
		t.Errorf("one too many: %d", a.StatusCode)
	}
	leave()
	leaveToo()
	clients.Wait()
	waitFor(t, "nothing runs, for the clients are gone", func() bool { return len(box.slot) == 0 && box.waiting.Load() == 0 })
	if a := s.ask(t, "SELECT 42", "table"); a.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d", a.StatusCode)
	}
}

func TestClosingEndsQueries(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	asked := make(chan int, 1)
	go func() { asked <- s.ask(t, endless, "table").StatusCode }()
	waitFor(t, "it runs", func() bool { return len(s.page.box.slot) == 1 })
	if err := s.page.Close(); err != nil {
		t.Error(err)
	}
	if code := <-asked; code != http.StatusServiceUnavailable {
		t.Errorf("the query: %d", code)
	}
	if a := s.ask(t, "SELECT 1", "table"); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d", a.StatusCode)
	}
}

// TestTheLogHasNoSQL: that a query was, how long it took and how it ended, and nothing of it.
func TestTheLogHasNoSQL(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	s.ask(t, "SELECT 'CANARY-right'", "table")
	s.ask(t, "SELECT 'CANARY-right' AS c", "csv")
	s.ask(t, "SELECT CANARY_wrong", "table")
	s.ask(t, "SELECT 'CANARY-cast'::INT", "table")
	s.page.box.limit = 100 * time.Millisecond
	s.ask(t, endless+" AND 'CANARY-slow' > ''", "table")
	log := s.log.String()
	if strings.Contains(log, "CANARY") || strings.Contains(log, "SELECT") || strings.Count(log, "a query ended") != 5 || strings.Count(log, "the SQL is wrong") != 2 || !strings.Contains(log, "had not ended") {
		t.Error(log)
	}
}

// TestAWorkerThatDies is no end of the page, and its memory is in no core file.
func TestAWorkerThatDies(t *testing.T) {
	s := serve(t, Options{Warehouse: history(t), SQLToken: token})
	s.page.box.worker = []string{"/bin/sh", "-c", "kill -SEGV $$"}
	if a := s.ask(t, "SELECT 1", "table"); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Body, "crashed") {
		t.Errorf("killed: %d", a.StatusCode)
	}
	s.page.box.worker = []string{"/bin/sh", "-c", "echo nonsense"}
	if a := s.ask(t, "SELECT 1", "table"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("nonsense: %d", a.StatusCode)
	}
	s.page.box.worker = []string{"/nowhere/rollcall"}
	if a := s.ask(t, "SELECT 1", "table"); a.StatusCode != http.StatusInternalServerError {
		t.Errorf("absent: %d", a.StatusCode)
	}
}

// TestAWorkerKnowsNoSecrets: what the daemon has in its environment is not for SQL.
func TestAWorkerKnowsNoSecrets(t *testing.T) {
	t.Setenv("AMIGO_API_KEY", "CANARY-key")
	b := newBox(serve(t, Options{Warehouse: history(t)}).page.o.Log)
	seen := filepath.Join(t.TempDir(), "seen")
	b.worker = []string{"/bin/sh", "-c", "env > " + seen + "; cat >> " + seen + "; echo '{}'"}
	if _, folder, err := b.query(t.Context(), "/database", "SELECT 1", "table"); err != nil || os.RemoveAll(folder) != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(seen)
	if err != nil || strings.Contains(string(raw), "CANARY") || strings.Contains(string(raw), "HOME=") || !strings.Contains(string(raw), workerVariable) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestAWorkersAnswer(t *testing.T) {
	var out bytes.Buffer
	a := answer{}
	if err := a.work(t.Context(), job{Database: "/nowhere", SQL: "SELECT 1", Format: "xlsx"}); err == nil {
		t.Error("an unknown format")
	}
	if err := json.NewEncoder(&out).Encode(answer{Rows: [][]duckdb.Value{{{Text: "x"}, {Null: true}}}}); err != nil {
		t.Fatal(err)
	}
	var back answer
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Rows[0][0].Text != "x" || !back.Rows[0][1].Null {
		t.Errorf("%+v, %v", back, err)
	}
}
