package lake_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	icebergtable "github.com/apache/iceberg-go/table"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // what the library warns of
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if command := os.Getenv("LAKE_TEST_CHILD"); command != "" {
		os.Exit(child(command))
	}
	os.Exit(m.Run())
}

// place is a lake's catalog and storage.
type place struct {
	catalog.Settings

	Namespace string // empty: rollcall
}

// local is a lake on this machine.
func local(t *testing.T) place {
	t.Helper()
	dir := t.TempDir()
	return place{Settings: catalog.Settings{
		Kind: catalog.SQL, URI: catalog.Secret("sqlite:" + filepath.Join(dir, "catalog.db")), Location: "file://" + filepath.Join(dir, "lake"),
	}}
}

// shelf is an open catalog, and a namespace of it.
type shelf struct {
	*catalog.Catalog

	namespace string
}

func (s *shelf) id(name string) icebergtable.Identifier {
	return append(strings.Split(s.namespace, "."), name)
}

// open opens a lake, and returns its catalog too.
func (p place) open(ctx context.Context, mem memory.Allocator, hooks lake.Hooks) (*lake.Lake, *shelf, error) {
	opened, err := catalog.Open(ctx, p.Settings)
	if err != nil {
		return nil, nil, err
	}
	c := &shelf{opened, cmp.Or(p.Namespace, "rollcall")}
	if err := c.EnsureNamespace(ctx, strings.Split(c.namespace, ".")); err != nil {
		return nil, nil, err
	}
	return lake.New(c, lake.Options{Namespace: c.namespace, Location: p.Location, Buckets: 4, Catalog: p.Kind, Memory: mem, Hooks: hooks}), c, nil
}

func (p place) must(t *testing.T) (*lake.Lake, *shelf) {
	t.Helper()
	l, c, err := p.open(t.Context(), memory.DefaultAllocator, lake.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return l, c
}

// rows are a table of a version: columns with their types, and values as JSON reads them.
type rows struct {
	schema *arrow.Schema
	values []map[string]any
	batch  int // rows of a batch
	mem    memory.Allocator
	sha256 string // as a source says it
}

func (r *rows) Schema() *arrow.Schema { return r.schema }
func (r *rows) Rows() int64           { return int64(len(r.values)) }
func (r *rows) SHA256() string        { return r.sha256 }
func (r *rows) Close() error          { return nil }

func (r *rows) Read(context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for part := range slices.Chunk(r.values, max(1, r.batch)) {
			raw, err := json.Marshal(part)
			if err != nil {
				yield(nil, err)
				return
			}
			b, _, err := array.RecordFromJSON(r.mem, r.schema, bytes.NewReader(raw))
			if err != nil {
				yield(nil, err)
				return
			}
			goesOn := yield(b, nil)
			b.Release()
			if !goesOn {
				return
			}
		}
	}
}

// input is a version of these tables.
func input(run string, tables map[string]*rows) lake.Input {
	return lake.Input{
		Run: run, Certificate: lake.Certificate{Certified: true, Proof: "count", UsersSHA256: "sha-of-" + run}, Tables: slices.Sorted(maps.Keys(tables)),
		Open: func(_ context.Context, name string) (lake.Source, error) { return tables[name], nil },
	}
}

func schema(columns ...any) *arrow.Schema {
	var fields []arrow.Field
	for i := 0; i < len(columns); i += 2 {
		fields = append(fields, arrow.Field{Name: columns[i].(string), Type: columns[i+1].(arrow.DataType), Nullable: true})
	}
	return arrow.NewSchema(fields, nil)
}

var (
	text    = arrow.BinaryTypes.String
	long    = arrow.PrimitiveTypes.Int64
	short   = arrow.PrimitiveTypes.Int32
	double  = arrow.PrimitiveTypes.Float64
	moment  = &arrow.TimestampType{Unit: arrow.Microsecond}
	texts   = arrow.ListOf(arrow.BinaryTypes.String)
	decimal = &arrow.Decimal128Type{Precision: 38, Scale: 0}
)

// publish makes the lake show a version, and says what was done to each table.
func publish(t *testing.T, l *lake.Lake, in lake.Input) map[string]lake.Result {
	t.Helper()
	out := map[string]lake.Result{}
	if err := l.Publish(t.Context(), in, func(r lake.Result) { out[r.Table] = r }); err != nil {
		t.Fatalf("publish %s: %v", in.Run, err)
	}
	return out
}

// shows fails where a table does not have exactly these rows, in whatever order.
func shows(t *testing.T, c *shelf, name string, want *rows) {
	t.Helper()
	got, err := content(t.Context(), c, name)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(want.lines(), got); d != "" {
		if len(d) > 2000 {
			d = d[:2000]
		}
		t.Fatalf("%s (-want +got):\n%s", name, d)
	}
}

// content is a table's rows as lines of JSON, sorted.
func content(ctx context.Context, c *shelf, name string) ([]string, error) {
	tbl, err := c.LoadTable(ctx, c.id(name))
	if err != nil {
		return nil, err
	}
	_, records, err := tbl.Scan().ToArrowRecords(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for b, err := range records {
		if err != nil {
			return nil, err
		}
		lines, err := linesOf(b)
		b.Release()
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	slices.Sort(out)
	return out, nil
}

// lines are the rows as lines of JSON, sorted: as Arrow writes what Arrow read.
func (r *rows) lines() []string {
	var out []string
	for b, err := range (&rows{r.schema, r.values, 1000, memory.DefaultAllocator, ""}).Read(context.Background()) {
		if err != nil {
			panic(err)
		}
		lines, err := linesOf(b)
		if err != nil {
			panic(err)
		}
		out = append(out, lines...)
	}
	slices.Sort(out)
	return out
}

func linesOf(b arrow.RecordBatch) ([]string, error) {
	raw, err := b.MarshalJSON()
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var values []map[string]any
	if err := d.Decode(&values); err != nil {
		return nil, err
	}
	var out []string
	for _, v := range values {
		line, err := json.Marshal(v) // keys sorted
		if err != nil {
			return nil, err
		}
		out = append(out, string(line))
	}
	return out, nil
}

// load loads a table.
func load(t *testing.T, c *shelf, name string) *icebergtable.Table {
	t.Helper()
	tbl, err := c.LoadTable(t.Context(), c.id(name))
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

func runID(n int) string { return fmt.Sprintf("20260101-000000-%06d", n) }

// users is n users of some organizations, with a revision each by which their values differ.
func users(n int, revision func(i int) int) *rows {
	r := &rows{
		schema: schema("user_id", text, "org_id", text, "name", text, "n", long, "at", moment, "tags", texts, "score", double, "big", decimal),
		batch:  97, mem: memory.DefaultAllocator,
	}
	for i := range n {
		v := revision(i)
		if v < 0 { // not there
			continue
		}
		u := map[string]any{
			"user_id": fmt.Sprintf("user-%05d", i), "org_id": fmt.Sprintf("org-%d", i%7), "name": fmt.Sprintf("Name %d of %d", v, i), "n": int64(1)<<53 + int64(v),
			"at": fmt.Sprintf("2026-01-02 03:04:05.%06d", v), "tags": []any{"a", nil, fmt.Sprint(v)}, "score": float64(v) / 3, "big": fmt.Sprintf("1234567890123456789012345678%03d", v),
		}
		if i%5 == 0 {
			u["name"], u["tags"] = nil, []any{}
		}
		if i%11 == 0 {
			u["tags"], u["org_id"] = nil, nil
		}
		r.values = append(r.values, u)
	}
	return r
}

func fixed(v int) func(int) int { return func(int) int { return v } }

func changed(share int) func(int) int {
	return func(i int) int {
		if i%share == 0 {
			return 2
		}
		return 1
	}
}

// with is the rows with another column.
func (r *rows) with(name string, of arrow.DataType, value func(i int) any) *rows {
	s := arrow.NewSchema(append(slices.Clone(r.schema.Fields()), arrow.Field{Name: name, Type: of, Nullable: true}), nil)
	out := &rows{s, nil, r.batch, r.mem, ""}
	for i, v := range r.values {
		v = maps.Clone(v)
		v[name] = value(i)
		out.values = append(out.values, v)
	}
	return out
}

func one(name string, r *rows) map[string]*rows { return map[string]*rows{name: r} }

func names(s *icebergtable.Table) string {
	var out []string
	for _, f := range s.Schema().Fields() {
		out = append(out, f.Name+" "+f.Type.String())
	}
	return strings.Join(out, ", ")
}
