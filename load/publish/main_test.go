package publish

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/schema"
)

// part names what a process of this test is to do instead of testing: its arguments follow, separated by spaces.
const part = "ROLLCALL_TEST_PART"

func TestMain(m *testing.M) {
	if role := os.Getenv(part); role != "" {
		if err := play(strings.Split(role, "\n")); err != nil {
			fmt.Println("error:", strings.ReplaceAll(err.Error(), "\n", "; "))
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func play(args []string) error {
	switch args[0] {
	case "lock":
		if _, err := Open(args[1]).Lock("sync", clock); err != nil {
			return err
		}
		return untilStdinCloses()
	case "open":
		v, err := duckdb.OpenVerifier(context.Background(), args[1], duckdb.Settings{})
		if err != nil {
			return err
		}
		return errors.Join(untilStdinCloses(), v.Close())
	case "once":
		return publishRun(Open(args[1]), args[2], 3)
	case "read":
		return read(args[1])
	case "paused":
		return errors.Join(untilStdinCloses(), publishRun(Open(args[1]), args[2], 3))
	case "full":
		return onAFullDisk(args[1], args[2])
	}
	return fmt.Errorf("no part %q", args[0])
}

func untilStdinCloses() error {
	fmt.Println("ready")
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return nil //nolint:nilerr // that it is closed is the sign to go
	}
	return nil
}

// onAFullDisk publishes where no file may become larger than so many bytes.
func onAFullDisk(dir, limit string) error {
	n, err := strconv.ParseUint(limit, 10, 64)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ) // writing beyond the limit is an error then
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		return err
	}
	return publishRun(Open(dir), "run-full", 150_000)
}

// process is a process of this test that plays a part.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), part+"="+strings.Join(args, "\n"))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, stdin, bufio.NewScanner(stdout)}
	t.Cleanup(p.kill)
	return p
}

// tell gives the process a line.
func (p *process) tell(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		t.Fatalf("telling a process %q: %v", line, err)
	}
}

// says waits for a line.
func (p *process) says(t *testing.T, want string) {
	t.Helper()
	for p.lines.Scan() {
		if p.lines.Text() == want {
			return
		}
		if strings.HasPrefix(p.lines.Text(), "error:") {
			break
		}
	}
	t.Fatalf("waiting for %q: %q, %v", want, p.lines.Text(), p.lines.Err())
}

// ends lets the process end by itself and returns what it said last.
func (p *process) ends() (last string, err error) {
	_ = p.stdin.Close()
	for p.lines.Scan() {
		last = p.lines.Text()
	}
	return last, p.cmd.Wait()
}

// kill ends the process as a power cut does. It does nothing once the process has ended.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_, _ = p.ends()
	}
}

var clock = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// tables are two small ones and an empty one.
var tables = []schema.Table{schema.Roles, schema.UsersDeleted, schema.UserContext}

// roles are so many rows of roles, batch by batch.
func roles(run string, rows int, take func(arrow.Record) error) error {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.Roles.Arrow())
	defer b.Release()
	for i := 1; i <= rows; i++ {
		for c := range schema.Roles.Columns {
			b.Field(c).(*array.StringBuilder).Append(run + " " + strconv.Itoa(i*7919%1_000_003) + " " + strconv.Itoa(c))
		}
		if i%8192 == 0 || i == rows {
			batch := b.NewRecord()
			err := take(batch)
			batch.Release()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// deletion is a row of users_deleted with this evidence, JSON or not.
func deletion(evidence string) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.UsersDeleted.Arrow())
	defer b.Release()
	for i, c := range schema.UsersDeleted.Columns {
		if c.Name == "evidence" {
			b.Field(i).(*array.StringBuilder).Append(evidence)
		} else {
			b.Field(i).AppendNull()
		}
	}
	return b.NewRecord()
}

// begin starts a version, which is aborted when the test ends.
func begin(t *testing.T, w *Warehouse, run string) *Building {
	t.Helper()
	b, err := w.Begin(t.Context(), run, tables, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Abort(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// publishRun publishes a version with so many roles and one deletion.
func publishRun(w *Warehouse, run string, rows int) (err error) {
	ctx := context.Background()
	b, err := w.Begin(ctx, run, tables, memory.DefaultAllocator, duckdb.Settings{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Abort()) }()
	if err := roles(run, rows, func(batch arrow.Record) error { return b.Append(schema.NameRoles, batch) }); err != nil {
		return err
	}
	row := deletion(`{"n": 9007199254740993}`)
	defer row.Release()
	if err := b.Append(schema.NameUsersDeleted, row); err != nil {
		return err
	}
	_, err = b.Publish(ctx, Details{DataRun: run, Created: clock, Summary: map[string]string{"status": "certified"}})
	return err
}

func publish(t *testing.T, w *Warehouse, run string) {
	t.Helper()
	if err := publishRun(w, run, 3); err != nil {
		t.Fatal(err)
	}
}

// warehouse is an empty one, in a folder whose name is hard on patterns and URLs.
func warehouse(t *testing.T) *Warehouse {
	t.Helper()
	return Open(filepath.Join(t.TempDir(), "100% [of] it's #1 *"))
}

// isCurrent fails unless this run's version is current and whole.
func isCurrent(t *testing.T, w *Warehouse, run string) Version {
	t.Helper()
	v, err := w.Current()
	if err != nil || v.Run != run || v.Manifest.Run != run {
		t.Fatalf("current is %s (%s), %v; want %s", v.Run, v.Manifest.Run, err, run)
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// left lists what is in versions/.
func left(t *testing.T, w *Warehouse) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.Dir(), versionsName))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// decode reads a manifest as another program would.
func decode(t *testing.T, path string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
