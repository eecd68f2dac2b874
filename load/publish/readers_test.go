package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

const (
	readers      = 5  // processes
	connections  = 10 // of each
	publishes    = 100
	readerRoles  = 20
	readersPause = 1500 * time.Millisecond // from a connection's poll to its next
)

// read polls what is current until standard input is closed, over many connections at a time: each the DuckDB file through the link, and the
// Parquet files of the folder that the link leads to. Every answer must be one run's, whole, and none older than the one before.
func read(dir string) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var wait sync.WaitGroup
	var mu sync.Mutex
	polls, versions := 0, map[string]bool{}
	for i := range connections {
		wait.Go(func() {
			tick := time.NewTicker(readersPause)
			defer tick.Stop()
			last := ""
			for n := i; ctx.Err() == nil; n++ {
				poll := pollDuckDB
				if n%2 == 0 {
					poll = pollParquet
				}
				run, err := poll(dir)
				if err == nil && run < last {
					err = fmt.Errorf("%s after %s", run, last)
				}
				if err != nil {
					cancel(fmt.Errorf("poll %d of connection %d: %w", n-i, i, err))
					return
				}
				last = run
				mu.Lock()
				polls++
				versions[run] = true
				mu.Unlock()
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	done := make(chan error, 1)
	go func() { done <- untilStdinCloses() }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
	}
	cancel(err)
	wait.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	fmt.Println("read", polls, len(versions))
	return nil
}

// pollDuckDB opens the file anew and asks it which run it is of.
func pollDuckDB(dir string) (run string, err error) {
	ctx := context.Background()
	r, err := duckdb.OpenReader(ctx, filepath.Join(dir, "current", "users.duckdb"), duckdb.ReaderOptions{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	rows, err := r.Query(ctx, `SELECT split_part(name, ' ', 1), count(*) FROM roles GROUP BY ALL UNION ALL SELECT evidence->>'$.run', count(*) FROM users_deleted GROUP BY ALL`)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var got []string
	for rows.Next() {
		got = append(got, rows.Row()[0].Text+" "+rows.Row()[1].Text)
	}
	slices.Sort(got)
	run, _, _ = strings.Cut(strings.Join(got, ""), " ")
	if want := []string{run + " 1", run + " " + strconv.Itoa(readerRoles)}; !slices.Equal(got, want) {
		return "", fmt.Errorf("a torn answer: %q, %w", got, rows.Err())
	}
	return run, rows.Err()
}

// pollParquet resolves the link once, and reads the tables in the folder that it led to.
func pollParquet(dir string) (run string, err error) {
	version, err := filepath.EvalSymlinks(filepath.Join(dir, "current"))
	if err != nil {
		return "", err
	}
	run = filepath.Base(version)
	for table, want := range map[string]int{schema.NameRoles: readerRoles, schema.NameUsersDeleted: 1} {
		n, err := countParquet(filepath.Join(version, "parquet", table), run)
		if err != nil {
			return "", fmt.Errorf("%s of %s: %w", table, run, err)
		}
		if n != want {
			return "", fmt.Errorf("%s of %s: a torn answer: %d rows of this run", table, run, n)
		}
	}
	return run, nil
}

// countParquet counts the rows that name the run.
func countParquet(dir, run string) (n int, err error) {
	r, err := parquet.NewReader(memory.DefaultAllocator, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		batch, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		for row := range int(batch.NumRows()) {
			if slices.ContainsFunc(batch.Columns(), func(c arrow.Array) bool { return strings.Contains(c.ValueStr(row), run) }) {
				n++
			}
		}
	}
}

// publishNamed publishes a version each of whose rows names its run.
func publishNamed(ctx context.Context, w *Warehouse, run string) (err error) {
	b, err := w.Begin(ctx, run, tables, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Abort()) }()
	if err := roles(run, readerRoles, func(batch arrow.Record) error { return b.Append(schema.NameRoles, batch) }); err != nil {
		return err
	}
	row := deletion(`{"run": "` + run + `"}`)
	defer row.Release()
	if err := b.Append(schema.NameUsersDeleted, row); err != nil {
		return err
	}
	_, err = b.Publish(ctx, Details{DataRun: run, Created: clock})
	return err
}

// Fifty connections of other processes poll through a hundred publishes, with retention at its tightest: there is no error, and one run in each
// answer. What somebody has open stays, and what a reader of Parquet has just found is there for as long as keep_for says.
func TestReadersInOtherProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("it is a minute of polling")
	}
	w := warehouse(t)
	if err := publishNamed(t.Context(), w, "run-0000"); err != nil {
		t.Fatal(err)
	}
	others := make([]*process, readers)
	for i := range others {
		others[i] = start(t, "read", w.Dir())
	}
	for _, p := range others {
		p.says(t, "ready")
	}
	first, err := w.Version("run-0000")
	if err != nil {
		t.Fatal(err)
	}
	analyst := start(t, "open", first.Database())
	analyst.says(t, "ready")
	removed := 0
	for n := 1; n <= publishes; n++ {
		if err := publishNamed(t.Context(), w, fmt.Sprintf("run-%04d", n)); err != nil {
			t.Fatal(err)
		}
		fates, err := w.Prune(Retention{Versions: 1, For: 5 * time.Second}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fates {
			if f.Removed {
				removed++
			}
		}
	}
	polls, versions := 0, 0
	for _, p := range others {
		last, err := p.ends()
		var n, v int
		if _, scanErr := fmt.Sscanf(last, "read %d %d", &n, &v); err != nil || scanErr != nil {
			t.Fatalf("a reader: %s, %v", last, errors.Join(err, scanErr))
		}
		polls, versions = polls+n, max(versions, v)
	}
	t.Logf("%d polls, at most %d versions seen by a process, %d versions removed", polls, versions, removed)
	if polls < 3*publishes || versions < publishes/10 || removed < publishes/10 {
		t.Error("too little happened for this to say anything")
	}
	if err := first.Verify(t.Context()); err != nil {
		t.Errorf("the version that was open throughout: %v", err)
	}
	if last, err := analyst.ends(); err != nil {
		t.Errorf("%s, %v", last, err)
	}
	if _, err := os.Stat(first.Dir); err != nil {
		t.Error(err)
	}
}
