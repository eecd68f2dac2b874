package status

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/output"
	"github.com/rollcall-data/rollcall/load/duckdb"
)

// workerVariable is in the environment of a worker.
const workerVariable = "ROLLCALL_SQL_WORKER"

// job is what a worker is to do.
type job struct {
	Database string
	SQL      string
	Format   string // table, csv, parquet
	File     string // of a download
}

// answer is what came of it.
type answer struct {
	Columns []duckdb.Column
	Rows    [][]duckdb.Value // of a table
	Count   int64            // rows that there are in the table or the file
	More    bool             // of a table: there are more rows than these
	Mistake *mistake         // of the SQL; nil: none
	Failed  string           // what else is wrong; empty: nothing
}

// mistake is what is wrong with the SQL, for who wrote it.
type mistake struct {
	Message string
	Details []string
}

// Worker does the work of a SQL box where this process was begun for it; main calls it before anything else and, if it is true, exits with the code.
func Worker() (code int, is bool) {
	if os.Getenv(workerVariable) == "" {
		return 0, false
	}
	time.AfterFunc(2*queryTime, func() { os.Exit(1) }) // whoever began it is gone
	if err := serveJob(os.Stdin, os.Stdout); err != nil {
		return 1, true
	}
	return 0, true
}

func serveJob(in io.Reader, out io.Writer) error {
	if err := confine(); err != nil {
		return err
	}
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	a := &answer{}
	err := a.work(context.Background(), j)
	var wrong *duckdb.SQLError
	switch {
	case errors.As(err, &wrong):
		a.Mistake = &mistake{wrong.Message, wrong.Detail}
	case errors.Is(err, duckdb.ErrTooManyRows):
		a.Mistake = &mistake{Message: "The result has more rows than a download may have.", Details: []string{"rollcall query -o FILE has no such bound"}}
	case err != nil:
		a.Failed = err.Error()
	}
	w := bufio.NewWriter(out)
	if err := json.NewEncoder(w).Encode(a); err != nil {
		return fmt.Errorf("write what came of it: %w", err)
	}
	return w.Flush()
}

// confine bounds the process itself: DuckDB's account of its memory leaves out single values, however large.
func confine() error {
	for _, l := range []struct {
		what int
		most uint64
	}{{syscall.RLIMIT_CORE, 0}, {syscall.RLIMIT_DATA, dataSize() + boxData}, {syscall.RLIMIT_FSIZE, mostBytes}} {
		if err := syscall.Setrlimit(l.what, &syscall.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("bound the query: %w", err)
		}
	}
	return nil
}

// dataSize is what the process has already, in bytes; most of it is reserved and not used (with the race detector, terabytes). 0 where it is not known.
func dataSize() uint64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 6 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[5], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

func (a *answer) work(ctx context.Context, j job) error {
	o := duckdb.ReaderOptions{Settings: duckdb.Settings{MemoryLimit: boxMemory}, SpillLimit: boxSpill, MaxRows: mostRows}
	switch output.Format(j.Format) {
	case output.CSV:
		return a.csv(ctx, j, o)
	case output.Parquet:
		return duckdb.ExportParquet(ctx, j.Database, j.SQL, j.File, o)
	case output.Table:
		return a.table(ctx, j, o)
	}
	return fmt.Errorf("rows are not given as %q", j.Format)
}

func (a *answer) table(ctx context.Context, j job, o duckdb.ReaderOptions) (err error) {
	r, err := duckdb.OpenReader(ctx, j.Database, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	rows, err := r.Select(ctx, j.SQL, shownRows+1, shownText+1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	a.Columns = rows.Columns()
	for size := 0; rows.Next(); {
		if len(a.Rows) == shownRows || size > shownBytes {
			a.More = true
			break
		}
		row := append([]duckdb.Value(nil), rows.Row()...)
		for _, v := range row {
			size += len(v.Text)
		}
		a.Rows = append(a.Rows, row)
	}
	a.Count = int64(len(a.Rows))
	return rows.Err()
}

func (a *answer) csv(ctx context.Context, j job, o duckdb.ReaderOptions) (err error) {
	c, err := duckdb.Collect(ctx, j.Database, j.SQL, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	rows, err := c.Rows(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	f, err := os.OpenFile(j.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the rows: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = output.Write(f, output.CSV, rows, output.Screen{})
	a.Count = c.Len()
	return err
}

// begin starts a worker and waits for its answer. It has no more of this process's environment than where its libraries are.
func begin(ctx context.Context, worker []string, folder string, j job) (*answer, error) {
	in, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("begin a query: %w", err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, worker[0], worker[1:]...) //nolint:gosec // it is this program
	cmd.Env = []string{workerVariable + "=1", "TMPDIR=" + folder, "GOTRACEBACK=none", "LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}
	cmd.Stdin, cmd.Stdout = bytes.NewReader(in), &out
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal is for this process to pass on
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			return nil, errDied
		}
		return nil, fmt.Errorf("begin a query: %w", err)
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return nil, errDied
	}
	if a.Failed != "" {
		return nil, fmt.Errorf("run a query: %s", a.Failed)
	}
	return &a, nil
}
