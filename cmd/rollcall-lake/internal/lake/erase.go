package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
)

// Erased is what was removed from a table beside the rows.
type Erased struct {
	Table     string `json:"table"`
	Rewritten int    `json:"files_rewritten"`
	Expired   int    `json:"snapshots_expired"`
	Removed   int    `json:"files_removed"`
}

// Erase makes the tables equal to a version, compared by content even where they are marked with its run, and then leaves no byte in the folders
// of the tables' data and metadata that is not of it: files that have deleted rows or dropped columns in them are written anew, all other snapshots, branches and tags expire, and every
// file that is then nobody's is removed, however young. It can be run again at any time, and goes on.
//
// Removing young files beside other publishers is safe by a fence. The files are listed; then a snapshot is committed that changes nothing, so that whoever
// wrote files before the list and has not committed them never can: a commit asserts the head it was made from. Only files of the list that no
// snapshot has after the fence are removed. What another publisher writes after the list is not touched, and is seen at the end: then, and when others commit
// again and again, the error is a *BusyError, for such files can hold what should be gone. Programs other than this one must not write meanwhile.
//
// Versions that a bucket keeps of removed objects are the bucket's: a bucket with versioning needs a lifecycle rule.
func (l *Lake) Erase(ctx context.Context, in Input, done func(Result), erased func(Erased)) error {
	ctx = compute.WithAllocator(ctx, l.opts.Memory)
	if err := l.publish(ctx, in, forced, done); err != nil {
		return err
	}
	tables, err := l.all(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		e, err := l.purge(ctx, nameOf(t))
		if err != nil {
			return err
		}
		erased(e)
	}
	return nil
}

// purge leaves nothing of a table but its present rows.
func (l *Lake) purge(ctx context.Context, name string) (Erased, error) {
	e := Erased{Table: name}
	if err := l.rewriteDeleted(ctx, name, &e); err != nil {
		return e, err
	}
	if err := l.expireOthers(ctx, name, &e); err != nil {
		return e, err
	}
	t, err := l.load(ctx, name)
	if err != nil {
		return e, err
	}
	listed, err := list(ctx, t, ours...)
	if err != nil {
		return e, err
	}
	l.step("listed")
	fenced, err := l.fence(ctx, name)
	if err != nil {
		return e, err
	}
	if err := removeUnreferenced(ctx, fenced, listed, &e); err != nil {
		return e, err
	}
	before, err := referenced(ctx, fenced)
	if err != nil {
		return e, err
	}
	maps.Copy(listed, before)
	// The snapshot before the fence had the same rows. What it alone has are lists of files, with the least and greatest values of files that are gone.
	if err := l.expireOthers(ctx, name, &e); err != nil {
		return e, err
	}
	if t, err = l.load(ctx, name); err != nil {
		return e, err
	}
	if err := removeUnreferenced(ctx, t, listed, &e); err != nil {
		return e, err
	}
	return e, nothingElse(ctx, t)
}

// rewriteDeleted writes anew what has deleted rows or dropped columns in it.
func (l *Lake) rewriteDeleted(ctx context.Context, name string, e *Erased) error {
	_, err := l.amend(ctx, name, func(t *table.Table, tx *table.Transaction, summary iceberg.Properties) (bool, error) {
		has, err := contents(ctx, t)
		if err != nil || len(has.data)+len(has.deletes) == 0 {
			return false, err
		}
		tasks, err := filesOf(ctx, t)
		if err != nil {
			return false, err
		}
		var groups []table.CompactionTaskGroup
		for _, part := range partitionsOf(tasks) {
			g := table.CompactionTaskGroup{PartitionKey: part.key}
			for _, task := range part.tasks {
				if len(task.DeleteFiles)+len(task.EqualityDeleteFiles) > 0 || hasDropped(t.Schema(), task.File) {
					g.Tasks = append(g.Tasks, task)
					g.TotalSizeBytes += task.File.FileSizeBytes()
				}
			}
			if len(g.Tasks) > 0 {
				groups = append(groups, g)
			}
		}
		switch {
		case len(groups) > 0: // then no delete file applies to anything
			r, err := rewrite(ctx, tx, groups, has.deletes, summary)
			if err != nil {
				return false, err
			}
			e.Rewritten = r.RemovedDataFiles
			return true, nil
		case len(has.deletes) > 0:
			return true, tx.ReplaceFiles(ctx, nil, nil, has.deletes, summary, table.WithoutAutoNameMapping())
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	return nil
}

// hasDropped tells whether a file has a column that the table has not any more.
func hasDropped(s *iceberg.Schema, f iceberg.DataFile) bool {
	for id := range f.ColumnSizes() {
		if _, ok := s.FindFieldByID(id); !ok {
			return true
		}
	}
	return false
}

// expireOthers removes all snapshots but the present one, and all branches and tags but main.
func (l *Lake) expireOthers(ctx context.Context, name string, e *Erased) error {
	var last error
	for attempt := 1; attempt <= conflicts; attempt++ {
		if last != nil { // after a commit that was made it is only looked whether there are others again
			l.retry(name, attempt, last)
			if err := pause(ctx, attempt); err != nil {
				return err
			}
		}
		t, err := l.load(ctx, name)
		if err != nil {
			return err
		}
		if t == nil {
			return fmt.Errorf("table %s is gone", name)
		}
		updates := othersOf(t)
		if len(updates) == 0 {
			return nil
		}
		l.step("expire")
		_, _, last = l.catalog.CommitTable(ctx, l.id(name), requirements(t), updates)
		if last == nil {
			e.Expired += len(t.Metadata().Snapshots()) - 1
		}
		if last != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return &BusyError{name, last}
}

func othersOf(t *table.Table) []table.Update {
	var updates []table.Update
	for name := range t.Metadata().Refs() {
		if name != table.MainBranch {
			updates = append(updates, table.NewRemoveSnapshotRefUpdate(name))
		}
	}
	var others []int64
	for _, s := range t.Metadata().Snapshots() {
		if head := t.CurrentSnapshot(); head == nil || s.SnapshotID != head.SnapshotID {
			others = append(others, s.SnapshotID)
		}
	}
	if len(others) > 0 {
		updates = append(updates, table.NewRemoveSnapshotsUpdate(others, false))
	}
	return updates
}

// fence commits a snapshot that changes nothing, and that has no list of files that are gone.
func (l *Lake) fence(ctx context.Context, name string) (*table.Table, error) {
	t, err := l.amend(ctx, name, func(_ *table.Table, tx *table.Transaction, summary iceberg.Properties) (bool, error) {
		return true, tx.Delete(ctx, iceberg.AlwaysFalse{}, summary)
	})
	if err != nil {
		return nil, fmt.Errorf("erase: %w", err)
	}
	return t, nil
}

// ours are the folders of a table's location that it has its files in. Beside them may be the tables of a namespace that begins with this table's name.
var ours = []string{"data", "metadata"}

// list is all files at a table's location, in these folders of it where any are named.
func list(ctx context.Context, t *table.Table, folders ...string) (map[string]bool, error) {
	storage, err := t.FS(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the storage: %w", err)
	}
	all, ok := storage.(iceio.ListableIO)
	if !ok {
		return nil, errors.New("this storage cannot list its files")
	}
	roots := []string{t.Location()}
	if len(folders) > 0 {
		roots = nil
	}
	for _, folder := range folders {
		roots = append(roots, join(t.Location(), folder))
	}
	out := map[string]bool{}
	for _, root := range roots {
		err := all.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // it went meanwhile, or there is no such folder
				return nil
			}
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if !d.IsDir() {
				out[plain(path)] = true
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list the files of table %s: %w", nameOf(t), err)
		}
	}
	return out, nil
}

// plain is a path as it is compared: that of a local file has no scheme.
func plain(path string) string {
	rest, ok := strings.CutPrefix(path, "file:")
	if !ok {
		return path
	}
	return "/" + strings.TrimLeft(rest, "/")
}

// owner is the file that a path is about: that of a checksum, as Hadoop's local files have them beside them (.NAME.crc), is NAME.
func owner(path string) string {
	at := strings.LastIndexByte(path, '/') + 1
	name, ok := strings.CutSuffix(path[at:], ".crc")
	if !ok || !strings.HasPrefix(name, ".") {
		return path
	}
	return path[:at] + name[1:]
}

// referenced is all files that a table's metadata leads to.
func referenced(ctx context.Context, t *table.Table) (map[string]bool, error) {
	storage, err := t.FS(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the storage: %w", err)
	}
	out := map[string]bool{plain(t.MetadataLocation()): true}
	for entry := range t.Metadata().PreviousFiles() {
		out[plain(entry.MetadataFile)] = true
	}
	for _, s := range t.Metadata().Snapshots() {
		out[plain(s.ManifestList)] = true
		lists, err := s.Manifests(storage)
		if err != nil {
			return nil, fmt.Errorf("read the manifests: %w", err)
		}
		for _, m := range lists {
			if out[plain(m.FilePath())] {
				continue
			}
			out[plain(m.FilePath())] = true
			for entry, err := range m.Entries(storage, true) {
				if err != nil {
					return nil, fmt.Errorf("read the manifests: %w", err)
				}
				out[plain(entry.DataFile().FilePath())] = true
			}
		}
	}
	return out, nil
}

// removeUnreferenced removes those of the listed files that the table does not have. It refuses to where the storage seems not even to have the files that
// the table has: then paths are not what they seem.
func removeUnreferenced(ctx context.Context, t *table.Table, listed map[string]bool, e *Erased) error {
	keep, err := referenced(ctx, t)
	if err != nil {
		return fmt.Errorf("table %s: %w", e.Table, err)
	}
	now, err := list(ctx, t, ours...)
	if err != nil {
		return err
	}
	storage, err := t.FS(ctx)
	if err != nil {
		return fmt.Errorf("open the storage: %w", err)
	}
	if s := t.CurrentSnapshot(); s != nil && !now[plain(s.ManifestList)] {
		return fmt.Errorf("table %s: its own files are not among those at %s: nothing was removed", e.Table, t.Location())
	}
	for path := range now {
		if keep[owner(path)] || !listed[path] {
			continue
		}
		if err := storage.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("table %s: remove a file: %w", e.Table, err)
		}
		e.Removed++
	}
	return nil
}

// nothingElse looks for files of others who are writing.
func nothingElse(ctx context.Context, t *table.Table) error {
	keep, err := referenced(ctx, t)
	if err != nil {
		return err
	}
	there, err := list(ctx, t, ours...)
	if err != nil {
		return err
	}
	for path := range there {
		if !keep[owner(path)] {
			return &BusyError{nameOf(t), errors.New("files were written meanwhile that nobody has committed")}
		}
	}
	return nil
}
