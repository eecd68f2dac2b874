package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrNoVersion is returned where nothing was published yet, or where there is no warehouse at all.
var ErrNoVersion = errors.New("no version has been published here")

const (
	currentName  = "current"
	versionsName = "versions"
	journalName  = "journal"
	runsName     = "runs"
	lockName     = "lock"
	manifestName = "manifest.json"
	databaseName = "users.duckdb"
	parquetName  = "parquet"
	buildPrefix  = ".building-"
	removePrefix = ".removed-"

	dirMode  = 0o700
	fileMode = 0o600
)

// Warehouse is a folder of versions.
type Warehouse struct {
	dir string
}

// Open names the warehouse in dir; it need not exist.
func Open(dir string) *Warehouse { return &Warehouse{dir: dir} }

// Dir is the warehouse's folder.
func (w *Warehouse) Dir() string { return w.dir }

// Journal is the folder of the runs' journals.
func (w *Warehouse) Journal() string { return filepath.Join(w.dir, journalName) }

// Version is one published version.
type Version struct {
	Run      string
	Dir      string // real path
	Manifest Manifest
}

// Database is the path of the version's DuckDB file.
func (v Version) Database() string { return filepath.Join(v.Dir, databaseName) }

// Parquet is the folder of a table's parts.
func (v Version) Parquet(table string) string { return filepath.Join(v.Dir, parquetName, table) }

// Has tells whether the version has a table.
func (v Version) Has(table string) bool {
	return slices.ContainsFunc(v.Manifest.Tables, func(t TableEntry) bool { return t.Name == table })
}

// Manifest says what a version is made of.
type Manifest struct {
	Format      int             `json:"format"`
	Run         string          `json:"run_id"`
	DataRun     string          `json:"data_run_id"` // the run whose answers it shows; another than run_id after a replay
	Base        string          `json:"base,omitempty"`
	CreatedAt   string          `json:"created_at"` // RFC 3339, UTC
	Summary     json.RawMessage `json:"summary"`
	Fingerprint string          `json:"schema_fingerprint"` // SHA-256 over the tables' columns and types
	Tables      []TableEntry    `json:"tables"`
	Files       []FileEntry     `json:"files"`
	Erasures    []Erasure       `json:"erasures,omitempty"`
	Compact     int64           `json:"compact_bytes,omitempty"` // what users.duckdb took when it was last built whole
	SHA256      string          `json:"manifest_sha256"`         // of the manifest's file, with zeros in its own place
}

// TableEntry is a table of a version.
type TableEntry struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// FileEntry is a file of a version, by its path in the version's folder.
type FileEntry struct {
	Path   string  `json:"path"`
	Size   int64   `json:"size"`
	SHA256 string  `json:"sha256"`
	Rows   int64   `json:"rows,omitempty"`  // of a Parquet part
	Nulls  []int64 `json:"nulls,omitempty"` // of a Parquet part: by column, in how many rows it is NULL

	RowsDigest string `json:"rows_digest,omitempty"` // of a Parquet part: what its rows were when it was compared with the database, see duckdb.Digest
}

// Erasure says that a version was rewritten to forget users, or to redact what rules about personal data take away.
type Erasure struct {
	At    string `json:"at"` // RFC 3339, UTC
	Users int    `json:"users"`
	Rules string `json:"rules,omitempty"` // of a redaction
}

const manifestFormat = 1

// Current is the version that readers see; ErrNoVersion where there is none.
func (w *Warehouse) Current() (Version, error) {
	target, err := os.Readlink(filepath.Join(w.dir, currentName))
	if errors.Is(err, fs.ErrNotExist) {
		return Version{}, ErrNoVersion
	}
	if err != nil {
		return Version{}, fmt.Errorf("read the current version: %w", err)
	}
	return w.Version(filepath.Base(target))
}

// Version is the version that a run published; an error wrapping fs.ErrNotExist where there is none.
func (w *Warehouse) Version(run string) (Version, error) {
	if run == "" || run != filepath.Base(run) || strings.HasPrefix(run, ".") {
		return Version{}, fmt.Errorf("version %q: %w", run, fs.ErrNotExist)
	}
	dir, err := filepath.Abs(filepath.Join(w.dir, versionsName, run))
	if err != nil {
		return Version{}, fmt.Errorf("version %s: %w", run, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return Version{}, fmt.Errorf("version %s: %w", run, err)
	}
	v := Version{Run: run, Dir: dir}
	if err := json.Unmarshal(raw, &v.Manifest); err != nil {
		return Version{}, fmt.Errorf("version %s: %s: %w", run, manifestName, err)
	}
	if v.Manifest.Format > manifestFormat {
		return Version{}, fmt.Errorf("version %s: a newer rollcall wrote it (format %d)", run, v.Manifest.Format)
	}
	return v, nil
}

// Versions lists the runs that have a version, oldest first. Run ids sort by time.
func (w *Warehouse) Versions() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(w.dir, versionsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	var runs []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			runs = append(runs, e.Name())
		}
	}
	slices.Sort(runs)
	return runs, nil
}

// SetCurrent makes a published version current, by one rename. The time of the folder of the version that was current until then says since when
// it is not: Retention counts from there.
func (w *Warehouse) SetCurrent(run string) error {
	if _, err := w.Version(run); err != nil {
		return err
	}
	if before, err := os.Readlink(filepath.Join(w.dir, currentName)); err == nil {
		now := time.Now()
		if err := os.Chtimes(filepath.Join(w.dir, before), now, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("make %s current: %w", run, err)
		}
	}
	tmp := filepath.Join(w.dir, "."+currentName+".next")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make %s current: %w", run, err)
	}
	if err := os.Symlink(filepath.Join(versionsName, run), tmp); err != nil {
		return fmt.Errorf("make %s current: %w", run, err)
	}
	if err := os.Rename(tmp, filepath.Join(w.dir, currentName)); err != nil {
		return fmt.Errorf("make %s current: %w", run, err)
	}
	return syncDir(w.dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := d.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", dir, err), d.Close())
	}
	return d.Close()
}

// WriteFile writes a file of the warehouse whole or not at all: aside, synced, renamed.
func WriteFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(fileMode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}
