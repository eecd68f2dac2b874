package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/schema"
)

// replacedPrefix marks a version that gave way to its rewritten self, where the two could not be exchanged in one step.
const replacedPrefix = ".replaced-"

// Rewrite begins to build a published version anew, for Building.Replace to put in its place. Abort must be called in the end, whatever
// happened. What an interrupted rewrite left is put right first.
func (w *Warehouse) Rewrite(ctx context.Context, v Version, tables []schema.Table, mem memory.Allocator, s duckdb.Settings) (*Building, error) {
	if err := w.SettleRewrites(); err != nil {
		return nil, err
	}
	return w.Begin(ctx, v.Run, tables, mem, s)
}

// SettleRewrites puts right what an interrupted rewrite left: a version that was moved away and has no successor is moved back, and
// every folder that is no version is removed, for it may hold what the rewrite was to remove.
func (w *Warehouse) SettleRewrites() error {
	dir := filepath.Join(w.dir, versionsName)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("settle an interrupted rewrite: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if run, ok := strings.CutPrefix(e.Name(), replacedPrefix); ok {
			if _, err := os.Lstat(filepath.Join(dir, run)); errors.Is(err, fs.ErrNotExist) {
				if err := os.Rename(path, filepath.Join(dir, run)); err != nil {
					return fmt.Errorf("settle an interrupted rewrite: %w", err)
				}
				continue
			}
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("settle an interrupted rewrite: %w", err)
		}
	}
	return syncDir(dir)
}

// Replace completes the rebuilt version, reads it back and compares it as Publish does, and puts it in the place of the one it was begun
// for, whose manifest it keeps but for the tables, the files and what edit changes. Readers see the old version or the new one; those who
// have the old one open go on reading it until they close it. The old version's files are removed.
func (b *Building) Replace(ctx context.Context, old Version, edit func(*Manifest) error) error {
	if err := b.finish(ctx); err != nil {
		return err
	}
	m := old.Manifest
	m.Fingerprint, m.Tables = fingerprint(b.tables), b.entries()
	err := b.compare(ctx, m.Tables)
	if err == nil {
		err = b.describe(&m)
	}
	if err == nil {
		err = edit(&m)
	}
	if err == nil {
		err = b.writeManifest(m)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = exchange(b.dir, old.Dir)
	}
	if err != nil {
		return fmt.Errorf("replace version %s: %w", old.Run, err)
	}
	return nil
}

// exchange lets fresh take the place of old, durably, and removes old. Where the file system can exchange two names, there is a version
// under the name at every instant. Elsewhere it is away between two renames; after a crash just there, SettleRewrites brings it back.
func exchange(fresh, old string) error {
	dir := filepath.Dir(old)
	gone := fresh
	if err := swap(fresh, old); errors.Is(err, errors.ErrUnsupported) {
		gone = filepath.Join(dir, replacedPrefix+filepath.Base(old))
		if err := os.Rename(old, gone); err != nil {
			return err
		}
		if err := os.Rename(fresh, old); err != nil {
			return errors.Join(err, os.Rename(gone, old))
		}
	} else if err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	return syncDir(dir)
}
