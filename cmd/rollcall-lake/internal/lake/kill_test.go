package lake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/lake"
)

// task is what a child process is to do.
type task struct {
	Settings  catalog.Settings
	URI       string // which Settings do not tell
	Namespace string
	Run       int
	KillAt    int64 // the step at which it kills itself; 0: none
}

// nights are the versions that children publish: every table changes a little, one is replaced, one is new in the second night.
func nights(run int) map[string]*rows {
	tables := map[string]*rows{
		"users": users(100, func(i int) int {
			if run > 1 && (i*7+run)%50 == 0 {
				return run
			}
			if run > 2 && i%41 == run {
				return -1
			}
			return 1
		}),
		"_runs": users(run, fixed(run)),
	}
	if run > 1 {
		tables["users"] = tables["users"].with("added", text, func(i int) any {
			if i%50 == 0 {
				return fmt.Sprint("in night ", run)
			}
			return nil
		})
		tables["user_memories"] = users(20, fixed(run))
	}
	return tables
}

// child is a process that carries out a task; it may be killed at any time.
func child(command string) int {
	var of task
	if err := json.Unmarshal([]byte(os.Getenv("LAKE_TEST_TASK")), &of); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	of.Settings.URI = catalog.Secret(of.URI)
	of.Settings.Token, of.Settings.Credential = "", ""
	var steps atomic.Int64
	step := func(string) {
		if steps.Add(1) == of.KillAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	l, c, err := place{of.Settings, of.Namespace}.open(context.Background(), memory.DefaultAllocator, lake.Hooks{Step: step})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer c.Close()
	if err := carryOut(context.Background(), l, command, of.Run); err != nil {
		fmt.Fprintln(os.Stderr, err)
		var older *lake.OlderError
		var busy *lake.BusyError
		switch {
		case errors.As(err, &older):
			return 3
		case errors.As(err, &busy):
			return 11
		}
		return 1
	}
	fmt.Println(steps.Load())
	return 0
}

func carryOut(ctx context.Context, l *lake.Lake, command string, run int) error {
	in := input(runID(run), nights(run))
	switch command {
	case "publish":
		return l.Publish(ctx, in, func(lake.Result) {})
	case "erase":
		return l.Erase(ctx, in, func(lake.Result) {}, func(lake.Erased) {})
	case "maintain":
		u := lake.Upkeep{MinFiles: 2, All: true, TargetBytes: 512 << 20, KeepSnapshots: 4, OrphanAge: time.Hour}
		return l.Maintain(ctx, u, func(lake.Maintained) {})
	case "rollback":
		return l.Rollback(ctx, runID(run), &in, func(lake.Result) {})
	}
	return errors.New("no such command")
}

// spawn starts a child.
func (p place) spawn(t *testing.T, command string, run int, killAt int64) *exec.Cmd {
	t.Helper()
	raw, err := json.Marshal(task{p.Settings, p.URI.Reveal(), p.Namespace, run, killAt})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LAKE_TEST_CHILD="+command, "LAKE_TEST_TASK="+string(raw))
	return cmd
}

func code(err error) int {
	if err == nil {
		return 0
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -2
}

// showsNight fails where the lake does not show exactly a night's version, marked with its run.
func (p place) showsNight(t *testing.T, run int) {
	t.Helper()
	_, c := p.must(t)
	defer c.Close()
	for name, want := range nights(run) {
		shows(t, c, name, want)
		tbl := load(t, c, name)
		if got := tbl.Properties()["rollcall.run-id"]; got != runID(run) {
			t.Errorf("%s is marked with %s, not %s", name, got, runID(run))
		}
		marks := map[string]int{}
		for _, s := range tbl.Metadata().Snapshots() {
			if s.Summary != nil && s.Summary.Properties["rollcall.publish-id"] != "" {
				marks[s.Summary.Properties["rollcall.publish-id"]]++
			}
		}
		for id, n := range marks {
			if n != 1 {
				t.Errorf("%s: attempt %s made %d snapshots", name, id, n)
			}
		}
	}
}

// onTheWay fails where a table shows anything but one of two nights, whole. Which it is may differ between tables.
func (p place) onTheWay(t *testing.T, before, after int) {
	t.Helper()
	_, c := p.must(t)
	defer c.Close()
	for _, name := range slices.Sorted(maps.Keys(nights(after))) {
		tbl, err := c.LoadTable(t.Context(), c.id(name))
		if err != nil {
			continue // not made yet
		}
		run := tbl.Properties()["rollcall.run-id"]
		got, err := content(t.Context(), c, name)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		switch run {
		case runID(after):
			want = nights(after)[name].lines()
		case runID(before):
			if r := nights(before)[name]; r != nil {
				want = r.lines()
			}
		case "": // made, and no commit yet
		default:
			t.Fatalf("%s is marked with %s", name, run)
		}
		if run == runID(before) && nights(before)[name] == nil && len(got) == 0 {
			continue
		}
		if !slices.Equal(columnless(got), columnless(want)) {
			t.Fatalf("%s shows %d rows that are not the %d of run %q", name, len(got), len(want), run)
		}
	}
}

// columnless are rows without the columns in which they are NULL.
func columnless(lines []string) []string {
	var out []string
	for _, line := range lines {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			panic(err)
		}
		maps.DeleteFunc(v, func(_ string, x any) bool { return x == nil })
		raw, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		out = append(out, string(raw))
	}
	slices.Sort(out)
	return out
}

// Killed at each of its steps, every command leaves tables that show one run or another, and goes on when it is run again.
func TestKilledAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	var kills atomic.Int64
	for _, of := range []struct {
		command           string
		before, run, ends int
	}{
		{"publish", 0, 1, 1}, {"publish", 1, 2, 2}, {"publish", 2, 3, 3}, {"maintain", 3, 3, 3}, {"erase", 2, 3, 3}, {"rollback", 3, 2, 2},
	} {
		t.Run(fmt.Sprint(of.command, of.run), func(t *testing.T) {
			t.Parallel()
			p := local(t)
			for night := 1; night <= of.before; night++ {
				p.finish(t, "publish", night)
			}
			restore := p.saved(t)
			for at := int64(1); ; at++ {
				restore()
				err := p.spawn(t, of.command, of.run, at).Run()
				if err == nil {
					break // it has not so many steps
				}
				if code(err) != -1 {
					t.Fatalf("step %d: %v", at, err)
				}
				kills.Add(1)
				p.onTheWay(t, of.before, of.run)
				p.finish(t, of.command, of.run)
				p.showsNight(t, of.ends)
			}
		})
	}
	t.Cleanup(func() { // when the commands' tests have ended
		t.Logf("%d kills", kills.Load())
		if kills.Load() < 50 && !t.Failed() {
			t.Errorf("only %d kills", kills.Load())
		}
	})
}

// saved keeps a copy of a local lake, and returns what puts it back: to the same place, for its files name one another.
func (p place) saved(t *testing.T) func() {
	t.Helper()
	dir, kept := filepath.Dir(strings.TrimPrefix(p.Location, "file://")), t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(kept))); err != nil {
			t.Fatal(err)
		}
	}
}

func (p place) finish(t *testing.T, command string, run int) {
	t.Helper()
	if out, err := p.spawn(t, command, run, 0).CombinedOutput(); err != nil {
		t.Fatalf("%s of night %d: %v\n%s", command, run, err, out)
	}
}

// Killed whenever it may be, night after night into the same tables.
func TestKilledAtRandom(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	killed(t, local(t), 6)
}

func killed(t *testing.T, p place, nights int) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	kills := 0
	for night := 1; night <= nights; night++ {
		for try := range 5 {
			cmd := p.spawn(t, "publish", night, 0)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(time.Duration(60+random.IntN(500))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			err := cmd.Wait()
			timer.Stop()
			if code(err) == -1 {
				kills++
				p.onTheWay(t, night-1, night)
				continue
			}
			if err != nil {
				t.Fatalf("night %d, try %d: %v", night, try, err)
			}
			break
		}
		p.finish(t, "publish", night)
		p.showsNight(t, night)
	}
	t.Logf("%d kills", kills)
}

// Publishers of the same night, and of different ones, with maintenance beside them: every row is there once.
func TestPublishersRace(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	rounds(t, local(t), 20)
}

func rounds(t *testing.T, p place, n int) {
	t.Helper()
	p.finish(t, "publish", 1)
	var conflicted atomic.Int64
	for round := 1; round <= n; round++ {
		night := 2 * round
		var wg sync.WaitGroup
		for _, of := range []struct {
			command string
			night   int
		}{{"publish", night + 1}, {"publish", night + 1}, {"publish", night}, {"maintain", 0}} {
			if of.command == "maintain" && round%2 == 0 {
				continue
			}
			cmd := p.spawn(t, of.command, of.night, 0)
			wg.Go(func() {
				out, err := cmd.CombinedOutput()
				switch code(err) {
				case 0:
				case 3: // the older of the nights came too late
					if of.night != night {
						t.Errorf("night %d is refused: %s", of.night, out)
					}
				case 11:
					conflicted.Add(1)
					if of.command != "maintain" {
						t.Errorf("%s: %s", of.command, out)
					}
				default:
					t.Errorf("%s of night %d: %v\n%s", of.command, of.night, err, out)
				}
			})
		}
		wg.Wait()
		p.showsNight(t, night+1)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d rounds, in which maintenance gave up %d times", n, conflicted.Load())
}
