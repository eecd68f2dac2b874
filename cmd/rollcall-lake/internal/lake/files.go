package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
)

// filesOf are the data files of a table's present snapshot, each once and whole: the library plans a large one as several tasks.
func filesOf(ctx context.Context, t *table.Table) ([]table.FileScanTask, error) {
	tasks, err := t.Scan().PlanFiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	seen := map[string]bool{}
	var out []table.FileScanTask
	for _, task := range tasks {
		if path := task.File.FilePath(); !seen[path] {
			seen[path] = true
			task.Start, task.Length = 0, task.File.FileSizeBytes()
			out = append(out, task)
		}
	}
	return out, nil
}

// A batch has about so many bytes as they are in a file, and never fewer or more rows than these: a user may have some megabytes.
const (
	batchBytes   = 256 << 10
	fewestInOne  = 64
	greatestRows = 8192
)

func batchRows(f iceberg.DataFile) int {
	return int(min(max(batchBytes*f.Count()/max(f.FileSizeBytes(), 1), fewestInOne), greatestRows))
}

// readFile reads all rows of a data file with the table's columns, the deleted ones too, in the order that they have there.
func readFile(ctx context.Context, t *table.Table, task table.FileScanTask) (iter.Seq2[arrow.RecordBatch, error], error) {
	task.DeleteFiles = nil
	_, rows, err := t.Scan(table.WithMaxConcurrency(1), table.WithArrowBatchSize(batchRows(task.File))).ReadTasks(ctx, []table.FileScanTask{task})
	return rows, err
}

// positions is a set of rows of a file.
type positions []uint64

func newPositions(rows int64) positions { return make(positions, (rows+63)/64) }

func (p positions) add(at int64) {
	if at >= 0 && at/64 < int64(len(p)) {
		p[at/64] |= 1 << (at % 64)
	}
}

func (p positions) has(at int64) bool { return at/64 < int64(len(p)) && p[at/64]&(1<<(at%64)) != 0 }

func (p positions) count() int64 {
	var n int
	for _, word := range p {
		n += bits.OnesCount64(word)
	}
	return int64(n)
}

// deletedOf are the positions of each file that are deleted in it; nil where none are.
func deletedOf(ctx context.Context, t *table.Table, files []table.FileScanTask) ([]positions, error) {
	out := make([]positions, len(files))
	of := map[string]map[string]int{} // which files a delete file applies to, by their paths
	var order []iceberg.DataFile
	for i, task := range files {
		for _, d := range task.DeleteFiles {
			if of[d.FilePath()] == nil {
				of[d.FilePath()] = map[string]int{}
				order = append(order, d)
			}
			of[d.FilePath()][task.File.FilePath()] = i
		}
	}
	if len(order) == 0 {
		return out, nil
	}
	storage, err := t.FS(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the storage: %w", err)
	}
	for _, d := range order {
		err := readDeletes(ctx, storage, d.FilePath(), func(path string, at int64) {
			i, ok := of[d.FilePath()][path]
			if !ok {
				return
			}
			if out[i] == nil {
				out[i] = newPositions(files[i].File.Count())
			}
			out[i].add(at)
		})
		if err != nil {
			return nil, fmt.Errorf("read deletes: %w", err)
		}
	}
	return out, nil
}

// readDeletes calls with every row of a file of position deletes.
func readDeletes(ctx context.Context, storage iceio.IO, path string, each func(path string, at int64)) (err error) {
	f, err := storage.Open(path)
	if err != nil {
		return err
	}
	mem := compute.GetAllocator(ctx)
	r, err := file.NewParquetReader(f, file.WithReadProps(parquet.NewReaderProperties(mem)))
	if err != nil {
		return errors.Join(err, f.Close())
	}
	defer func() { err = errors.Join(err, r.Close()) }() // and the file
	a, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: greatestRows}, mem)
	if err != nil {
		return err
	}
	columns := make([]int, 0, 2) // such a file may have the deleted rows too
	for _, name := range []string{pathColumn, positionColumn} {
		at := r.MetaData().Schema.ColumnIndexByName(name)
		if at < 0 {
			return fmt.Errorf("there is no column %s", name)
		}
		columns = append(columns, at)
	}
	if r.NumRows() == 0 {
		return nil
	}
	rows, err := a.GetRecordReader(ctx, columns, nil)
	if err != nil {
		return err
	}
	defer rows.Release()
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := eachDelete(rows.RecordBatch(), each); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func eachDelete(b arrow.RecordBatch, each func(path string, at int64)) error {
	column := func(name string) arrow.Array {
		if at := b.Schema().FieldIndices(name); len(at) == 1 {
			return b.Column(at[0])
		}
		return nil
	}
	path, err := textOf(column(pathColumn))
	if err != nil {
		return fmt.Errorf("column %s: %w", pathColumn, err)
	}
	position, ok := column(positionColumn).(*array.Int64)
	if !ok {
		return fmt.Errorf("column %s is no number", positionColumn)
	}
	for row := range int(b.NumRows()) {
		each(path(row), position.Value(row))
	}
	return nil
}
