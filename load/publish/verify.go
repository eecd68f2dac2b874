package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

// DifferenceError names where a version is not what it should be.
type DifferenceError struct {
	File   string // path in the version's folder
	Column string // empty where it is not one column's
	What   string
}

func (e *DifferenceError) Error() string {
	if e.Column != "" {
		return fmt.Sprintf("%s, column %s: %s", e.File, e.Column, e.What)
	}
	return fmt.Sprintf("%s: %s", e.File, e.What)
}

// Verify checks a version offline: the manifest against the hash in it, every other file against the manifest's size and hash, no file too
// many, and every table in DuckDB against its Parquet files, row by row through a hash of each row. All differences of the files are
// returned, joined.
func (v Version) Verify(ctx context.Context) error {
	if err := v.Intact(); err != nil {
		return err
	}
	return compareTables(ctx, v.Dir, v.Manifest.Tables, duckdb.Settings{})
}

// Intact checks that a version's files are those that were published, by size and SHA-256, without reading the tables.
func (v Version) Intact() error {
	named := map[string]FileEntry{}
	for _, f := range v.Manifest.Files {
		named[f.Path] = f
	}
	seen, err := listFiles(v.Dir)
	if err != nil {
		return fmt.Errorf("verify %s: %w", v.Run, err)
	}
	errs := []error{checkManifest(v)}
	for _, path := range seen {
		want, known := named[path]
		delete(named, path)
		if !known {
			errs = append(errs, &DifferenceError{File: path, What: "the manifest does not name this file"})
			continue
		}
		got, err := describe(v.Dir, filepath.Join(v.Dir, filepath.FromSlash(path)), false)
		switch {
		case err != nil:
			errs = append(errs, &DifferenceError{File: path, What: err.Error()})
		case got.Size != want.Size || got.SHA256 != want.SHA256:
			errs = append(errs, &DifferenceError{File: path, What: "its bytes are not those that were published (size or SHA-256 differs from the manifest)"})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(named)) {
		errs = append(errs, &DifferenceError{File: path, What: "missing"})
	}
	return errors.Join(errs...)
}

// compareTables reads a version back: each table in DuckDB must have the rows expected, and its Parquet files the same ones.
func compareTables(ctx context.Context, dir string, tables []TableEntry, s duckdb.Settings) error {
	r, err := duckdb.OpenVerifier(ctx, filepath.Join(dir, databaseName), s)
	if err != nil {
		return &DifferenceError{File: databaseName, What: err.Error()}
	}
	err = func() error {
		for _, t := range tables {
			if err := compareTable(ctx, r, dir, t); err != nil {
				return err
			}
		}
		return nil
	}()
	return errors.Join(err, r.Close())
}

func compareTable(ctx context.Context, r *duckdb.Verifier, dir string, t TableEntry) error {
	part := filepath.ToSlash(filepath.Join(parquetName, t.Name, "part-*.parquet"))
	columns, err := r.Columns(ctx, t.Name)
	if err != nil {
		return &DifferenceError{File: databaseName, What: err.Error()}
	}
	inDB, err := r.Digest(ctx, schema.Quote(t.Name), columns...)
	if err != nil {
		return &DifferenceError{File: databaseName, What: fmt.Sprintf("table %s: %v", t.Name, err)}
	}
	if inDB.Rows != t.Rows {
		return &DifferenceError{File: databaseName, What: fmt.Sprintf("table %s has %d rows, not %d", t.Name, inDB.Rows, t.Rows)}
	}
	files, err := readParts(filepath.Join(dir, parquetName, t.Name))
	if err != nil {
		return &DifferenceError{File: part, What: err.Error()}
	}
	inParts, err := r.Digest(ctx, files, columns...)
	if err != nil {
		return &DifferenceError{File: part, What: err.Error()}
	}
	if inParts == inDB {
		return nil
	}
	if inParts.Rows != inDB.Rows {
		return &DifferenceError{File: part, What: fmt.Sprintf("%d rows, %d in DuckDB", inParts.Rows, inDB.Rows)}
	}
	for _, c := range columns {
		a, errA := r.Digest(ctx, schema.Quote(t.Name), c)
		b, errB := r.Digest(ctx, files, c)
		if errA != nil || errB != nil || a != b {
			return &DifferenceError{File: part, Column: c, What: "not the values that DuckDB has"}
		}
	}
	return &DifferenceError{File: part, What: "the same values as in DuckDB, but in other rows"}
}

// readParts is the relation of the parts in dir, named one by one: a pattern would take characters of the folder's name for its own.
func readParts(dir string) (string, error) {
	parts, err := parquet.Parts(dir)
	if err != nil {
		return "", err
	}
	for i := range parts {
		parts[i] = schema.Literal(parts[i])
	}
	return fmt.Sprintf("read_parquet([%s])", strings.Join(parts, ", ")), nil
}
