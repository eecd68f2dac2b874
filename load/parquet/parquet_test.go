package parquet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	parquetschema "github.com/apache/arrow/go/v17/parquet/schema"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

func TestEveryKindOfColumnComesBack(t *testing.T) {
	mem := checked(t)
	dir := filepath.Join(t.TempDir(), "a [folder] of 100%", "everything")
	write(t, mem, dir, 1000, 333)
	got, err := readAll(t, mem, dir)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d batches, %v", len(got), err)
	}
	defer release(got)
	want := batch(t, mem, 0, 1000)
	defer want.Release()
	same(t, want, got[0])
}

// same fails unless two batches have the same columns and cells.
func same(t *testing.T, want, got arrow.Record) {
	t.Helper()
	if want.NumCols() != got.NumCols() || want.NumRows() != got.NumRows() {
		t.Fatalf("%d × %d cells, want %d × %d", got.NumRows(), got.NumCols(), want.NumRows(), want.NumCols())
	}
	for i, c := range want.Columns() {
		if want.ColumnName(i) != got.ColumnName(i) || !array.Equal(c, got.Column(i)) {
			t.Errorf("%s: %v, want %v", got.ColumnName(i), got.Column(i), c)
		}
	}
}

func TestATableWithoutRows(t *testing.T) {
	mem := checked(t)
	dir := t.TempDir()
	write(t, mem, dir, 0, 1)
	if got, err := readAll(t, mem, dir); err != nil || len(got) != 0 {
		t.Errorf("%d batches, %v", len(got), err)
	}
	f := open(t, dir)
	if f.NumRows() != 0 || f.MetaData().Schema.NumColumns() != len(everything.Columns) {
		t.Errorf("%d rows, %d columns", f.NumRows(), f.MetaData().Schema.NumColumns())
	}
}

func open(t *testing.T, dir string) *file.Reader {
	t.Helper()
	f, err := file.OpenParquetFile(filepath.Join(dir, PartName(0)), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// What other readers see, from the file's own footer.
func TestTheFileIsWhatTheContractSays(t *testing.T) {
	dir := t.TempDir()
	write(t, checked(t), dir, 10, 10)
	f := open(t, dir)
	if f.MetaData().GetCreatedBy() != "rollcall" {
		t.Errorf("created by %s", f.MetaData().GetCreatedBy())
	}
	at, ok := f.MetaData().Schema.Column(2).LogicalType().(*parquetschema.TimestampLogicalType)
	if !ok || at.IsAdjustedToUTC() || at.TimeUnit() != parquetschema.TimeUnitMicros {
		t.Errorf("timestamps are %s", f.MetaData().Schema.Column(2).LogicalType())
	}
	for _, c := range []int{0, 1} {
		if _, ok := f.MetaData().Schema.Column(c).LogicalType().(parquetschema.StringLogicalType); !ok {
			t.Errorf("column %d is %s", c, f.MetaData().Schema.Column(c).LogicalType())
		}
	}
	group, err := f.RowGroup(0).MetaData().ColumnChunk(0)
	if err != nil {
		t.Fatal(err)
	}
	if group.Compression() != compress.Codecs.Zstd {
		t.Errorf("compressed by %s", group.Compression())
	}
	for i, c := range everything.Columns {
		if c.Type.Kind != schema.String {
			continue
		}
		chunk, err := f.RowGroup(0).MetaData().ColumnChunk(i)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := chunk.HasDictionaryPage(), c.Name == "role"; got != want {
			t.Errorf("%s has a dictionary: %t", c.Name, got)
		}
	}
	in, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := in.Schema()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range everything.Columns {
		name, marked := s.Field(i).Metadata.GetValue("ARROW:extension:name")
		if want := c.Type.Kind == schema.JSON; marked != want || marked && name != "arrow.json" {
			t.Errorf("%s is marked %q", c.Name, name)
		}
		if !arrow.TypeEqual(s.Field(i).Type, c.Type.Arrow()) || !s.Field(i).Nullable {
			t.Errorf("%s is %s, nullable %t", c.Name, s.Field(i).Type, s.Field(i).Nullable)
		}
	}
}

// More rows than a row group has: batches go across, so that tables of the same rows are read in the same batches.
func TestBatchesGoAcrossRowGroups(t *testing.T) {
	const rows = rowGroupRows + 2*readBatch + 5
	mem := checked(t)
	narrow := schema.Table{Name: "narrow", Columns: []schema.Column{{Name: "n", Type: schema.T(schema.Int)}, {Name: "s", Type: schema.T(schema.String)}}}
	dir := t.TempDir()
	w, err := NewWriter(mem, dir, narrow)
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(mem, narrow.Arrow())
	defer b.Release()
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(strings.Repeat("x", i%3))
		if i%10_000 == 9_999 || i == rows-1 {
			rec := b.NewRecord()
			err := w.Append(t.Context(), rec)
			rec.Release()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if f := open(t, dir); f.NumRowGroups() != 2 || f.RowGroup(0).NumRows() != rowGroupRows {
		t.Errorf("%d row groups, the first of %d rows", f.NumRowGroups(), f.RowGroup(0).NumRows())
	}
	batches, err := readAll(t, mem, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer release(batches)
	next := int64(0)
	for i, rec := range batches {
		if i < len(batches)-1 && rec.NumRows() != readBatch {
			t.Errorf("batch %d has %d rows", i, rec.NumRows())
		}
		for _, n := range rec.Column(0).(*array.Int64).Int64Values() {
			if n != next {
				t.Fatalf("row %d is %d", next, n)
			}
			next++
		}
	}
	if next != rows {
		t.Errorf("%d rows", next)
	}
}

func TestRowGroupsAreBoundedByBytes(t *testing.T) {
	mem := checked(t)
	wide := schema.Table{Name: "wide", Columns: []schema.Column{{Name: "s", Type: schema.T(schema.String)}}}
	dir := t.TempDir()
	w, err := NewWriter(mem, dir, wide)
	if err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", rowGroupBytes/4)
	for range 10 {
		b := array.NewRecordBuilder(mem, wide.Arrow())
		b.Field(0).(*array.StringBuilder).Append(big)
		rec := b.NewRecord()
		b.Release()
		err := w.Append(t.Context(), rec)
		rec.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	f := open(t, dir)
	for i := range f.NumRowGroups() {
		sizes = append(sizes, f.RowGroup(i).NumRows())
	}
	if d := cmp.Diff([]int64{4, 4, 2}, sizes); d != "" {
		t.Error(d)
	}
}

func TestReadSomeColumns(t *testing.T) {
	mem := checked(t)
	dir := t.TempDir()
	write(t, mem, dir, 20, 20)
	got, err := readAll(t, mem, dir, "role", "list", "text", "role")
	if err != nil {
		t.Fatal(err)
	}
	defer release(got)
	want := batch(t, mem, 0, 20)
	defer want.Release()
	for i, c := range []int{0, 8, 10} { // in the file's order
		if name := got[0].ColumnName(i); name != want.ColumnName(c) || !array.Equal(got[0].Column(i), want.Column(c)) {
			t.Errorf("column %d is %s", i, name)
		}
	}
	if n := got[0].NumCols(); n != 3 {
		t.Errorf("%d columns", n)
	}
	for _, columns := range [][]string{{"nobody"}, {"text", "Text"}, {"element"}} {
		if _, err := readAll(t, mem, dir, columns...); err == nil || !strings.Contains(err.Error(), columns[len(columns)-1]) {
			t.Errorf("%s: %v", columns, err)
		}
	}
}

// The same rows give the same bytes, also when they were read from Parquet before.
func TestWritingAgainGivesTheSameBytes(t *testing.T) {
	mem := checked(t)
	first, second, third := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, mem, first, 500, 100)
	write(t, mem, second, 500, 100)
	batches, err := readAll(t, mem, first)
	if err != nil {
		t.Fatal(err)
	}
	defer release(batches)
	w, err := NewWriter(mem, third, everything)
	if err != nil {
		t.Fatal(err)
	}
	for from := int64(0); from < 500; from += 100 {
		part := batches[0].NewSlice(from, from+100)
		err := w.Append(t.Context(), part)
		part.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := content(t, first)
	for _, dir := range []string{second, third} {
		if !bytes.Equal(want, content(t, dir)) {
			t.Errorf("%s has other bytes", dir)
		}
	}
}

func content(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, PartName(0)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPartsAreReadInOrder(t *testing.T) {
	mem := checked(t)
	dir, other := t.TempDir(), t.TempDir()
	write(t, mem, dir, 10, 10)
	write(t, mem, other, 7, 7)
	for name, data := range map[string][]byte{
		PartName(1): content(t, other), PartName(10): content(t, dir), "part.parquet": nil, "part-00002.parquet.tmp": nil, ".part-00003.parquet": nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, PartName(5)), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, mem, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer release(got)
	if len(got) != 1 || got[0].NumRows() != 27 {
		t.Fatalf("%d batches, the first of %d rows", len(got), got[0].NumRows())
	}
	ten, seven := batch(t, mem, 0, 10), batch(t, mem, 0, 7)
	defer release([]arrow.Record{ten, seven})
	for _, part := range []struct {
		from, to int64
		want     arrow.Record
	}{{0, 10, ten}, {10, 17, seven}, {17, 27, ten}} {
		slice := got[0].NewSlice(part.from, part.to)
		same(t, part.want, slice)
		slice.Release()
	}
}

// TestBatchesDoNotDependOnParts: tables of the same rows are read side by side, and their parts end at other rows.
func TestBatchesDoNotDependOnParts(t *testing.T) {
	mem := checked(t)
	sizes := func(rows ...int) []int64 {
		dir := t.TempDir()
		for i, n := range rows {
			part := t.TempDir()
			write(t, mem, part, n, 700)
			if err := os.Rename(filepath.Join(part, PartName(0)), filepath.Join(dir, PartName(i))); err != nil {
				t.Fatal(err)
			}
		}
		got, err := readAll(t, mem, dir)
		if err != nil {
			t.Fatal(err)
		}
		defer release(got)
		var out []int64
		for _, b := range got {
			out = append(out, b.NumRows())
		}
		return out
	}
	const rows = 2*readBatch + 100
	whole := sizes(rows)
	for _, parts := range [][]int{{readBatch, readBatch + 100}, {1000, rows - 1000}, {readBatch - 1, 2, 0, 1, rows - readBatch - 2}, {rows - 1, 1}} {
		if d := cmp.Diff(whole, sizes(parts...)); d != "" {
			t.Errorf("in parts of %v:\n%s", parts, d)
		}
	}
}

func TestNoParts(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "nowhere")} {
		if _, err := NewReader(checked(t), dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v", err)
		}
	}
}

func TestReadingAgainAfterClose(t *testing.T) {
	mem := checked(t)
	dir := t.TempDir()
	write(t, mem, dir, 2*readBatch, readBatch)
	r, err := NewReader(mem, dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b, err := r.Next(t.Context())
		if err != nil || b.Column(10).(*array.String).Value(0) != "admin" {
			t.Fatalf("%v", err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACancelledReadEnds(t *testing.T) {
	mem := checked(t)
	dir := t.TempDir()
	write(t, mem, dir, 10, 10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := NewReader(mem, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestFilesArePrivateAndNeverOverwritten(t *testing.T) {
	mem := checked(t)
	dir := filepath.Join(t.TempDir(), "parquet", "everything")
	write(t, mem, dir, 5, 5)
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Dir(dir): 0o700, filepath.Join(dir, PartName(0)): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	before := content(t, dir)
	if _, err := NewWriter(mem, dir, everything); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a part was written over: %v", err)
	}
	if !bytes.Equal(before, content(t, dir)) {
		t.Error("the part changed")
	}
	if _, err := NewWriter(mem, filepath.Join(dir, PartName(0), "x"), everything); err == nil {
		t.Error("a folder in a file")
	}
}

func TestABatchThatIsNotTheTables(t *testing.T) {
	mem := checked(t)
	dir := t.TempDir()
	w, err := NewWriter(mem, dir, everything)
	if err != nil {
		t.Fatal(err)
	}
	good := batch(t, mem, 0, 10)
	defer good.Release()
	if err := w.Append(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	s := arrow.NewSchema([]arrow.Field{{Name: "other", Type: arrow.BinaryTypes.String}}, nil)
	bad := array.NewRecord(s, []arrow.Array{good.Column(0)}, 10)
	defer bad.Release()
	if err := w.Append(t.Context(), bad); err == nil {
		t.Error("written")
	}
	if err := w.Close(); err == nil {
		t.Error("closed as if nothing was missing")
	}
	if got, err := readAll(t, mem, dir); err == nil {
		release(got)
		t.Error("the file can be read")
	}
}

func TestAnAbandonedFileFreesItsMemory(t *testing.T) {
	mem := checked(t)
	dir := t.TempDir()
	w, err := NewWriter(mem, dir, everything)
	if err != nil {
		t.Fatal(err)
	}
	b := batch(t, mem, 0, 1000)
	defer b.Release()
	if err := w.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, mem, dir); err == nil {
		release(got)
		t.Error("an abandoned file can be read")
	}
}

var errFull = errors.New("no space left on device")

// full takes so many bytes.
type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.left {
		n := f.left
		f.left = 0
		return n, errFull
	}
	f.left -= len(b)
	return len(b), nil
}

// A disk that is full is an error of Append or of Close, wherever it fills up, and never a file that seems whole.
func TestAFullDisk(t *testing.T) {
	fills := func(disk *full) error {
		mem := memory.DefaultAllocator // after a failed write the library leaves some to the garbage collector
		w, err := NewWriter(mem, t.TempDir(), everything)
		if err != nil {
			t.Fatal(err)
		}
		w.open.buf = bufio.NewWriterSize(disk, 4096)
		w.open.out, err = pqarrow.NewFileWriter(w.schema, struct{ io.Writer }{w.open.buf}, properties(mem, everything), pqarrow.NewArrowWriterProperties(pqarrow.WithAllocator(mem)))
		if err != nil {
			t.Fatal(err)
		}
		b := batch(t, mem, 0, 1000)
		defer b.Release()
		for range 3 {
			if err := w.Append(t.Context(), b); err != nil {
				break // Close must say so, too
			}
			w.open.group = rowGroupBytes // as if the row group were full: it goes to the disk
		}
		return w.Close()
	}
	const plenty = 1 << 30
	enough := full{plenty}
	if err := fills(&enough); err != nil {
		t.Fatal(err)
	}
	whole := plenty - enough.left
	for _, room := range []int{0, 3, 4, 4096, whole / 3, whole / 2, whole - 1} {
		if err := fills(&full{room}); !errors.Is(err, errFull) {
			t.Errorf("room for %d of %d bytes: %v", room, whole, err)
		}
	}
}

// Where the data of a part is damaged or cut off, reading it fails or gives every row: it neither panics nor ends early. (Damage to the
// headers is for publish.Version.Verify to find: the library takes the sizes there for true.)
func TestADamagedPart(t *testing.T) {
	dir := t.TempDir()
	write(t, checked(t), dir, 1000, 1000)
	whole := content(t, dir)
	path := filepath.Join(dir, PartName(0))
	f := open(t, dir)
	damages := 0
	for c := range everything.Columns {
		chunk, err := f.RowGroup(0).MetaData().ColumnChunk(c)
		if err != nil {
			t.Fatal(err)
		}
		const header = 128 // more than one takes
		for i := chunk.DataPageOffset() + header; i < chunk.DataPageOffset()+chunk.TotalCompressedSize()-header; i += 61 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << (i % 8)
			reads(t, path, damaged, 1000)
			damages++
		}
	}
	if damages < 20 {
		t.Errorf("%d bytes were damaged", damages)
	}
	for _, n := range []int{0, 3, 4, 12, len(whole) / 2, len(whole) - 1} {
		reads(t, path, whole[:n], -1)
	}
}

// reads reads a part with this content; rows is how many it may give, -1 for none.
func reads(t *testing.T, path string, content []byte, rows int64) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(memory.DefaultAllocator, filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			if n != rows {
				t.Errorf("%d rows, and no error", n)
			}
			break
		}
		if err != nil {
			break
		}
		n += b.NumRows()
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
