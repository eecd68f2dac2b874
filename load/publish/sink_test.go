package publish

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// TestGatherer: of however many rows that come one by one few pieces wait, and all rows leave it in order, with memory of their own.
func TestGatherer(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	for _, rows := range []int{1, mostLoose - 1, mostLoose, mostLoose + 1, gatherRows - 1, gatherRows, 2*gatherRows + mostLoose + 1} {
		all := numbered(mem, 0, rows)
		g := &gatherer{mem: mem}
		var got int64
		check := func(batch arrow.Record, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			if batch == nil {
				return
			}
			defer batch.Release()
			slice := all.NewSlice(got, got+batch.NumRows())
			defer slice.Release()
			if !array.RecordEqual(slice, batch) || sliced(batch) {
				t.Errorf("of %d rows, those from %d on are not what they were", rows, got)
			}
			got += batch.NumRows()
		}
		most := 0
		for i := range int64(rows) {
			slice := all.NewSlice(i, i+1)
			check(g.take(slice))
			slice.Release()
			most = max(most, len(g.pieces))
		}
		check(g.flush())
		if limit := mostLoose + gatherRows/mostLoose; got != int64(rows) || most > limit {
			t.Errorf("%d of %d rows, %d pieces at most, want %d", got, rows, most, limit)
		}
		all.Release()
	}
	g := &gatherer{mem: mem} // what it has when a build is given up is released
	all := numbered(mem, 0, mostLoose+1)
	defer all.Release()
	for i := range int64(mostLoose + 1) {
		slice := all.NewSlice(i, i+1)
		if batch, err := g.take(slice); batch != nil || err != nil {
			t.Fatal(batch, err)
		}
		slice.Release()
	}
	g.release()
}
