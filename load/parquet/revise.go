package parquet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/rollcall-data/rollcall/schema"
)

// Base is a part of another version, on the same file system.
type Base struct {
	Path string
	Part
}

// Over says that the rows are those of another version's parts, in their order, but for what Revise says. It comes before any row. Rows appended behind
// them go into the last part as long as that has fewer than small.
func (w *Writer) Over(small int64, parts ...Base) error {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p Base) bool { return p.Rows == 0 })
	if len(parts) == 0 {
		return nil
	}
	if err := w.beginOther(); err != nil {
		return err
	}
	w.over = &revision{w: w, small: small, bases: parts}
	return nil
}

// Revise takes the next rows of the parts that Over names: before as they are there, now as they are to be. Both have the same columns, in the table's
// order. A column whose array is the same in both stays as it is, and so do those that the batches do not have; where now has more rows than before, or
// fewer, they must have all. A row group keeps the column chunks, compressed as they are, of the columns that stay; a part of which everything stays is
// linked. Where Revise fails, so does Close.
func (w *Writer) Revise(ctx context.Context, before, now arrow.Record) error {
	if w.over == nil {
		return w.fail("", errors.New("there is nothing to revise"))
	}
	if err := w.over.revise(ctx, before, now); err != nil {
		return w.fail(PartName(len(w.parts)), err)
	}
	return nil
}

// revision makes parts out of another version's.
type revision struct {
	w     *Writer
	small int64
	bases []Base // that are not begun
	part  *revisedPart
}

func (r *revision) revise(ctx context.Context, before, now arrow.Record) error {
	places, same, err := r.w.compare(before, now)
	if err != nil {
		return err
	}
	rows, moved := before.NumRows(), before.NumRows() != now.NumRows()
	for at := int64(0); ; {
		if err := r.reach(rows > at); err != nil {
			return err
		}
		n := min(rows-at, r.part.left())
		was, is := before.NewSlice(at, at+n), now
		switch {
		case !moved:
			is = now.NewSlice(at, at+n)
		case at > 0: // all came with the first piece
			is = now.NewSlice(0, 0)
		default:
			is.Retain()
		}
		err := r.part.take(ctx, places, same, was, is, moved)
		was.Release()
		is.Release()
		if err != nil {
			return err
		}
		if at += n; at == rows {
			return nil
		}
	}
}

// compare returns where the columns of the batches are in the table, and which of them are the same in both.
func (w *Writer) compare(before, now arrow.Record) (places []int, same []bool, err error) {
	if before.NumCols() != now.NumCols() || before.NumRows() != now.NumRows() && int(now.NumCols()) != len(w.table.Columns) {
		return nil, nil, fmt.Errorf("batches of %d and %d columns, %d and %d rows", before.NumCols(), now.NumCols(), before.NumRows(), now.NumRows())
	}
	for i, f := range now.Schema().Fields() {
		place := slices.IndexFunc(w.schema.Fields(), func(o arrow.Field) bool { return o.Name == f.Name })
		if place < 0 || before.ColumnName(i) != f.Name || !arrow.TypeEqual(w.schema.Field(place).Type, f.Type) {
			return nil, nil, fmt.Errorf("column %s is not the table's", f.Name)
		}
		places, same = append(places, place), append(same, before.Column(i) == now.Column(i))
	}
	return places, same, nil
}

// reach sees to it that there is a part at hand, and, where rows are to come, one that has rows left.
func (r *revision) reach(rows bool) error {
	for r.part == nil || rows && r.part.left() == 0 {
		if r.part != nil && r.part.next() {
			if err := r.part.endGroup(); err != nil {
				return err
			}
			continue
		}
		if err := r.endPart(); err != nil {
			return err
		}
		if len(r.bases) == 0 {
			return errors.New("the parts do not have so many rows")
		}
		var err error
		r.part, err = r.w.openRevised(r.bases[0])
		r.bases = r.bases[1:]
		if err != nil {
			return err
		}
	}
	return nil
}

// done tells whether all rows of the parts came.
func (r *revision) done() bool {
	return len(r.bases) == 0 && r.part != nil && r.part.left() == 0 && !r.part.next()
}

// append takes rows behind those of the parts; false where they are to go into another part.
func (r *revision) append(ctx context.Context, batch arrow.Record) (bool, error) {
	if !r.done() {
		return false, errors.New("rows of the parts are missing before those that are new")
	}
	if r.part.rows+r.part.nowRows >= r.small {
		return false, nil
	}
	none := batch.NewSlice(0, 0)
	defer none.Release()
	return true, r.revise(ctx, none, batch)
}

// end ends the last part.
func (r *revision) end() error {
	if !r.done() {
		return errors.New("rows of the parts are missing")
	}
	return r.endPart()
}

func (r *revision) endPart() error {
	p := r.part
	if p == nil {
		return nil
	}
	r.part = nil
	made, err := p.end()
	if err == nil && made.Rows > 0 {
		r.w.parts = append(r.w.parts, made)
	}
	return err
}

func (r *revision) abandon() error {
	if r.part == nil {
		return nil
	}
	return r.part.close()
}

// revisedPart is a part that is being made out of another.
type revisedPart struct {
	w     *Writer
	base  Base
	file  source
	path  string
	out   *layout // nil: all row groups so far are the base's
	rows  int64   // in the row groups that are ended
	nulls []int64

	// the row group at hand
	at      int        // its number in the base
	taken   int64      // rows of the base's that came
	nowRows int64      // rows that there are in their place
	bytes   int64      // of what is encoded since it is apart
	columns []*encoder // by the column's place in the table; nil: as it is in the base
	apart   bool       // its rows are not those of the base's one by one: every column is encoded
}

func (w *Writer) openRevised(base Base) (p *revisedPart, err error) {
	p = &revisedPart{w: w, base: base, path: filepath.Join(w.dir, PartName(len(w.parts))), columns: make([]*encoder, len(w.table.Columns))}
	if p.file, err = openSource(base.Path); err != nil {
		return nil, err
	}
	if n := p.file.MetaData().Schema.NumColumns(); n != len(w.table.Columns) || len(base.Nulls) != n {
		return nil, errors.Join(fmt.Errorf("the part has %d columns, the table %d", n, len(w.table.Columns)), p.close())
	}
	p.nulls = slices.Clone(base.Nulls)
	return p, nil
}

// left is how many rows of the base's row group are to come.
func (p *revisedPart) left() int64 { return p.file.MetaData().RowGroups[p.at].NumRows - p.taken }

// next tells whether the base has a row group behind the one at hand.
func (p *revisedPart) next() bool { return p.at+1 < p.file.NumRowGroups() }

// take takes rows of the row group at hand, and those that come in their place.
func (p *revisedPart) take(ctx context.Context, places []int, same []bool, before, now arrow.Record, moved bool) error {
	if moved && !p.apart {
		if err := p.setApart(ctx); err != nil {
			return err
		}
	}
	for i, place := range places {
		p.nulls[place] += int64(now.Column(i).NullN() - before.Column(i).NullN())
		if p.columns[place] == nil && !same[i] {
			if err := p.encode(ctx, place); err != nil {
				return err
			}
		}
		if e := p.columns[place]; e != nil && now.NumRows() > 0 {
			if err := e.append(now.Column(i)); err != nil {
				return err
			}
		}
	}
	if p.apart && len(places) < len(p.columns) {
		return errors.New("some columns are missing in a row group that is encoded whole")
	}
	p.taken += before.NumRows()
	p.nowRows += now.NumRows()
	if p.apart {
		if p.bytes += schema.BatchBytes(now); p.bytes >= rowGroupBytes || p.nowRows >= 2*rowGroupRows {
			return p.split(ctx)
		}
	}
	return nil
}

func (p *revisedPart) setApart(ctx context.Context) error {
	p.apart = true
	for place, e := range p.columns {
		if e == nil {
			if err := p.encode(ctx, place); err != nil {
				return err
			}
		}
	}
	return nil
}

// encode begins to encode a column of the row group, with what stayed of it so far.
func (p *revisedPart) encode(ctx context.Context, place int) error {
	e, err := p.w.newEncoder(p.w.schema.Field(place))
	if err != nil {
		return err
	}
	p.columns[place] = e
	e.group()
	if p.nowRows == 0 {
		return nil
	}
	return p.eachCell(ctx, place, func(a arrow.Array) error {
		p.bytes += schema.ArrayBytes(a)
		return e.append(a)
	})
}

// eachCell gives take the cells that a column of the base has in the rows that came. As in Reader, panics of the library are damage.
func (p *revisedPart) eachCell(ctx context.Context, place int, take func(arrow.Array) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged: %v", r)
		}
	}()
	in, err := pqarrow.NewFileReader(p.file.Reader, pqarrow.ArrowReadProperties{}, p.w.mem)
	if err != nil {
		return err
	}
	column, err := in.GetFieldReader(ctx, place, map[int]bool{place: true}, []int{p.at})
	if err != nil {
		return err
	}
	defer column.Release()
	for left := p.nowRows; left > 0; {
		n := min(left, readBatch)
		cells, err := readCells(p.w.mem, column, n)
		if err != nil {
			return fmt.Errorf("column %s: %w", p.w.table.Columns[place].Name, err)
		}
		err = take(cells)
		cells.Release()
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// endGroup goes on to the base's next row group.
func (p *revisedPart) endGroup() error {
	if err := p.writeGroup(); err != nil {
		return err
	}
	p.at, p.taken, p.apart = p.at+1, 0, false
	return nil
}

// split ends the row group that is encoded whole, and begins another for what is left of the base's.
func (p *revisedPart) split(ctx context.Context) error {
	if err := p.writeGroup(); err != nil {
		return err
	}
	return p.setApart(ctx)
}

// writeGroup writes the row group at hand, unless everything up to here is as it is in the base.
func (p *revisedPart) writeGroup() (err error) {
	rows := p.nowRows
	p.rows, p.nowRows, p.bytes = p.rows+rows, 0, 0
	if p.out == nil {
		if !p.apart && !slices.ContainsFunc(p.columns, func(e *encoder) bool { return e != nil }) {
			return nil
		}
		if err := p.begin(); err != nil {
			return err
		}
	}
	chunks := p.chunks(p.at)
	for place, e := range p.columns {
		if e == nil {
			continue
		}
		p.columns[place] = nil
		made, err := e.finish()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, made.Close()) }()
		chunks[place] = made.chunk(0, 0)
	}
	if rows == 0 {
		return nil
	}
	return p.out.group(chunks)
}

// begin writes the row groups of the base before the one at hand, all of which stayed as they are.
func (p *revisedPart) begin() (err error) {
	if p.out, err = newLayout(p.path, p.file.MetaData()); err != nil {
		return err
	}
	for g := range p.at {
		if err := p.out.group(p.chunks(g)); err != nil {
			return err
		}
	}
	return nil
}

// chunks are those of a row group of the base.
func (p *revisedPart) chunks(group int) []chunk {
	out := make([]chunk, len(p.columns))
	for i := range out {
		out[i] = p.file.chunk(group, i)
	}
	return out
}

// end completes the part. Without rows there is none.
func (p *revisedPart) end() (Part, error) {
	made := Part{Name: filepath.Base(p.path), Nulls: p.nulls}
	err := p.writeGroup()
	out := p.out
	p.out = nil
	switch {
	case out == nil && err == nil:
		made.Digest = p.base.Digest
		err = os.Link(p.base.Path, p.path)
	case out != nil && err != nil:
		err = errors.Join(err, out.file.Close())
	case out != nil && p.rows == 0:
		err = errors.Join(out.file.Close(), os.Remove(p.path))
	case out != nil:
		err = out.close()
	}
	made.Rows = p.rows
	return made, errors.Join(err, p.close())
}

// close gives up what is open.
func (p *revisedPart) close() error {
	for _, e := range p.columns {
		if e != nil {
			e.abandon()
		}
	}
	err := p.file.Close()
	if p.out != nil {
		err = errors.Join(err, p.out.file.Close())
	}
	return err
}
