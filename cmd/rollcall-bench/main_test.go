package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{partServe, partSocket, partSave, partSQL, partCompare}, os.Args[1]) {
		os.Exit(run()) // the bench starts itself for its parts, and here that is this test
	}
	os.Exit(m.Run())
}

// buildRollcall builds the program that is measured.
func buildRollcall(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds rollcall")
	}
	program := filepath.Join(t.TempDir(), "rollcall")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../rollcall").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func execute(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out, progress bytes.Buffer
	c := command(strings.NewReader(""), &out, &progress)
	c.SetArgs(args)
	err = c.ExecuteContext(t.Context())
	if err != nil {
		t.Log(progress.String())
	}
	return out.String(), err
}

// TestBench measures a small organization from end to end: floors, runs, comparison, profiles, then the gate with a baseline of its own.
func TestBench(t *testing.T) {
	program := buildRollcall(t)
	dir := t.TempDir()
	out, err := execute(t, "--rollcall", program, "--dir", dir, "--users", "300", "--shuffled", "--rounds", "2", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Sizes) != 1 {
		t.Fatal(err, out)
	}
	checkSize(t, r.Sizes[0])
	text := markdown(r)
	for _, want := range []string{"### 300 users of", "(medians of 2 rounds", "| rollcall, replay |", "| unchanged | bytes of tables | ≤ 0 MB | 0 MB | kept |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table has no %q:\n%s", want, text)
		}
	}

	baseline := filepath.Join(dir, "baseline.json")
	if _, err := execute(t, "gate", "--rollcall", program, "--dir", dir, "--record", "--users", "300", "--rounds", "1", "--baseline", baseline); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(baseline)
	if err != nil {
		t.Fatal(err)
	}
	var b Baseline
	if err := json.Unmarshal(doc, &b); err != nil || b.Users != 300 || b.Runs[runFull].Allocations < 100 || b.Runs[runFull].CPU <= 0 {
		t.Errorf("%v, %s", err, doc)
	}
	checkProfile(t, bench{rollcall: program, progress: t.Output()}, dir)
	left, err := filepath.Glob(filepath.Join(dir, "rollcall-bench-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v left behind, %v", left, err)
	}
}

// checkProfile has one run profiled, and looks for what takes time in every full load.
func checkProfile(t *testing.T, b bench, dir string) {
	t.Helper()
	s, err := startServer(t.Context(), 300, false)
	if err != nil {
		t.Fatal(err)
	}
	byStage, err := b.profiled(t.Context(), dir, s.URL, 300, []string{runFull})
	if err := errors.Join(err, s.stop()); err != nil {
		t.Fatal(err)
	}
	if byStage[runFull][stageDuckDB] <= 0 {
		t.Errorf("%v", byStage)
	}
	size := &Size{Runs: []Run{{Name: runFull}}, Stages: byStage}
	var text strings.Builder
	if size.byStage(&text); !strings.Contains(text.String(), "| garbage collection |") {
		t.Error(text.String())
	}
}

func checkSize(t *testing.T, s *Size) {
	t.Helper()
	names := []string{}
	for _, r := range s.Runs {
		names = append(names, r.Name)
		if r.CPU <= 0 || r.Wall <= 0 || r.Peak < 10*megabyte {
			t.Errorf("%s used %+v", r.Name, r.Usage)
		}
		if published := r.Name != runUnchanged; published != (r.TableBytes > 0) {
			t.Errorf("%s wrote %d bytes of tables", r.Name, r.TableBytes)
		}
		if received := r.Name != runReplay; received != (r.Summary.Received > s.RecordBytes) {
			t.Errorf("%s received %d of %d bytes", r.Name, r.Summary.Received, s.RecordBytes)
		}
	}
	if !slices.Equal(names, allRuns) {
		t.Errorf("runs %q", names)
	}
	if s.Socket.Bytes < s.RecordBytes || s.SQL.CPU <= 0 || s.SQL.Bytes == 0 || s.DuckDB.DuckDB == "" {
		t.Errorf("floors %+v, %+v, %+v", s.Socket, s.SQL, s.DuckDB)
	}
	for table, least := range map[string]int64{"users": 300, "users_flat": 300, "users_history": 300, "user_context": 200, "user_models": 300,
		"user_model_dimensions": 400, "user_variables": 50, "roles": 3, "_columns": 100} {
		if s.Rows[table] < least {
			t.Errorf("%s has %d rows", table, s.Rows[table])
		}
	}
}

// TestAFloorOfOtherTablesIsNone gives the comparison a floor in which each of several things is wrong.
func TestAFloorOfOtherTablesIsNone(t *testing.T) {
	pages, made := t.TempDir(), t.TempDir()
	w := newWriter(1, false)
	var lines []json.RawMessage
	for i := range 50 {
		w.b = nil
		w.user(i, 0)
		lines = append(lines, w.b)
	}
	if _, err := writeLines(filepath.Join(pages, "1.ndjson"), lines); err != nil {
		t.Fatal(err)
	}
	create := func(name string) string {
		dir := filepath.Join(made, name)
		if _, err := runSQLFloor(t.Context(), pages, dir, 2); err != nil {
			t.Fatal(err)
		}
		return databaseOf(dir)
	}
	same := create("same")
	for _, tt := range []struct{ name, statement, want string }{
		{"nothing", "SELECT 1", ""},
		{"value", "UPDATE users_flat SET pref_theme = 'blue' WHERE email = 'member7@example.com'", "users_flat: other values in [pref_theme]"},
		{"row", "DELETE FROM user_models WHERE position = 0 AND user_id LIKE '00000007%'", "user_models: "},
		{"column", "ALTER TABLE user_context DROP COLUMN entry", "user_context: columns "},
		{"exchange", "UPDATE users SET email = CASE WHEN user_id LIKE '00000001%' THEN 'member2@example.com' ELSE 'member1@example.com' END WHERE email IN ('member1@example.com', 'member2@example.com')",
			"users: the same values, in other rows"},
	} {
		other := create(tt.name)
		change(t, other, tt.statement)
		c, err := compare(t.Context(), other, same)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Differences, "\n"); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}
