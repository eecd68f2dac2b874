package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/compaction"
)

// Upkeep says how tables are maintained.
type Upkeep struct {
	MinFiles      int     // small files, or delete files, of a partition from which on it is compacted
	DeletedShare  float64 // of a partition's rows that are deleted from which on it is compacted
	All           bool    // compact every partition that has any delete file or two files
	TargetBytes   int64   // of a file; those of under three quarters of it are small
	KeepSnapshots int
	KeepFor       time.Duration
	OrphanAge     time.Duration // well above the longest run
}

// Maintained is what was done to a table.
type Maintained struct {
	Table          string  `json:"table"`
	FilesBefore    int     `json:"files_before"` // that were rewritten
	FilesAfter     int     `json:"files_after"`
	DeletesRemoved int     `json:"delete_files_removed"`
	BytesBefore    int64   `json:"bytes_before"`
	BytesAfter     int64   `json:"bytes_after"`
	Expired        int     `json:"snapshots_expired"`
	Orphans        int     `json:"orphan_files_removed"`
	OrphanBytes    int64   `json:"orphan_bytes_removed"`
	Seconds        float64 `json:"seconds"`
}

// Maintain compacts files, expires snapshots and removes files that no snapshot has, of every one of our tables. Each is a commit of its own, which
// changes nothing of what a table shows; a publisher at the same time makes one of the two begin again.
func (l *Lake) Maintain(ctx context.Context, u Upkeep, done func(Maintained)) error {
	ctx = compute.WithAllocator(ctx, l.opts.Memory)
	tables, err := l.all(ctx)
	if err != nil {
		return err
	}
	if len(tables) == 0 {
		return ErrNone
	}
	for _, t := range tables {
		began := time.Now()
		m := Maintained{Table: nameOf(t)}
		for _, step := range []func(context.Context, Upkeep, *Maintained) error{l.compact, l.expire, l.sweep} {
			if err := step(ctx, u, &m); err != nil {
				return err
			}
		}
		m.Seconds = time.Since(began).Seconds()
		done(m)
	}
	return nil
}

// conflicts is how often what need not be done now begins again.
const conflicts = 5

func (l *Lake) compact(ctx context.Context, u Upkeep, m *Maintained) error {
	_, err := l.amend(ctx, m.Table, func(t *table.Table, tx *table.Transaction, summary iceberg.Properties) (bool, error) {
		tasks, err := filesOf(ctx, t)
		if err != nil {
			return false, err
		}
		groups := u.groups(tasks)
		if len(groups) == 0 {
			return false, nil
		}
		dead, err := deadDeletes(ctx, t, groups)
		if err != nil {
			return false, err
		}
		r, err := rewrite(ctx, tx, groups, dead, summary)
		if err != nil {
			return false, err
		}
		m.FilesBefore, m.FilesAfter, m.DeletesRemoved = r.RemovedDataFiles, r.AddedDataFiles, r.RemovedPositionDeleteFiles+r.RemovedEqualityDeleteFiles
		m.BytesBefore, m.BytesAfter = r.BytesBefore, r.BytesAfter
		return r.RewrittenGroups > 0, nil
	})
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	return nil
}

// rewrite stages that groups of files become new ones without the rows that are deleted in them. Files are read one after the other: a second one that is read
// meanwhile would wait in memory, whole.
func rewrite(ctx context.Context, tx *table.Transaction, groups []table.CompactionTaskGroup, dead []iceberg.DataFile, summary iceberg.Properties,
) (*table.RewriteResult, error) {
	rows := greatestRows
	for _, g := range groups {
		for _, task := range g.Tasks {
			rows = min(rows, batchRows(task.File))
		}
	}
	r, err := tx.RewriteDataFiles(ctx, groups, table.RewriteDataFilesOptions{
		SnapshotProps: summary, ExtraDeleteFilesToRemove: dead,
		GroupOptions: []table.CompactionGroupOption{
			table.WithCompactionScanConcurrency(1), table.WithCompactionArrowBatchSize(rows), table.WithCompactionRecordBatchBufferSize(bufferedBatches),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("rewrite files: %w", err)
	}
	return r, nil
}

// deadDeletes are the delete files that apply to nothing when groups have been rewritten.
func deadDeletes(ctx context.Context, t *table.Table, groups []table.CompactionTaskGroup) ([]iceberg.DataFile, error) {
	fs, err := t.FS(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the storage: %w", err)
	}
	rewritten := map[string]struct{}{}
	for _, g := range groups {
		for _, task := range g.Tasks {
			rewritten[task.File.FilePath()] = struct{}{}
		}
	}
	dead, err := compaction.CollectDeadPositionDeletes(ctx, fs, t.CurrentSnapshot(), rewritten)
	if err != nil {
		return nil, fmt.Errorf("look for delete files that apply to nothing: %w", err)
	}
	return dead, nil
}

// groups are the files that are rewritten: per partition those that are small or have deleted rows, where that pays.
func (u Upkeep) groups(tasks []table.FileScanTask) []table.CompactionTaskGroup {
	var out []table.CompactionTaskGroup
	for _, part := range partitionsOf(tasks) {
		g := table.CompactionTaskGroup{PartitionKey: part.key}
		deletes := map[string]int64{}
		var rows, deleted int64
		for _, task := range part.tasks {
			rows += task.File.Count()
			has := slices.Concat(task.DeleteFiles, task.EqualityDeleteFiles)
			for _, d := range has {
				deletes[d.FilePath()] = d.Count()
			}
			if len(has) > 0 || task.File.FileSizeBytes() < u.TargetBytes*3/4 {
				g.Tasks = append(g.Tasks, task)
				g.TotalSizeBytes += task.File.FileSizeBytes()
			}
		}
		for _, n := range deletes {
			deleted += n
		}
		pays := len(g.Tasks) >= u.MinFiles || len(deletes) >= u.MinFiles || float64(deleted) > u.DeletedShare*float64(rows) ||
			u.All && (len(deletes) > 0 || len(g.Tasks) > 1)
		if pays && len(g.Tasks) > 0 && (len(deletes) > 0 || len(g.Tasks) > 1) {
			out = append(out, g)
		}
	}
	return out
}

type partitionTasks struct {
	key   string
	tasks []table.FileScanTask
}

func partitionKey(task table.FileScanTask) string {
	return fmt.Sprint(task.File.SpecID(), task.File.Partition())
}

// partitionsOf puts tasks together by their partitions.
func partitionsOf(tasks []table.FileScanTask) []partitionTasks {
	var out []partitionTasks
	for _, task := range tasks {
		key := partitionKey(task)
		at := slices.IndexFunc(out, func(p partitionTasks) bool { return p.key == key })
		if at < 0 {
			at = len(out)
			out = append(out, partitionTasks{key: key})
		}
		out[at].tasks = append(out[at].tasks, task)
	}
	slices.SortFunc(out, func(a, b partitionTasks) int { return cmp.Compare(a.key, b.key) })
	return out
}

// maxManifests is how many manifests a table may have before they are put together.
const maxManifests = 30

func (l *Lake) expire(ctx context.Context, u Upkeep, m *Maintained) error {
	_, err := l.amend(ctx, m.Table, func(t *table.Table, tx *table.Transaction, _ iceberg.Properties) (bool, error) {
		crowded, err := manifests(ctx, t)
		if err != nil || crowded <= maxManifests {
			return false, err
		}
		r, err := tx.RewriteManifests(ctx)
		return err == nil && !r.IsNoOp(), err
	})
	if err != nil {
		return fmt.Errorf("put manifests together: %w", err)
	}
	_, err = l.amend(ctx, m.Table, func(t *table.Table, tx *table.Transaction, _ iceberg.Properties) (bool, error) {
		if err := tx.ExpireSnapshots(table.WithRetainLast(max(1, u.KeepSnapshots)), table.WithOlderThan(u.KeepFor)); err != nil {
			return false, err
		}
		then, err := tx.StagedTable()
		if err != nil {
			return false, err
		}
		m.Expired = len(t.Metadata().Snapshots()) - len(then.Metadata().Snapshots())
		return m.Expired > 0, nil
	})
	if err != nil {
		return fmt.Errorf("expire snapshots: %w", err)
	}
	return nil
}

func manifests(ctx context.Context, t *table.Table) (int, error) {
	s := t.CurrentSnapshot()
	if s == nil {
		return 0, nil
	}
	fs, err := t.FS(ctx)
	if err != nil {
		return 0, fmt.Errorf("open the storage: %w", err)
	}
	files, err := s.Manifests(fs)
	return len(files), err
}

// sweep removes files that no snapshot has and that are old enough to be nobody's any more.
func (l *Lake) sweep(ctx context.Context, u Upkeep, m *Maintained) error {
	t, err := l.load(ctx, m.Table)
	if err != nil || t == nil {
		return err
	}
	for _, folder := range ours {
		there, err := list(ctx, t, folder)
		if err != nil {
			return err
		}
		if len(there) == 0 {
			continue
		}
		if err := sweepFolder(ctx, t, join(t.Location(), folder), u, m); err != nil {
			return err
		}
	}
	return nil
}

func sweepFolder(ctx context.Context, t *table.Table, folder string, u Upkeep, m *Maintained) error {
	r, err := t.DeleteOrphanFiles(ctx, table.WithLocation(folder), table.WithFilesOlderThan(u.OrphanAge))
	for attempt := 1; errors.Is(err, fs.ErrNotExist) && attempt < conflicts; attempt++ { // a publisher removed what it had written: the list is begun again
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		r, err = t.DeleteOrphanFiles(ctx, table.WithLocation(folder), table.WithFilesOlderThan(u.OrphanAge))
	}
	if err != nil {
		return fmt.Errorf("table %s: remove orphan files: %w", m.Table, err)
	}
	m.Orphans += len(r.DeletedFiles)
	m.OrphanBytes += r.TotalSizeBytes
	return nil
}
