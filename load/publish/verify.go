package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
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
	return compareTables(ctx, v.Dir, v.Manifest.Tables)
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
func compareTables(ctx context.Context, dir string, tables []TableEntry) error {
	c := comparison{dir: dir, parts: map[string]duckdb.Digest{}}
	return c.compare(ctx, tables, duckdb.Settings{})
}

// comparison compares the two forms of a version in dir.
type comparison struct {
	dir   string
	r     *duckdb.Verifier
	parts map[string]duckdb.Digest // of the Parquet parts, by path in dir; those that are there beforehand are not read

	follow map[string]string // by table: one whose parts have the same column chunks, with more columns
}

func (c *comparison) compare(ctx context.Context, tables []TableEntry, s duckdb.Settings) error {
	var err error
	if c.r, err = duckdb.OpenVerifier(ctx, filepath.Join(c.dir, databaseName), s); err != nil {
		return &DifferenceError{File: databaseName, What: err.Error()}
	}
	err = func() error {
		for _, t := range tables {
			if err := c.table(ctx, t); err != nil {
				return err
			}
		}
		return nil
	}()
	return errors.Join(err, c.r.Close())
}

func (c *comparison) table(ctx context.Context, t TableEntry) error {
	columns, err := c.r.Columns(ctx, t.Name)
	if err != nil {
		return &DifferenceError{File: databaseName, What: err.Error()}
	}
	inDB, err := c.r.Digest(ctx, schema.Quote(t.Name), columns...)
	if err != nil {
		return &DifferenceError{File: databaseName, What: fmt.Sprintf("table %s: %v", t.Name, err)}
	}
	if inDB.Rows != t.Rows {
		return &DifferenceError{File: databaseName, What: fmt.Sprintf("table %s has %d rows, not %d", t.Name, inDB.Rows, t.Rows)}
	}
	pattern := path.Join(parquetName, t.Name, "part-*.parquet")
	parts, err := parquet.Parts(filepath.Join(c.dir, parquetName, t.Name))
	if err != nil {
		return &DifferenceError{File: pattern, What: err.Error()}
	}
	inParts, err := c.digest(ctx, t.Name, parts, columns)
	if err != nil {
		return err
	}
	if inParts == inDB {
		return nil
	}
	if inParts.Rows != inDB.Rows {
		return &DifferenceError{File: pattern, What: fmt.Sprintf("%d rows, %d in DuckDB", inParts.Rows, inDB.Rows)}
	}
	files := relation(parts...)
	for _, column := range columns {
		a, errA := c.r.Digest(ctx, schema.Quote(t.Name), column)
		b, errB := c.r.Digest(ctx, files, column)
		if errA != nil || errB != nil || a != b {
			return &DifferenceError{File: pattern, Column: column, What: "not the values that DuckDB has"}
		}
	}
	return &DifferenceError{File: pattern, What: "the same values as in DuckDB, but in other rows"}
}

// digest is that of a table's parts together.
func (c *comparison) digest(ctx context.Context, table string, parts, columns []string) (duckdb.Digest, error) {
	var all duckdb.Digest
	for _, part := range parts {
		name := path.Join(parquetName, table, filepath.Base(part))
		if _, ok := c.parts[name]; !ok {
			if err := c.read(ctx, table, name, columns); err != nil {
				return all, &DifferenceError{File: name, What: err.Error()}
			}
		}
		all = all.Add(c.parts[name])
	}
	return all, nil
}

// read takes in the digest of a part. Where another table's part begins with the same columns, byte for byte, that is read instead, for both.
func (c *comparison) read(ctx context.Context, table, name string, columns []string) error {
	if follower, ok := c.follow[table]; ok {
		beside := path.Join(parquetName, follower, path.Base(name))
		same, err := parquet.SameColumns(c.path(name), c.path(beside), len(columns))
		if err != nil {
			return err
		}
		if same {
			more, err := c.r.Columns(ctx, follower)
			if err != nil {
				return err
			}
			d, err := c.r.Digests(ctx, relation(c.path(beside)), columns, more)
			if err != nil {
				return err
			}
			c.parts[name], c.parts[beside] = d[0], d[1]
			return nil
		}
	}
	d, err := c.r.Digest(ctx, relation(c.path(name)), columns...)
	c.parts[name] = d
	return err
}

func (c *comparison) path(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

// relation is that of these parts, named one by one: a pattern would take characters of the folder's name for its own.
func relation(parts ...string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = schema.Literal(p)
	}
	return fmt.Sprintf("read_parquet([%s])", strings.Join(quoted, ", "))
}
