package parquet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

func Example() {
	dir, err := os.MkdirTemp("", "parquet")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	w, err := parquet.NewWriter(memory.DefaultAllocator, dir, schema.Roles)
	if err != nil {
		panic(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.Roles.Arrow())
	defer b.Release()
	for i, cell := range []string{"acme", "r1", "Admin", "Runs it"} {
		b.Field(i).(*array.StringBuilder).Append(cell)
	}
	batch := b.NewRecord()
	defer batch.Release()
	if err := errors.Join(w.Append(context.Background(), batch), w.Close()); err != nil {
		panic(err)
	}

	r, err := parquet.NewReader(memory.DefaultAllocator, dir, "name", "role_id")
	if err != nil {
		panic(err)
	}
	defer func() { _ = r.Close() }()
	for {
		batch, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			panic(err)
		}
		fmt.Println(batch.ColumnName(0), batch.Column(0), batch.ColumnName(1), batch.Column(1))
	}
	// Output:
	// role_id ["r1"] name ["Admin"]
}
