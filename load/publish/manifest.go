package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeManifest writes the manifest with the hash of its own file in it.
func writeManifest(dir string, m Manifest) error {
	m.SHA256 = unsigned
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	raw = append(raw, '\n')
	sum := sha256.Sum256(raw)
	hex.Encode(raw[place(raw, unsigned):], sum[:])
	return WriteFile(filepath.Join(dir, manifestName), raw)
}

// unsigned stands where the hash will be.
var unsigned = strings.Repeat("0", 2*sha256.Size)

// place is where the hash is in a manifest's file, which ends with it; -1 where it is not there.
func place(raw []byte, hash string) int {
	const before = `"manifest_sha256": "`
	i := bytes.LastIndex(raw, []byte(before+hash+`"`))
	if i < 0 {
		return -1
	}
	return i + len(before)
}

// checkManifest compares a version's manifest with the hash in it.
func checkManifest(v Version) error {
	raw, err := os.ReadFile(filepath.Join(v.Dir, manifestName))
	if err != nil {
		return &DifferenceError{File: manifestName, What: err.Error()}
	}
	i := place(raw, v.Manifest.SHA256)
	if i >= 0 {
		copy(raw[i:], unsigned)
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) == v.Manifest.SHA256 {
			return nil
		}
	}
	return &DifferenceError{File: manifestName, What: "its bytes are not those that were published (its SHA-256 is not the one in it)"}
}
