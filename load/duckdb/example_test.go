package duckdb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/schema"
)

func Example() {
	if err := example(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Admin - Runs it
}

func example() error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "duckdb")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "users.duckdb")

	w, err := duckdb.Create(ctx, path, []schema.Table{schema.Roles}, duckdb.Settings{MemoryLimit: "500MB"})
	if err != nil {
		return err
	}
	defer func() { _ = w.Abandon() }() // nothing, once it is closed
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.Roles.Arrow())
	defer b.Release()
	for i, cell := range []string{"acme", "r1", "Admin", "Runs it"} {
		b.Field(i).(*array.StringBuilder).Append(cell)
	}
	batch := b.NewRecord()
	defer batch.Release()
	if err := errors.Join(w.Append(ctx, schema.NameRoles, batch), w.Close(ctx)); err != nil {
		return err
	}

	r, err := duckdb.OpenReader(ctx, path, duckdb.ReaderOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	rows, err := r.Query(ctx, "SELECT name, description FROM roles")
	if err != nil {
		return err
	}
	for rows.Next() {
		fmt.Println(rows.Row()[0].Text, "-", rows.Row()[1].Text)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	return nil
}
