package publish

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

// longer is flags with a column more.
var longer = schema.Table{Name: "longer", Columns: append(slices.Clone(flags.Columns), schema.Column{Name: "more", Type: schema.T(schema.Bool)})}

// TestFollowersAreReadOnce: what a table and its follower have alike is compared with DuckDB by reading it once, to the same end as if both were read;
// where the two differ, both are.
func TestFollowersAreReadOnce(t *testing.T) {
	w := warehouse(t)
	tables := []schema.Table{flags, longer}
	b, err := w.Begin(t.Context(), "run-1", tables, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	rows := numbered(memory.DefaultAllocator, 0, 5000)
	defer rows.Release()
	more := array.NewRecord(longer.Arrow(), append(slices.Clone(rows.Columns()), rows.Column(1)), rows.NumRows())
	defer more.Release()
	errs := []error{b.Follow("longer", "flags"), b.Append("flags", rows), b.Append("longer", more)}
	v, err := b.Publish(t.Context(), Details{})
	if err := errors.Join(append(errs, err, b.Abort())...); err != nil {
		t.Fatal(err)
	}
	digests := func(follow map[string]string) (map[string]duckdb.Digest, error) {
		c := comparison{dir: v.Dir, parts: map[string]duckdb.Digest{}, follow: follow}
		err := c.compare(t.Context(), v.Manifest.Tables, duckdb.Settings{})
		return c.parts, err
	}
	follow := map[string]string{"flags": "longer"}
	once, errOnce := digests(follow)
	twice, errTwice := digests(nil)
	if err := errors.Join(errOnce, errTwice); err != nil || len(once) != 2 {
		t.Fatalf("%v, %v", once, err)
	}
	for name, d := range twice {
		if once[name] != d {
			t.Errorf("%s: %+v read once, %+v read twice", name, once[name], d)
		}
	}
	others := map[string]arrow.Record{"flags": shifted(rows), "longer": shifted(more)}
	for _, table := range tables {
		t.Run("another "+table.Name, func(t *testing.T) {
			defer others[table.Name].Release()
			dir := filepath.Join(v.Dir, parquetName, table.Name)
			aside := filepath.Join(t.TempDir(), "aside")
			if err := os.Rename(dir, aside); err != nil {
				t.Fatal(err)
			}
			p, err := parquet.NewWriter(memory.DefaultAllocator, dir, table)
			if err == nil {
				err = errors.Join(p.Append(t.Context(), others[table.Name]), p.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			var difference *DifferenceError
			if _, err := digests(follow); !errors.As(err, &difference) || difference.Column != "n" {
				t.Errorf("error %v", err)
			}
			if err := errors.Join(os.RemoveAll(dir), os.Rename(aside, dir)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// shifted are as many rows, the first one twice and the last one not at all.
func shifted(rows arrow.Record) arrow.Record {
	spans := []schema.Span{{From: 0, To: 1}, {From: 0, To: rows.NumRows() - 1}}
	out, err := schema.Splice(memory.DefaultAllocator, rows, nil, spans)
	if err != nil {
		panic(err)
	}
	return out
}
