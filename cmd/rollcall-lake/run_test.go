package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	icebergcatalog "github.com/apache/iceberg-go/catalog"
	icebergtable "github.com/apache/iceberg-go/table"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
)

// aLake is the environment of a lake that shows a run.
func aLake(t *testing.T) (env map[string]string, warehouseDir string) {
	t.Helper()
	dir := t.TempDir()
	wh, env := filepath.Join(dir, "warehouse"), lakeEnv(dir)
	warehouse(t, wh, "20260101-000000-000001", "Ada", "Bob")
	if o := command(t, env, "publish", "--warehouse", wh); o.code != 0 {
		t.Fatal(o.stderr)
	}
	return env, wh
}

// answering is a coordinator that says yes to every statement, or what it is told to.
func answering(t *testing.T, document map[string]any) *httptest.Server {
	t.Helper()
	var f *httptest.Server
	f = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := json.Marshal(document)
		if r.Method == http.MethodPost && document["error"] == nil { // rows come with what is asked for next
			raw, _ = json.Marshal(map[string]any{"id": "q1", "nextUri": f.URL + "/next"})
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, "%s", raw)
	}))
	t.Cleanup(f.Close)
	return f
}

func one(n int) map[string]any {
	return map[string]any{
		"id": "q1", "stats": map[string]any{"state": "FINISHED"}, "data": [][]any{{n}},
		"columns": []any{map[string]any{"name": "n", "type": "bigint", "typeSignature": map[string]any{"rawType": "bigint", "arguments": []any{}}}},
	}
}

func TestRunListsTheJobs(t *testing.T) {
	o := command(t, nil, "run")
	for _, want := range []string{"history", "lake_people", "flatten", "compact"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("%s is missing:\n%s", want, o.stdout)
		}
	}
	var jobs []map[string]string
	if o := command(t, nil, "run", "--json"); o.code != 0 || json.Unmarshal([]byte(o.stdout), &jobs) != nil || len(jobs) != 4 {
		t.Errorf("%+v", o)
	}
}

func TestRunPrintsTheSQL(t *testing.T) {
	env, _ := aLake(t)
	for engine, want := range map[string]string{
		"duckdb": `FROM "lake"."rollcall"."users" AT (VERSION => `, "trino": `"lake"."rollcall"."users" FOR VERSION AS OF `, "spark": "`rollcall`.`rollcall`.`users` VERSION AS OF ",
	} {
		if o := command(t, env, "run", "--engine", engine, "--print", "people"); o.code != 0 || !strings.Contains(strings.Join(strings.Fields(o.stdout), " "), want) {
			t.Errorf("%s: %+v", engine, o)
		}
	}
}

func TestRunOnTrino(t *testing.T) {
	env, _ := aLake(t)
	env["ROLLCALL_LAKE_TRINO_URL"] = answering(t, one(23)).URL
	var doc worked
	o := command(t, env, "run", "--engine", "trino", "--json", "history", "people")
	if err := json.Unmarshal([]byte(o.stdout), &doc); o.code != 0 || err != nil || doc.Run != "20260101-000000-000001" || len(doc.Statements) != 3 || doc.Statements[2].Rows != 23 {
		t.Errorf("%+v, %v", o, err)
	}
	if o := command(t, env, "run", "--engine", "trino", "people"); o.code != 0 || !strings.Contains(o.stdout, "people: create") || !strings.Contains(o.stdout, "23 rows") {
		t.Errorf("%+v", o)
	}
	for _, name := range []string{`"job":"people"`, `"statement":"create"`, `"rows":23`, `"seconds":`} {
		if !strings.Contains(o.stderr, name) {
			t.Errorf("the log has no %s:\n%s", name, o.stderr)
		}
	}
}

func TestRunOnSpark(t *testing.T) {
	env, _ := aLake(t)
	program := filepath.Join(t.TempDir(), "spark-sql")
	script := "#!/bin/bash\ngrep '^SELECT ' \"${@: -1}\" | sed \"s/^SELECT '//; s/^SELECT concat('//; s/', count.*/23/; s/';//\"\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	o := command(t, env, "run", "--engine", "spark", "--spark-sql", program, "--spark-catalog", "theirs", "flatten")
	if o.code != 0 || !strings.Contains(o.stdout, "23 rows") {
		t.Errorf("%+v", o)
	}
}

func TestHowRunFails(t *testing.T) {
	env, _ := aLake(t)
	denied := answering(t, map[string]any{"id": "q1", "error": map[string]any{"errorName": "PERMISSION_DENIED", "message": "Access Denied", "errorCode": 4}})
	broken := answering(t, map[string]any{"id": "q1", "error": map[string]any{"errorName": "EXCEEDED_MEMORY", "message": "no memory", "errorCode": 5}})
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	for name, c := range map[string]struct {
		code int
		says string
		args []string
	}{
		"no such job":         {64, "hint: rollcall-lake run lists them", []string{"nothing"}},
		"no job":              {64, "the job is missing", []string{"--engine", "trino"}},
		"no engine":           {64, "--engine spark or --engine trino", []string{"people"}},
		"no such engine":      {64, `"pig" is not spark`, []string{"--engine", "pig", "people"}},
		"DuckDB runs nothing": {64, `"duckdb" is not spark or trino`, []string{"--engine", "duckdb", "people"}},
		"no address":          {64, "hint: --trino-url", []string{"--engine", "trino", "people"}},
		"Trino is away":       {1, "hint: is the coordinator at --trino-url", []string{"--engine", "trino", "--trino-patience", "100ms", "--trino-url", away.URL, "people"}},
		"Trino refuses":       {12, "must be allowed", []string{"--engine", "trino", "--trino-url", denied.URL, "people"}},
		"Trino fails":         {1, "people: create: EXCEEDED_MEMORY: no memory", []string{"--engine", "trino", "--trino-url", broken.URL, "people"}},
		"no Spark":            {1, "hint: install Spark", []string{"--engine", "spark", "--spark-catalog", "x", "--spark-sql", "/nowhere/spark-sql", "people"}},
		"no catalog":          {64, "--spark-catalog NAME", []string{"--engine", "spark", "people"}},
		"a secret over http":  {64, "over https only", []string{"--engine", "trino", "--trino-url", "http://x", "people"}},
	} {
		t.Run(name, func(t *testing.T) {
			delete(env, "ROLLCALL_LAKE_TRINO_PASSWORD")
			if name == "a secret over http" {
				env["ROLLCALL_LAKE_TRINO_PASSWORD"] = "CANARY"
			}
			o := command(t, env, append([]string{"run"}, c.args...)...)
			if o.code != c.code || !strings.Contains(o.stderr, c.says) || strings.Contains(o.stderr+o.stdout, "CANARY") {
				t.Errorf("exit code %d\n%s", o.code, o.stderr)
			}
		})
	}
}

// What a job made holds what users were: erase removes it with every file, and publish, status and maintain leave it alone.
func TestEraseReachesWhatJobsMade(t *testing.T) {
	env, wh := aLake(t)
	place := filepath.Join(strings.TrimPrefix(env["ROLLCALL_LAKE_LOCATION"], "file://"), "of-a-job")
	c, err := catalog.Open(t.Context(), catalog.Settings{Kind: "sql", URI: catalog.Secret(env["ROLLCALL_LAKE_URI"]), Location: env["ROLLCALL_LAKE_LOCATION"]})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	schema := iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "email", Type: iceberg.PrimitiveTypes.String})
	made, err := c.CreateTable(t.Context(), icebergtable.Identifier{"rollcall", "lake_people"}, schema, icebergcatalog.WithLocation("file://"+place))
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "email", Type: arrow.BinaryTypes.String, Nullable: true}}, nil),
		strings.NewReader(`[{"email":"ada@example.com"}]`))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	if _, err := made.Append(t.Context(), array.NewTableReader(array.NewTableFromRecords(rows.Schema(), []arrow.RecordBatch{rows}), -1), nil); err != nil {
		t.Fatal(err)
	}
	files := func() (n int) {
		_ = filepath.WalkDir(place, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				n++
			}
			return nil
		})
		return n
	}
	before := files()
	for _, args := range [][]string{{"publish"}, {"status"}, {"maintain", "--all"}} {
		if o := command(t, env, append(args, "--warehouse", wh)...); o.code != 0 || strings.Contains(o.stdout, "lake_people") || files() != before || before == 0 {
			t.Errorf("%v: %d files of %d\n%+v", args, files(), before, o)
		}
	}
	o := command(t, env, "erase", "--warehouse", wh)
	there, err := c.CheckTableExists(t.Context(), icebergtable.Identifier{"rollcall", "lake_people"})
	if o.code != 0 || err != nil || there || files() != 0 || !strings.Contains(o.stderr, "run the job again") {
		t.Errorf("table there: %t (%v), %d files\n%+v", there, err, files(), o)
	}
}
