package publish

import (
	"context"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
)

// work is what a sink is to do with a table: append batches, or, where there is a do, that. They are released when it is done.
type work struct {
	table   string
	batches []arrow.Record
	do      func(ctx context.Context) error
}

// queueLength bounds the batches on their way to a sink: back-pressure on who makes them.
const queueLength = 4

// sink does work one after another, until the queue is closed.
func (b *Building) sink(ctx context.Context, mem memory.Allocator, add func(table string, batch arrow.Record) error) chan work {
	queue := make(chan work, queueLength)
	b.wait.Add(1)
	go func() {
		defer b.wait.Done()
		g := gathering{mem, map[string]*gatherer{}, add}
		defer g.release()
		for w := range queue {
			if b.stopped() == nil {
				if err := g.take(ctx, w); err != nil {
					b.fail(err)
				}
			}
			for _, batch := range w.batches {
				batch.Release()
			}
		}
		for _, t := range b.tables {
			if b.stopped() == nil {
				if err := g.flush(t.Name); err != nil {
					b.fail(err)
				}
			}
		}
	}()
	return queue
}

// gathering is what a sink has gathered of each table, and where it goes.
type gathering struct {
	mem    memory.Allocator
	tables map[string]*gatherer
	add    func(table string, batch arrow.Record) error
}

func (g gathering) take(ctx context.Context, w work) error {
	if w.do != nil {
		if err := g.flush(w.table); err != nil {
			return err
		}
		return w.do(ctx)
	}
	t := g.tables[w.table]
	if t == nil {
		t = &gatherer{mem: g.mem}
		g.tables[w.table] = t
	}
	for _, batch := range w.batches {
		full, err := t.take(batch)
		if err := g.write(w.table, full, err); err != nil {
			return err
		}
	}
	return nil
}

func (g gathering) flush(table string) error {
	t := g.tables[table]
	if t == nil {
		return nil
	}
	batch, err := t.flush()
	return g.write(table, batch, err)
}

func (g gathering) write(table string, batch arrow.Record, err error) error {
	if batch == nil {
		return err
	}
	defer batch.Release()
	return g.add(table, batch)
}

func (g gathering) release() {
	for _, t := range g.tables {
		t.release()
	}
}

// A sink takes batches of at least one of these, where they come smaller.
const (
	gatherRows  = 8192
	gatherBytes = 4 << 20
)

// mostLoose is how many pieces wait for others. A batch of a row has ten times the memory that its bytes say.
const mostLoose = 256

// gatherer makes one batch of many small ones, for what an amended version takes over comes in slices of a few rows. It also gives slices
// memory of their own: neither the writer of Parquet nor DuckDB reads bits from the middle of a byte as it should.
type gatherer struct {
	mem    memory.Allocator
	pieces []arrow.Record
	loose  int // the last of them, which came so
	rows   int64
	bytes  int64
}

// take takes in a batch, and gives one to write where there is enough for it, else nil; who called releases it.
func (g *gatherer) take(batch arrow.Record) (arrow.Record, error) {
	bytes := schema.BatchBytes(batch)
	if len(g.pieces) == 0 && (batch.NumRows() >= gatherRows/2 || bytes >= gatherBytes/2) && !sliced(batch) {
		batch.Retain()
		return batch, nil
	}
	batch.Retain()
	g.pieces = append(g.pieces, batch)
	g.rows += batch.NumRows()
	g.bytes += bytes
	if g.rows >= gatherRows || g.bytes >= gatherBytes {
		return g.flush()
	}
	if g.loose++; g.loose < mostLoose {
		return nil, nil
	}
	return nil, g.bundle()
}

// bundle makes one piece of the loose ones.
func (g *gatherer) bundle() error {
	loose := g.pieces[len(g.pieces)-g.loose:]
	one, err := schema.Join(g.mem, loose...)
	if err != nil {
		return err
	}
	for _, p := range loose {
		p.Release()
	}
	g.pieces, g.loose = append(g.pieces[:len(g.pieces)-g.loose], one), 0
	return nil
}

func sliced(batch arrow.Record) bool {
	for _, c := range batch.Columns() {
		if c.Data().Offset() != 0 {
			return true
		}
	}
	return false
}

// flush gives what was gathered, nil where that is nothing.
func (g *gatherer) flush() (arrow.Record, error) {
	if len(g.pieces) == 0 {
		return nil, nil
	}
	defer g.release()
	return schema.Join(g.mem, g.pieces...)
}

func (g *gatherer) release() {
	for _, p := range g.pieces {
		p.Release()
	}
	g.pieces, g.loose, g.rows, g.bytes = nil, 0, 0, 0
}
