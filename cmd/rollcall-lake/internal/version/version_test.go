package version

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// put writes a version with one table, of these rows and columns.
func put(t *testing.T, run, table, rows string, fields ...arrow.Field) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), run)
	schema := arrow.NewSchema(fields, nil)
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(b), w.Close()); err != nil {
		t.Fatal(err)
	}
	path := "parquet/" + table + "/part-00000.parquet"
	sum := sha256.Sum256(out.Bytes())
	zeros := strings.Repeat("0", 64)
	raw, err := json.MarshalIndent(map[string]any{
		"format": 1, "run_id": run, "tables": []any{map[string]any{"name": table, "rows": b.NumRows()}},
		"files":           []any{map[string]any{"path": path, "size": out.Len(), "sha256": hex.EncodeToString(sum[:])}},
		"manifest_sha256": zeros,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	own := sha256.Sum256(raw)
	raw = bytes.Replace(raw, []byte(zeros), []byte(hex.EncodeToString(own[:])), 1)
	for name, content := range map[string][]byte{path: out.Bytes(), "manifest.json": raw} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func field(name string, of arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: of, Nullable: true}
}

func open(t *testing.T, dirs ...string) []*Version {
	t.Helper()
	var out []*Version
	for _, dir := range dirs {
		v, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

const (
	runA = "20260101-000000-000001"
	runB = "20260101-000000-000002"
)

func TestSeveralVersionsAreOneTable(t *testing.T) {
	a := put(t, runA, "users", `[{"user_id":"a","n":1}]`, field("user_id", arrow.BinaryTypes.String), field("n", arrow.PrimitiveTypes.Int32))
	b := put(t, runB, "users", `[{"user_id":"b","n":4294967296,"x":"y"},{"user_id":"c"}]`, field("user_id", arrow.BinaryTypes.String), field("n", arrow.PrimitiveTypes.Int64), field("x", arrow.BinaryTypes.String))
	other := put(t, runB, "roles", `[]`, field("role_id", arrow.BinaryTypes.String))
	versions := open(t, a, b, other)
	if got := strings.Join(Names(versions...), " "); got != "users roles" {
		t.Error(got)
	}
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	table, err := OpenTable(t.Context(), mem, "users", versions...)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	if got := table.Schema.String(); table.Rows != 3 || !strings.Contains(got, "n: type=int64") || !strings.Contains(got, "x: type=utf8") {
		t.Errorf("%d rows, %s", table.Rows, got)
	}
	for range 2 { // it can be read again
		var ids []string
		for batch, err := range table.Read(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range int(batch.NumRows()) {
				ids = append(ids, batch.Column(0).ValueStr(i))
			}
		}
		if got := strings.Join(ids, " "); got != "a b c" {
			t.Error(got)
		}
	}
}

func TestWhatIsNoVersion(t *testing.T) {
	good := put(t, runA, "users", `[{"n":1}]`, field("n", arrow.PrimitiveTypes.Int64))
	raw, err := os.ReadFile(filepath.Join(good, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, manifest := range map[string]string{
		"empty": "", "another format": strings.Replace(string(raw), `"format": 1`, `"format": 2`, 1), "no run": strings.Replace(string(raw), runA, "../../etc", 1),
		"changed": strings.Replace(string(raw), `"rows": 1`, `"rows": 2`, 1),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		var damaged *DamagedError
		if _, err := Open(dir); !errors.As(err, &damaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, dir := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		if _, err := Open(dir); !errors.Is(err, ErrNone) {
			t.Errorf("%v", err)
		}
	}
	if _, err := OfRun(t.TempDir(), "../x"); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
}
