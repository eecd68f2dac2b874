package pipeline

import (
	"errors"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// revision notes what becomes of the rows that the version before has in users and users_flat, batch by batch: it stays, it is written anew, or it goes, and
// rows of new users come between. Rows that stay are in DuckDB already; Parquet is given the batches as they are now.
type revision struct {
	b      *build
	spans  []schema.Span             // of the batches at hand
	unseen map[int64]bool            // the rows of theirs that stay, of users whom this run did not see
	fresh  map[string][]arrow.Record // by table: the new rows so far, those that the builder has handed on
	rows   int64                     // new rows so far, of either table
}

func (b *build) newRevision() (*revision, error) {
	r := &revision{b: b, unseen: map[int64]bool{}, fresh: map[string][]arrow.Record{schema.NameUsers: nil, schema.NameUsersFlat: nil}}
	return r, errors.Join(b.out.Over(schema.NameUsers, b.leastLinked()), b.out.Over(schema.NameUsersFlat, b.leastLinked()))
}

// has tells whether the revision takes the new rows of a table.
func (r *revision) has(table string) bool {
	_, ok := r.fresh[table]
	return ok
}

// insert takes new rows.
func (r *revision) insert(table string, batch arrow.Record) error {
	batch.Retain()
	r.fresh[table] = append(r.fresh[table], batch)
	return r.b.out.Insert(table, batch)
}

// keep says that a row of the batches at hand stays, but for the run that it names.
func (r *revision) keep(row int, unseen bool) {
	r.spans = schema.AddRow(r.spans, false, int64(row))
	if unseen {
		r.unseen[int64(row)] = true
	}
}

// replace says that the builder was given the next new row.
func (r *revision) replace() {
	r.spans = schema.AddRow(r.spans, true, r.rows)
	r.rows++
}

// hand hands on what became of a batch of both tables, and makes way for the next.
func (r *revision) hand(users, flat transform.Columns) error {
	defer r.release()
	if err := errors.Join(r.table(schema.NameUsers, users), r.table(schema.NameUsersFlat, flat)); err != nil {
		return err
	}
	r.spans, r.rows = r.spans[:0], 0
	clear(r.unseen)
	return nil
}

func (r *revision) table(table string, before transform.Columns) error {
	if err := r.b.rowsOf.Flush(table); err != nil {
		return err
	}
	var fresh arrow.Record
	if rows := r.fresh[table]; len(rows) > 0 {
		var err error
		if fresh, err = schema.Join(r.b.mem, rows...); err != nil {
			return err
		}
		defer fresh.Release()
	}
	now, err := schema.Splice(r.b.mem, before.Batch(), fresh, r.spans)
	if err != nil {
		return err
	}
	defer now.Release()
	if table == schema.NameUsersFlat {
		runs := r.runs(before, fresh)
		defer runs.Release()
		named := transform.ColumnsOf(now).With(runs)
		defer named.Release()
		now = named.Batch()
	}
	return r.b.out.Revise(table, before.Batch(), now)
}

// runs are the columns of users_flat that name runs: the one that made the version, and the last that saw the user.
func (r *revision) runs(before transform.Columns, fresh arrow.Record) arrow.Record {
	text := arrow.BinaryTypes.String
	rb := array.NewRecordBuilder(r.b.mem, arrow.NewSchema([]arrow.Field{{Name: "_run_id", Type: text, Nullable: true}, {Name: "_last_seen_run", Type: text, Nullable: true}}, nil))
	defer rb.Release()
	run := r.b.dataRun()
	var anew transform.Columns
	if fresh != nil {
		anew = transform.ColumnsOf(fresh)
	}
	for _, s := range r.spans {
		for row := s.From; row < s.To; row++ {
			seen := run
			switch {
			case s.Fresh:
				seen = anew.Text("_last_seen_run", int(row)).String
			case r.unseen[row]:
				seen = before.Text("_last_seen_run", int(row)).String
			}
			rb.Field(0).(*array.StringBuilder).Append(run)
			rb.Field(1).(*array.StringBuilder).Append(seen)
		}
	}
	return rb.NewRecord()
}

func (r *revision) release() {
	for table, rows := range r.fresh {
		for _, batch := range rows {
			batch.Release()
		}
		r.fresh[table] = nil
	}
}
