package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

// How much larger than when it was built whole a database may have become by amending: rows that were deleted leave room that is not all
// used again. In a small one that does not matter.
const (
	mostBloat  = 1.5
	smallBytes = 64 << 20
)

// Amendable tells whether a version of these tables can be made by amending v, which must have the same.
func (v Version) Amendable(tables []schema.Table) bool {
	if v.Manifest.Fingerprint != fingerprint(tables) {
		return false
	}
	for _, f := range v.Manifest.Files {
		if f.Path == databaseName {
			return v.Manifest.Compact > 0 && float64(f.Size) <= max(smallBytes, mostBloat*float64(v.Manifest.Compact))
		}
	}
	return false
}

// Parts are the Parquet parts of a table, in order.
func (v Version) Parts(table string) []FileEntry {
	var out []FileEntry
	for _, f := range v.Manifest.Files { // in the order of their paths
		if path.Dir(f.Path) == path.Join(parquetName, table) {
			out = append(out, f)
		}
	}
	return out
}

// Path is where a file of the version is.
func (v Version) Path(f FileEntry) string { return filepath.Join(v.Dir, filepath.FromSlash(f.Path)) }

// Amend begins a version as Begin does, but out of another, which must be intact and Amendable: the tables named by keep begin with the rows
// of the base in DuckDB. What of them stays is given to Keep or Link, for Parquet; what does not, to Delete, before what is new is
// appended. The other tables begin empty.
func (w *Warehouse) Amend(ctx context.Context, run string, base Version, tables []schema.Table, keep []string, mem memory.Allocator, s duckdb.Settings) (*Building, error) {
	return w.begin(ctx, &Building{w: w, run: run, tables: tables, base: &base, kept: keep}, mem, s)
}

// Keeps tells whether a table begins with the rows of the base.
func (b *Building) Keeps(table string) bool { return b.base != nil && slices.Contains(b.kept, table) }

// Keep adds rows that the base has and that stay as they are.
func (b *Building) Keep(table string, batch arrow.Record) error {
	if err := b.err(); err != nil {
		return err
	}
	b.count(table, batch)
	batch.Retain()
	b.toParts <- work{table: table, batches: []arrow.Record{batch}}
	return nil
}

// Link adds a part of the base whose rows all stay as they are.
func (b *Building) Link(table string, part FileEntry) error {
	if err := b.err(); err != nil {
		return err
	}
	b.rows[table] += part.Rows
	for i, n := range part.Nulls {
		b.nulls[table][i] += n
	}
	b.toParts <- work{table: table, do: func(context.Context) error {
		return b.parts[table].Link(b.base.Path(part), parquet.Part{Rows: part.Rows, Nulls: part.Nulls, Digest: part.RowsDigest})
	}}
	return nil
}

// Over says that the rows of a kept table come as Revise says, all of them, in the order that the base has, before what is appended, which goes into the
// base's last Parquet part as long as that has fewer rows than small.
func (b *Building) Over(table string, small int64) error {
	if err := b.err(); err != nil {
		return err
	}
	var parts []parquet.Base
	for _, part := range b.base.Parts(table) {
		parts = append(parts, parquet.Base{Path: b.base.Path(part), Part: parquet.Part{Rows: part.Rows, Nulls: part.Nulls, Digest: part.RowsDigest}})
		b.rows[table] += part.Rows
		for i, n := range part.Nulls {
			b.nulls[table][i] += n
		}
	}
	b.toParts <- work{table: table, do: func(context.Context) error { return b.parts[table].Over(small, parts...) }}
	return nil
}

// Revise gives the next rows of a kept table to Parquet: before as the base has them, now as they are to be; see parquet.Writer.Revise. For DuckDB there
// are Delete, Update, Fill and Insert.
func (b *Building) Revise(table string, before, now arrow.Record) error {
	if err := b.err(); err != nil {
		return err
	}
	b.rows[table] += now.NumRows() - before.NumRows()
	for i, c := range b.columns(table) {
		if at := now.Schema().FieldIndices(c.Name); len(at) > 0 {
			b.nulls[table][i] += int64(now.Column(at[0]).NullN() - before.Column(at[0]).NullN())
		}
	}
	before.Retain()
	now.Retain()
	b.toParts <- work{table: table, batches: []arrow.Record{before, now}, do: func(ctx context.Context) error {
		return b.parts[table].Revise(ctx, before, now)
	}}
	return nil
}

// Insert adds rows to DuckDB that Revise gives to Parquet.
func (b *Building) Insert(table string, batch arrow.Record) error {
	if err := b.err(); err != nil {
		return err
	}
	batch.Retain()
	b.toDB <- work{table: table, batches: []arrow.Record{batch}}
	return nil
}

func (b *Building) columns(table string) []schema.Column {
	i := slices.IndexFunc(b.tables, func(t schema.Table) bool { return t.Name == table })
	return b.tables[i].Columns
}

// Delete removes the rows that the base has under the keys; see duckdb.Writer.Delete.
func (b *Building) Delete(table string, keys arrow.Record, condition string) error {
	return b.change(table, keys, func(ctx context.Context) error { return b.db.Delete(ctx, table, keys, condition) })
}

// Update gives columns of the rows that the base has under the keys other values; see duckdb.Writer.Update. For Parquet there is Revise, or Keep.
func (b *Building) Update(table string, keys arrow.Record, set, condition string) error {
	return b.change(table, keys, func(ctx context.Context) error { return b.db.Update(ctx, table, keys, set, condition) })
}

// Fill gives a column of all rows that the base has a value, but for those under the keys, which may be nil; see duckdb.Writer.Fill. For Parquet there
// is Revise, or Keep.
func (b *Building) Fill(table, column, value string, but arrow.Record) error {
	return b.change(table, but, func(ctx context.Context) error { return b.db.Fill(ctx, table, column, value, but) })
}

func (b *Building) change(table string, keys arrow.Record, do func(context.Context) error) error {
	if err := b.err(); err != nil {
		return err
	}
	w := work{table: table, do: do}
	if keys != nil {
		keys.Retain()
		w.batches = []arrow.Record{keys}
	}
	b.toDB <- w
	return nil
}

// copyFile copies a file, by reference where the file system can.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy the base: %w", err)
	}
	defer func() { _ = in.Close() }() // read only
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return fmt.Errorf("copy the base: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(fmt.Errorf("copy the base: %w", err), out.Close())
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("copy the base: %w", err)
	}
	return nil
}
