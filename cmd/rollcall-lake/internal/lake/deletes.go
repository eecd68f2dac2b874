package lake

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/parquet"
	parquetcompress "github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// Columns of a file of position deletes, as the Iceberg specification names and numbers them.
const (
	pathColumn       = "file_path"
	pathColumnID     = 2147483546
	positionColumn   = "pos"
	positionColumnID = 2147483545
)

// writeDeletes writes that rows of these files are deleted: a file for each partition, sorted by path and position as readers want it. No snapshot has them yet.
func writeDeletes(ctx context.Context, t *table.Table, files []table.FileScanTask, gone []place) ([]iceberg.DataFile, error) {
	if len(gone) == 0 {
		return nil, nil
	}
	opened, err := t.FS(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the storage: %w", err)
	}
	storage, ok := opened.(iceio.WriteFileIO)
	if !ok {
		return nil, errors.New("this storage cannot be written to")
	}
	locations, err := t.LocationProvider()
	if err != nil {
		return nil, fmt.Errorf("locate deletes: %w", err)
	}
	path := func(p place) string { return files[p.file()].File.FilePath() }
	slices.SortFunc(gone, func(a, b place) int {
		if a.file() == b.file() {
			return cmp.Compare(a, b)
		}
		return cmp.Compare(path(a), path(b))
	})
	byPartition := map[string][]place{}
	for _, p := range gone {
		key := partitionKey(files[p.file()])
		byPartition[key] = append(byPartition[key], p)
	}
	var out []iceberg.DataFile
	for _, key := range slices.Sorted(maps.Keys(byPartition)) {
		part := byPartition[key]
		at := locations.NewDataLocation(uuid.NewString() + "-deletes.parquet")
		size, err := writeDeleteFile(ctx, storage, at, part, path)
		if err != nil {
			return nil, fmt.Errorf("write deletes: %w", err)
		}
		f, err := deleteFile(t, files[part[0].file()].File, at, size, part, path)
		if err != nil {
			return nil, fmt.Errorf("write deletes: %w", err)
		}
		out = append(out, f)
	}
	return out, nil
}

func writeDeleteFile(ctx context.Context, storage iceio.WriteFileIO, at string, gone []place, path func(place) string) (int64, error) {
	f, err := storage.Create(at)
	if err != nil {
		return 0, err
	}
	counted := &counter{to: f}
	mem := compute.GetAllocator(ctx)
	w, err := pqarrow.NewFileWriter(table.PositionalDeleteArrowSchema, counted,
		parquet.NewWriterProperties(parquet.WithAllocator(mem), parquet.WithCompression(parquetcompress.Codecs.Zstd), parquet.WithDictionaryFor(positionColumn, false)),
		pqarrow.NewArrowWriterProperties(pqarrow.WithAllocator(mem)))
	if err != nil {
		return 0, errors.Join(err, f.Close())
	}
	for part := range slices.Chunk(gone, greatestRows) {
		if err := ctx.Err(); err != nil {
			return 0, errors.Join(err, w.Close(), f.Close())
		}
		b := deletesOf(ctx, part, path)
		err := w.WriteBuffered(b)
		b.Release()
		if err != nil {
			return 0, errors.Join(err, w.Close(), f.Close())
		}
	}
	err = errors.Join(w.Close(), f.Close())
	return counted.n, err
}

func deletesOf(ctx context.Context, gone []place, path func(place) string) arrow.RecordBatch {
	b := array.NewRecordBuilder(compute.GetAllocator(ctx), table.PositionalDeleteArrowSchema)
	defer b.Release()
	paths, positions := b.Field(0).(*array.StringBuilder), b.Field(1).(*array.Int64Builder)
	for _, p := range gone {
		paths.Append(path(p))
		positions.Append(p.position())
	}
	return b.NewRecordBatch()
}

// counter counts the bytes that a file has; a Parquet writer would close the file, whose closing is where storage says that it has failed.
type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// deleteFile describes a file of deletes to the snapshot that has it: of is a data file of the partition.
func deleteFile(t *table.Table, of iceberg.DataFile, at string, size int64, gone []place, path func(place) string) (iceberg.DataFile, error) {
	spec := t.Metadata().PartitionSpecByID(int(of.SpecID()))
	if spec == nil {
		return nil, fmt.Errorf("there is no partition spec %d", of.SpecID())
	}
	b, err := iceberg.NewDataFileBuilder(*spec, iceberg.EntryContentPosDeletes, at, iceberg.ParquetFile, of.Partition(), nil, nil, int64(len(gone)), size)
	if err != nil {
		return nil, err
	}
	first, last := gone[0], gone[len(gone)-1]
	least, greatest := first.position(), first.position()
	for _, p := range gone {
		least, greatest = min(least, p.position()), max(greatest, p.position())
	}
	number := func(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
	b.LowerBoundValues(map[int][]byte{pathColumnID: []byte(path(first)), positionColumnID: number(least)})
	b.UpperBoundValues(map[int][]byte{pathColumnID: []byte(path(last)), positionColumnID: number(greatest)})
	if first.file() == last.file() {
		b.ReferencedDataFile(path(first))
	}
	return b.Build(), nil
}
