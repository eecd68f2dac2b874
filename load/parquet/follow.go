package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// Follow says that the table's rows are those of another, whose columns are its first ones, and that both come with the same cells: each part takes
// over the column chunks of the leader's part, as they stand in the file. Rows may come long after the leader's, which is closed first.
func (w *Writer) Follow(leader *Writer) error {
	for i, c := range leader.table.Columns {
		if i >= len(w.table.Columns) || w.table.Columns[i] != c {
			return w.fail("", fmt.Errorf("column %d is not that of %s", i+1, leader.table.Name))
		}
	}
	if w.parts[0].Rows > 0 || len(w.parts) > 1 {
		return w.fail("", fmt.Errorf("it has rows that %s has not", leader.table.Name))
	}
	w.leader = leader
	return nil
}

// endFollowing tells whether the follower has the leader's rows, no more and no fewer.
func (w *Writer) endFollowing() error {
	if err := w.followed(); err != nil {
		return err
	}
	if n := w.ownRows(); n > 0 || w.follows < len(w.leader.parts) {
		return w.fail("", fmt.Errorf("it does not have the rows of %s: there are %d too many, or some are missing", w.leader.table.Name, n))
	}
	return nil
}

// follow keeps what the batch has beside the leader's columns, and writes the parts whose rows are there.
func (w *Writer) follow(batch arrow.Record) error {
	whole := len(w.leader.table.Columns)
	own := array.NewRecord(arrow.NewSchema(w.schema.Fields()[whole:], nil), batch.Columns()[whole:], batch.NumRows())
	w.own = append(w.own, own)
	return w.followed()
}

// followed writes every part that the leader has finished and whose rows are there.
func (w *Writer) followed() error {
	finished := w.leader.parts
	if w.leader.open != nil {
		finished = finished[:len(finished)-1]
	}
	for w.follows < len(finished) && finished[w.follows].Rows <= w.ownRows() {
		if err := w.followPart(finished[w.follows]); err != nil {
			return w.fail(PartName(w.follows), err)
		}
		w.follows++
	}
	return nil
}

func (w *Writer) ownRows() (n int64) {
	for _, batch := range w.own {
		n += batch.NumRows()
	}
	return n
}

// followPart writes the part beside the leader's.
func (w *Writer) followPart(p Part) error {
	if p.Rows == 0 { // the part that was begun with the table has none either
		return nil
	}
	if err := w.beginOther(); err != nil {
		return err
	}
	cells := w.takeOwn(p.Rows)
	defer func() {
		for _, c := range cells {
			c.Release()
		}
	}()
	part := Part{Name: PartName(len(w.parts)), Rows: p.Rows, Nulls: slices.Clone(p.Nulls)}
	for i := len(p.Nulls); i < len(w.table.Columns); i++ {
		nulls := 0
		for _, c := range cells {
			nulls += c.Column(i - len(p.Nulls)).NullN()
		}
		part.Nulls = append(part.Nulls, int64(nulls))
	}
	if err := w.join(filepath.Join(w.leader.dir, p.Name), filepath.Join(w.dir, part.Name), cells); err != nil {
		return err
	}
	w.parts = append(w.parts, part)
	return nil
}

// takeOwn takes so many rows of what the table has for itself.
func (w *Writer) takeOwn(rows int64) (cells []arrow.Record) {
	for rows > 0 {
		batch := w.own[0]
		n := min(rows, batch.NumRows())
		cells = append(cells, batch.NewSlice(0, n))
		if rows -= n; n == batch.NumRows() {
			w.own = w.own[1:]
		} else {
			w.own[0] = batch.NewSlice(n, batch.NumRows())
		}
		batch.Release()
	}
	return cells
}

// join writes a part of the leader's column chunks and of the cells that the table has for itself.
func (w *Writer) join(leader, to string, cells []arrow.Record) (err error) {
	lead, err := openSource(leader)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lead.Close()) }()
	var groups []int64
	for g := range lead.NumRowGroups() {
		groups = append(groups, lead.RowGroup(g).NumRows())
	}
	whole := len(w.leader.table.Columns)
	own, err := w.encodeGroups(w.schema.Fields()[whole:], groups, cells)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	none, err := w.encodeGroups(w.schema.Fields(), nil, nil) // what describes the columns
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, none.Close()) }()
	out, err := newLayout(to, none.MetaData())
	if err != nil {
		return err
	}
	for g := range groups {
		chunks := make([]chunk, len(w.table.Columns))
		for i := range chunks {
			if i < whole {
				chunks[i] = lead.chunk(g, i)
			} else {
				chunks[i] = own.chunk(g, i-whole)
			}
		}
		if err := out.group(chunks); err != nil {
			return errors.Join(err, out.file.Close())
		}
	}
	return out.close()
}

// SameColumns tells whether the first columns of two parts are the same bytes, and so the same cells: row groups of as many rows, with the same chunks.
func SameColumns(a, b string, columns int) (same bool, err error) {
	one, err := openSource(a)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, one.Close()) }()
	other, err := openSource(b)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	s, o := one.MetaData().Schema, other.MetaData().Schema
	if one.NumRowGroups() != other.NumRowGroups() || min(s.NumColumns(), o.NumColumns()) < columns {
		return false, nil
	}
	for i := range columns {
		if !s.Column(i).Equals(o.Column(i)) {
			return false, nil
		}
	}
	for g := range one.NumRowGroups() {
		if one.RowGroup(g).NumRows() != other.RowGroup(g).NumRows() {
			return false, nil
		}
		for i := range columns {
			if same, err := sameChunk(one.chunk(g, i), other.chunk(g, i)); !same || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func sameChunk(a, b chunk) (bool, error) {
	x, y := a.of.RowGroups[a.group].Columns[a.column].MetaData, b.of.RowGroups[b.group].Columns[b.column].MetaData
	if x.Type != y.Type || x.Codec != y.Codec || x.NumValues != y.NumValues || x.TotalUncompressedSize != y.TotalUncompressedSize ||
		(x.DictionaryPageOffset == nil) != (y.DictionaryPageOffset == nil) {
		return false, nil
	}
	left, inA, inB := x.TotalCompressedSize, a.bytes(), b.bytes()
	if left != y.TotalCompressedSize {
		return false, nil
	}
	one, other := make([]byte, min(left, bufferBytes)), make([]byte, min(left, bufferBytes))
	for ; left > 0; left -= int64(len(one)) {
		one, other = one[:min(left, int64(len(one)))], other[:min(left, int64(len(other)))]
		if _, err := io.ReadFull(inA, one); err != nil {
			return false, err
		}
		if _, err := io.ReadFull(inB, other); err != nil {
			return false, err
		}
		if !bytes.Equal(one, other) {
			return false, nil
		}
	}
	return true, nil
}
