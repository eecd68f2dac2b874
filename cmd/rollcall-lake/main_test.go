package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// warehouse writes a warehouse with a current version by hand, as rollcall's manifest and folders are documented: users with these names.
func warehouse(t *testing.T, dir, run string, names ...string) {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "user_id", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "org_id", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "first_name", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	var lines []string
	for i, name := range names {
		lines = append(lines, `{"user_id":"u`+string(rune('0'+i))+`","org_id":"acme","first_name":"`+name+`"}`)
	}
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader("["+strings.Join(lines, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(dir, "versions", run)
	write(t, filepath.Join(version, "parquet", "users", "part-00000.parquet"), out.Bytes())
	write(t, filepath.Join(version, "manifest.json"), manifest(t, run, len(names), out.Bytes()))
	current := filepath.Join(dir, "current")
	_ = os.Remove(current)
	if err := os.Symlink(filepath.Join("versions", run), current); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func manifest(t *testing.T, run string, rows int, part []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(part)
	zeros := strings.Repeat("0", 64)
	raw, err := json.MarshalIndent(map[string]any{
		"format": 1, "run_id": run,
		"summary":         map[string]any{"certificate": map[string]any{"certified": true, "proof": "count", "users_sha256": "abc"}},
		"tables":          []any{map[string]any{"name": "users", "rows": rows}},
		"files":           []any{map[string]any{"path": "parquet/users/part-00000.parquet", "size": len(part), "sha256": hex.EncodeToString(sum[:]), "rows": rows}},
		"manifest_sha256": zeros,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	raw = append(raw, '\n')
	own := sha256.Sum256(raw)
	return bytes.Replace(raw, []byte(zeros), []byte(hex.EncodeToString(own[:])), 1)
}

// lakeEnv are the variables of a lake in a folder.
func lakeEnv(dir string) map[string]string {
	return map[string]string{
		"ROLLCALL_LAKE_CATALOG": "sql", "ROLLCALL_LAKE_URI": "sqlite:" + filepath.Join(dir, "catalog.db"), "ROLLCALL_LAKE_LOCATION": "file://" + filepath.Join(dir, "lake"),
	}
}

type outcome struct {
	code           int
	stdout, stderr string
}

func command(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	return outcome{code, stdout.String(), stderr.String()}
}

func TestTheCommands(t *testing.T) {
	dir := t.TempDir()
	wh, env := filepath.Join(dir, "warehouse"), lakeEnv(dir)
	const first, second = "20260101-000000-000001", "20260102-000000-000001"
	step := func(code int, says string, args ...string) string {
		t.Helper()
		o := command(t, env, append(args, "--warehouse", wh, "--log-level", "warn")...)
		if o.code != code || !strings.Contains(o.stdout+o.stderr, says) {
			t.Fatalf("%v: exit code %d, want %d and %q\n%s%s", args, o.code, code, says, o.stdout, o.stderr)
		}
		return o.stdout
	}
	step(10, "hint: rollcall sync publishes one", "publish")
	step(10, "hint: rollcall-lake publish makes them", "status")
	warehouse(t, wh, first, "Ada", "Bob")
	step(0, "created  2 rows", "publish")
	step(0, "shown", "publish")
	warehouse(t, wh, second, "Ada", "Bobby", "Cleo")
	step(0, "behind", "status")
	var doc published
	if err := json.Unmarshal([]byte(step(0, "", "publish", "--json")), &doc); err != nil || doc.Run != second || len(doc.Tables) != 1 || doc.Tables[0].Rows != 3 {
		t.Errorf("%+v (%v)", doc, err)
	}
	var is standing
	if err := json.Unmarshal([]byte(step(0, "", "status", "--json")), &is); err != nil || is.Behind == nil || *is.Behind || is.Tables[0].Run != second {
		t.Errorf("%+v (%v)", is, err)
	}
	step(0, "rolled back", "rollback")
	step(0, "rolled back from "+second, "status")
	step(0, "held", "publish")
	step(0, "rolled back", "rollback", second)
	step(0, "files became", "maintain", "--all")
	step(0, "erase of "+second, "erase")
	step(1, "hint: ", "rollback", "20250101-000000-000001")
	step(0, "rolled back", "rollback", first) // by the version: its snapshot is gone
	step(64, "this is no run's id", "rollback", "yesterday")
	step(64, "at least 1h", "maintain", "--orphan-age", "1m")
}

func TestADamagedVersionIsNotPublished(t *testing.T) {
	const run = "20260101-000000-000001"
	for name, damage := range map[string]func(t *testing.T, version string){
		"parquet":  func(t *testing.T, v string) { flip(t, filepath.Join(v, "parquet", "users", "part-00000.parquet")) },
		"manifest": func(t *testing.T, v string) { flip(t, filepath.Join(v, "manifest.json")) },
		"missing": func(t *testing.T, v string) {
			if err := os.Remove(filepath.Join(v, "parquet", "users", "part-00000.parquet")); err != nil {
				t.Fatal(err)
			}
		},
		"grown": func(t *testing.T, v string) {
			path := filepath.Join(v, "parquet", "users", "part-00000.parquet")
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, append(raw, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			wh := filepath.Join(dir, "warehouse")
			warehouse(t, wh, run, "Ada")
			damage(t, filepath.Join(wh, "versions", run))
			if o := command(t, lakeEnv(dir), "publish", "--warehouse", wh); o.code != 1 || !strings.Contains(o.stderr, "hint: rollcall verify") {
				t.Errorf("%d: %s", o.code, o.stderr)
			}
		})
	}
}

func flip(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte("format"))
	if at < 0 {
		at = 8
	}
	raw[at+len(raw)/9] ^= 1
	write(t, path, raw)
}

func TestWrongSettings(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ variable, value, says string }{
		{"CATALOG", "hive", `catalog: "hive" is not rest or sql`},
		{"URI", "mysql://x", "uri: an SQL catalog is at"},
		{"URI", "", "uri: it is missing"},
		{"LOCATION", "", "location: it is missing"},
		{"LOCATION", "gs://bucket/x", "location: "},
		{"LOCATION", "file://", "location: "},
		{"LOCATION", "s3://key:secret@bucket/x", "location: "},
		{"LOCATION", "file:///srv/a b", "location: "},
		{"LOCATION", "file:///srv/a%20b", "location: "},
		{"LOCATION", "file:///srv/\u00fc", "location: "},
		{"LOCATION", "file:///srv/a/../b", "location: "},
		{"LOCATION", "s3://bucket/a b", "location: "},
		{"LOCATION", "s3://bucket/a//b", "location: "},
		{"LOCATION", "s3://bucket/a/../b", "location: "},
		{"NAMESPACE", "a b", "namespace: "},
		{"LOG_LEVEL", "loud", "log-level: "},
		{"LOG_FORMAT", "xml", "log-format: "},
		{"BUCKETS", "0", "buckets: "},
		{"HELD_ROWS", "0", "held-rows: "},
		{"HELD_ROWS", "4294967296", "held-rows: "},
		{"BUCKETS", "many", "ROLLCALL_LAKE_BUCKETS: "},
	} {
		env := lakeEnv(dir)
		env["ROLLCALL_LAKE_"+tt.variable] = tt.value
		if o := command(t, env, "status"); o.code != 64 || !strings.Contains(o.stderr, "error: "+tt.says) || strings.Contains(o.stderr, "secret") {
			t.Errorf("%s=%s: %d: %s", tt.variable, tt.value, o.code, o.stderr)
		}
	}
	if o := command(t, nil, "nonsense"); o.code != 64 {
		t.Errorf("%+v", o)
	}
	for _, name := range []string{"publish", "status", "maintain", "erase", "enqueue", "night status", "night publish", "night erase", "night serve"} {
		for _, nonsense := range []string{"--nonsense", "nonsense"} {
			if o := command(t, nil, append(strings.Fields(name), nonsense)...); o.code != 64 {
				t.Errorf("%s %s: %+v", name, nonsense, o)
			}
		}
	}
}

func TestAWorkersTimesAreNotNegative(t *testing.T) {
	dir := t.TempDir()
	for _, flag := range []string{"put-off", "grace", "dead-after"} {
		if o := command(t, lakeEnv(dir), "worker", "--warehouses", dir, "--results", dir, "--"+flag, "-1s"); o.code != 64 || !strings.HasPrefix(o.stderr, "error: "+flag+": ") {
			t.Errorf("%s: %+v", flag, o)
		}
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	const password, token = "pass-w0rd!", "t0ken-of-mine"
	for _, env := range []map[string]string{
		{"ROLLCALL_LAKE_CATALOG": "sql", "ROLLCALL_LAKE_URI": "postgres://me:pass-w0rd%21@127.0.0.1:1/db?password=" + token, "ROLLCALL_LAKE_LOCATION": "file:///tmp/none"},
		{"ROLLCALL_LAKE_CATALOG": "sql", "ROLLCALL_LAKE_URI": "postgres://me:" + password + "@127.0.0.1:1/db?sslmode=nonsense", "ROLLCALL_LAKE_LOCATION": "file:///tmp/none"},
		{"ROLLCALL_LAKE_CATALOG": "rest", "ROLLCALL_LAKE_URI": "http://me:" + password + "@127.0.0.1:1/", "ROLLCALL_LAKE_LOCATION": "file:///tmp/none", "ROLLCALL_LAKE_TOKEN": token},
		{"ROLLCALL_LAKE_CATALOG": "rest", "ROLLCALL_LAKE_URI": "http://127.0.0.1:1/", "ROLLCALL_LAKE_LOCATION": "file:///tmp/none", "ROLLCALL_LAKE_CREDENTIAL": "me:" + token},
	} {
		o := command(t, env, "status", "--log-level", "debug")
		if o.code == 0 || strings.Contains(o.stderr, password) || strings.Contains(o.stderr, "pass-w0rd%21") || strings.Contains(o.stderr, token) {
			t.Errorf("%d: %s", o.code, o.stderr)
		}
	}
}

// What rollcall itself publishes, with its own sandbox, is what the lake shows: the program of ROLLCALL_TEST_ROLLCALL.
func TestARealWarehouse(t *testing.T) {
	rollcall := os.Getenv("ROLLCALL_TEST_ROLLCALL")
	if rollcall == "" {
		t.Skip("no ROLLCALL_TEST_ROLLCALL, the path of rollcall")
	}
	dir := t.TempDir()
	wh, env := filepath.Join(dir, "warehouse"), lakeEnv(dir)
	for night := range 2 {
		cmd := exec.Command(rollcall, "sync", "--sandbox", "--warehouse", wh)
		cmd.Env = append(os.Environ(), "HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		o := command(t, env, "publish", "--warehouse", wh, "--json")
		var doc published
		if err := json.Unmarshal([]byte(o.stdout), &doc); err != nil || o.code != 0 {
			t.Fatalf("%d: %s (%v)", o.code, o.stderr, err)
		}
		if len(doc.Tables) < 13 {
			t.Errorf("%d tables", len(doc.Tables))
		}
		for _, r := range doc.Tables {
			if r.Table == "users" && (r.Rows != 5000 || night == 1 && r.Appended != 0) {
				t.Errorf("night %d: %+v", night, r)
			}
		}
		if o := command(t, env, "erase", "--warehouse", wh); o.code != 0 || strings.Contains(o.stdout, "updated") || strings.Contains(o.stdout, "replaced") {
			t.Errorf("what was published is not what is there: %s%s", o.stdout, o.stderr)
		}
	}
}
