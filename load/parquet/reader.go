package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

const readBatch = 8192

// Reader streams a table's rows from its parts, in the order they were written. It is not safe for concurrent use.
type Reader struct {
	mem     memory.Allocator
	parts   []string
	columns []string
	file    *file.Reader
	records pqarrow.RecordReader
}

// NewReader reads the parts in dir. columns names those to read, in any order; none names all. A folder without parts is an error.
func NewReader(mem memory.Allocator, dir string, columns ...string) (*Reader, error) {
	parts, err := filepath.Glob(filepath.Join(dir, "part-*.parquet"))
	if err != nil || len(parts) == 0 {
		return nil, fmt.Errorf("parquet %s: no parts", dir)
	}
	slices.Sort(parts)
	return &Reader{mem: mem, parts: parts, columns: columns}, nil
}

// Next is the next batch, at most 8,192 rows with the columns in the file's order; io.EOF after the last. The batch belongs to the
// reader until the next call; who keeps it longer retains it.
func (r *Reader) Next(ctx context.Context) (arrow.Record, error) {
	for {
		if r.records == nil {
			if len(r.parts) == 0 {
				return nil, io.EOF
			}
			if err := r.open(ctx); err != nil {
				return nil, fmt.Errorf("parquet %s: %w", r.parts[0], err)
			}
		}
		if r.records.Next() {
			return r.records.Record(), nil
		}
		if err := r.records.Err(); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("parquet %s: %w", r.parts[0], err)
		}
		if err := r.Close(); err != nil {
			return nil, fmt.Errorf("parquet %s: %w", r.parts[0], err)
		}
		r.parts = r.parts[1:]
	}
}

func (r *Reader) open(ctx context.Context) error {
	f, err := file.OpenParquetFile(r.parts[0], false, file.WithReadProps(parquet.NewReaderProperties(r.mem)))
	if err != nil {
		return err
	}
	r.file = f
	in, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: readBatch}, r.mem)
	if err != nil {
		return err
	}
	var indices []int
	if len(r.columns) > 0 {
		for i, d := 0, f.MetaData().Schema; i < d.NumColumns(); i++ {
			if slices.Contains(r.columns, d.Column(i).ColumnPath()[0]) {
				indices = append(indices, i)
			}
		}
	}
	r.records, err = in.GetRecordReader(ctx, indices, nil)
	return err
}

// Close closes the part that is open. Next goes on with the part after it.
func (r *Reader) Close() error {
	if r.records != nil {
		r.records.Release()
		r.records = nil
	}
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}
