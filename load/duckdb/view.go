package duckdb

import "github.com/apache/arrow/go/v17/arrow"

// view hands batches to DuckDB, once and in order. The driver never lets go of a reader that DuckDB did not come to read, as in a
// transaction that has failed: so the batches stay their owner's, and what is not let go of is the empty view.
type view struct {
	schema  *arrow.Schema
	batches []arrow.Record
	current arrow.Record
}

// Next goes to the next batch.
func (v *view) Next() bool {
	if len(v.batches) == 0 {
		v.current = nil
		return false
	}
	v.current, v.batches = v.batches[0], v.batches[1:]
	return true
}

// Record is the batch at hand.
func (v *view) Record() arrow.Record { return v.current }

// Schema is that of all batches.
func (v *view) Schema() *arrow.Schema { return v.schema }

// Err is never an error.
func (v *view) Err() error { return nil }

// Retain and Release do nothing: the batches have an owner.
func (v *view) Retain()  {}
func (v *view) Release() {}

// empty drops the batches, which may then be released.
func (v *view) empty() { v.batches, v.current = nil, nil }
