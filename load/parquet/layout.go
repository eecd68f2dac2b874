package parquet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"
)

// magic begins a file and ends it.
const magic = "PAR1"

// layout writes a file out of column chunks that are encoded already, for which the library has no way. After an error it does nothing more.
type layout struct {
	file *os.File
	w    *bufio.Writer
	at   int64
	err  error
	meta *metadata.FileMetaData
}

// chunk is a column chunk as it stands in a file.
type chunk struct {
	of            *metadata.FileMetaData
	group, column int
	in            io.ReaderAt
}

// source is a file with column chunks to copy.
type source struct {
	*file.Reader
	in io.ReaderAt
}

func openSource(path string) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return source{}, err
	}
	r, err := file.NewParquetReader(f) // whose Close is that of f
	if err != nil {
		return source{}, errors.Join(err, f.Close())
	}
	return source{r, f}, nil
}

// chunk is that of a column in a row group.
func (s source) chunk(group, column int) chunk { return chunk{s.MetaData(), group, column, s.in} }

// start is where it begins.
func (c chunk) start() int64 {
	m := c.of.RowGroups[c.group].Columns[c.column].MetaData
	if m.DictionaryPageOffset != nil {
		return min(m.DataPageOffset, *m.DictionaryPageOffset)
	}
	return m.DataPageOffset
}

// bytes reads it.
func (c chunk) bytes() *io.SectionReader {
	return io.NewSectionReader(c.in, c.start(), c.of.RowGroups[c.group].Columns[c.column].MetaData.TotalCompressedSize)
}

// newLayout begins a file with the columns of another.
func newLayout(path string, like *metadata.FileMetaData) (*layout, error) {
	meta, err := like.Subset(nil)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, err
	}
	l := &layout{file: f, w: bufio.NewWriterSize(f, bufferBytes), meta: meta}
	l.write([]byte(magic))
	return l, nil
}

// group writes a row group. What describes it is the first chunk's group, and what describes the chunks is what their files say, with the places where
// they are now; their files' descriptions are of no use thereafter.
func (l *layout) group(chunks []chunk) error {
	first := chunks[0]
	group := first.of.RowGroups[first.group]
	begin, ordinal := l.at, int16(len(l.meta.RowGroups))
	group.FileOffset, group.TotalByteSize, group.Ordinal = &begin, 0, &ordinal
	columns := group.Columns[:0:0]
	var compressed int64
	for _, c := range chunks {
		begun := l.at
		column := c.of.RowGroups[c.group].Columns[c.column]
		m, start := column.MetaData, c.start()
		l.copy(c.bytes())
		if m.DictionaryPageOffset != nil {
			*m.DictionaryPageOffset += begun - start
		}
		m.DataPageOffset += begun - start
		column.FileOffset = l.at
		group.TotalByteSize += m.TotalUncompressedSize
		compressed += m.TotalCompressedSize
		columns = append(columns, column)
	}
	group.Columns, group.TotalCompressedSize = columns, &compressed
	l.meta.RowGroups = append(l.meta.RowGroups, group)
	l.meta.NumRows += group.NumRows
	return l.err
}

// close completes the file, synced.
func (l *layout) close() error {
	footer := l.at
	if l.err == nil {
		_, l.err = l.meta.WriteTo(l, nil)
	}
	l.write(binary.LittleEndian.AppendUint32(nil, uint32(l.at-footer)))
	l.write([]byte(magic))
	if l.err == nil {
		l.err = l.w.Flush()
	}
	if l.err == nil {
		l.err = l.file.Sync()
	}
	return errors.Join(l.err, l.file.Close())
}

func (l *layout) Write(b []byte) (int, error) {
	l.write(b)
	return len(b), l.err
}

func (l *layout) write(b []byte) {
	if l.err == nil {
		var n int
		n, l.err = l.w.Write(b)
		l.at += int64(n)
	}
}

func (l *layout) copy(from *io.SectionReader) {
	if l.err == nil {
		var n int64
		if n, l.err = l.w.ReadFrom(from); l.err == nil && n < from.Size() {
			l.err = io.ErrUnexpectedEOF
		}
		l.at += n
	}
}
