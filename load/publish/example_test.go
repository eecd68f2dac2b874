package publish_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
)

func Example() {
	if err := example(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 20260102-040000-000000 <nil>
	// versions/20260101-040000-000000 <nil>
}

func example() error {
	dir, err := os.MkdirTemp("", "publish")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()

	w := publish.Open(filepath.Join(dir, "warehouse"))
	lock, err := w.Lock("sync", time.Now())
	if err != nil {
		return err
	}
	for _, run := range []string{"20260101-040000-000000", "20260102-040000-000000"} {
		if err := build(context.Background(), w, run); err != nil {
			return err
		}
	}
	if err := lock.Unlock(); err != nil {
		return err
	}

	v, err := w.Current()
	if err != nil {
		return err
	}
	fmt.Println(v.Run, v.Verify(context.Background()))
	if err := w.SetCurrent("20260101-040000-000000"); err != nil { // roll back
		return err
	}
	fmt.Println(os.Readlink(filepath.Join(w.Dir(), "current")))
	return nil
}

// build publishes a version with one table, which has no rows.
func build(ctx context.Context, w *publish.Warehouse, run string) (err error) {
	b, err := w.Begin(ctx, run, []schema.Table{schema.Roles}, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Abort()) }()
	// b.Append takes the record batches of each table
	_, err = b.Publish(ctx, publish.Details{DataRun: run, Created: time.Now()})
	return err
}
