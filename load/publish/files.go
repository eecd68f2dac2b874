package publish

import (
	"io/fs"
	"path/filepath"
)

// listFiles names every file below a version's folder but its manifest, by path in it.
func listFiles(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err == nil && rel != manifestName {
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	return files, err
}
