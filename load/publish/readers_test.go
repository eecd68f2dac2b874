package publish

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
)

const (
	readers     = 5  // processes
	connections = 10 // of each
	publishes   = 100
	roundEvery  = 5 // publishes: every connection polls once in a round
	readerRoles = 20
)

// read polls what is current over many connections at a time, once each for every line of standard input, until that closes: each the DuckDB file
// through the link, and the Parquet files of the folder that the link leads to. Every answer must be one run's, whole, and none older than the
// one that the connection had before.
func read(dir string) error {
	fmt.Println("ready")
	polls, versions := 0, map[string]bool{}
	var last [connections]string
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); polls += connections {
		var round errgroup.Group
		for i := range connections {
			round.Go(func() error {
				poll := pollDuckDB
				if (polls/connections+i)%2 == 0 {
					poll = pollParquet
				}
				run, err := poll(dir)
				if err == nil && run < last[i] {
					err = fmt.Errorf("%s after %s", run, last[i])
				}
				last[i] = run
				return err
			})
		}
		if err := round.Wait(); err != nil {
			return fmt.Errorf("after %d polls: %w", polls, err)
		}
		for _, run := range last {
			versions[run] = true
		}
		fmt.Println("polled")
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
// answer. What somebody has open stays, and what a reader of Parquet may have found is there for as long as keep_for says: here, until the
// round in which it may have been found is over.
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
		others[i].says(t, "ready")
	}
	first, err := w.Version("run-0000")
	if err != nil {
		t.Fatal(err)
	}
	analyst := start(t, "open", first.Database())
	analyst.says(t, "ready")
	keep := Retention{Versions: 1, For: time.Hour}
	removed := 0
	var asked time.Time // when the round that is on began: what stopped being current before that, nobody in it can find
	for n := 1; n <= publishes; n++ {
		if n%roundEvery == 1 {
			if n > 1 {
				answered(t, others)
			}
			asked = time.Now().Add(-clockTick)
			for _, p := range others {
				p.tell(t, "poll")
			}
		}
		if err := publishNamed(t.Context(), w, fmt.Sprintf("run-%04d", n)); err != nil {
			t.Fatal(err)
		}
		fates, err := w.Prune(keep, asked.Add(keep.For))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fates {
			if f.Removed {
				removed++
			}
		}
	}
	answered(t, others)
	for _, p := range others {
		last, err := p.ends()
		var polls, versions int
		if _, scanErr := fmt.Sscanf(last, "read %d %d", &polls, &versions); err != nil || scanErr != nil {
			t.Fatalf("a reader: %s, %v", last, errors.Join(err, scanErr))
		}
		t.Logf("%d polls, %d versions seen", polls, versions)
		if rounds := publishes / roundEvery; polls != rounds*connections || versions < rounds/2 { // two rounds may meet at one version
			t.Errorf("%d polls of %d versions in %d rounds", polls, versions, rounds)
		}
	}
	if want := publishes - 2*roundEvery; removed < want {
		t.Errorf("%d versions were removed under the readers, want %d", removed, want)
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

// clockTick is the most by which a file's time lags behind the clock.
const clockTick = 20 * time.Millisecond

// answered waits for the end of a round of polls.
func answered(t *testing.T, others []*process) {
	t.Helper()
	for _, p := range others {
		p.says(t, "polled")
	}
}
