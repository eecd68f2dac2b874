package version

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ErrNone says that a warehouse has no such version.
var ErrNone = errors.New("no version has been published here")

// runID is what a run's id looks like; run ids sort by time.
var runID = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[0-9]{6}$`)

// IsRun tells whether a text is a run's id.
func IsRun(s string) bool { return runID.MatchString(s) }

const manifestFormat = 1

// Version is a published version.
type Version struct {
	Dir         string // its own folder, whatever link led to it
	Run         string
	Certificate Certificate

	tables []table
}

// Certificate is what a run proved about a version.
type Certificate struct {
	Certified   bool   `json:"certified"`
	Proof       string `json:"proof"`
	UsersSHA256 string `json:"users_sha256"`
}

type table struct {
	name  string
	rows  int64
	parts []part
}

type part struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Rows   int64  `json:"rows"`
}

// manifest is what is read of a manifest: the rest of it is not ours.
type manifest struct {
	Format  int    `json:"format"`
	Run     string `json:"run_id"`
	Summary struct {
		Certificate Certificate `json:"certificate"`
	} `json:"summary"`
	Tables []struct {
		Name string `json:"name"`
		Rows int64  `json:"rows"`
	} `json:"tables"`
	Files  []part `json:"files"`
	SHA256 string `json:"manifest_sha256"`
}

// DamagedError says that a version is not as it was published.
type DamagedError struct {
	File string // in the version's folder
	What string
}

func (e *DamagedError) Error() string { return e.File + ": " + e.What }

// Hints says what to do.
func (e *DamagedError) Hints() []string {
	return []string{"rollcall verify names everything that is not as it was published; rollcall rollback makes an earlier version current"}
}

// Current opens the current version of a warehouse; an error wrapping ErrNone where there is none.
func Current(warehouse string) (*Version, error) { return Open(filepath.Join(warehouse, "current")) }

// OfRun opens the version that a run published; an error wrapping ErrNone where there is none.
func OfRun(warehouse, run string) (*Version, error) {
	if !IsRun(run) {
		return nil, fmt.Errorf("version %q: %w", run, ErrNone)
	}
	return Open(filepath.Join(warehouse, "versions", run))
}

// Open opens the version in a folder, or behind a link to it.
func Open(dir string) (*Version, error) {
	resolved, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", dir, ErrNone)
	}
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		return nil, fmt.Errorf("open the version: %w", err)
	}
	m, err := readManifest(resolved)
	if err != nil {
		return nil, err
	}
	v := &Version{Dir: resolved, Run: m.Run, Certificate: m.Summary.Certificate}
	for _, t := range m.Tables {
		at := table{name: t.Name, rows: t.Rows}
		prefix := "parquet/" + t.Name + "/"
		for _, f := range m.Files {
			if strings.HasPrefix(f.Path, prefix) && strings.HasSuffix(f.Path, ".parquet") && filepath.IsLocal(f.Path) {
				at.parts = append(at.parts, f)
			}
		}
		slices.SortFunc(at.parts, func(a, b part) int { return strings.Compare(a.Path, b.Path) })
		if len(at.parts) == 0 {
			return nil, &DamagedError{manifestName, "it names no Parquet file of table " + t.Name}
		}
		v.tables = append(v.tables, at)
	}
	return v, nil
}

const manifestName = "manifest.json"

func readManifest(dir string) (*manifest, error) {
	raw, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	m := &manifest{}
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, &DamagedError{manifestName, "it is no manifest: " + err.Error()}
	}
	if m.Format != manifestFormat {
		return nil, &DamagedError{manifestName, fmt.Sprintf("its format is %d; this program reads %d", m.Format, manifestFormat)}
	}
	if !IsRun(m.Run) {
		return nil, &DamagedError{manifestName, "it names no run"}
	}
	return m, checkManifest(raw, m.SHA256)
}

// checkManifest compares a manifest with the hash at its end, which is that of its file with zeros in the hash's own place.
func checkManifest(raw []byte, hash string) error {
	at := bytes.LastIndex(raw, []byte(`"manifest_sha256": "`+hash+`"`))
	if at >= 0 && len(hash) == hex.EncodedLen(sha256.Size) {
		at += len(`"manifest_sha256": "`)
		unsigned := slices.Concat(raw[:at], bytes.Repeat([]byte("0"), len(hash)), raw[at+len(hash):])
		if sum := sha256.Sum256(unsigned); hex.EncodeToString(sum[:]) == hash {
			return nil
		}
	}
	return &DamagedError{manifestName, "its bytes are not those that were published (its SHA-256 is not the one in it)"}
}
