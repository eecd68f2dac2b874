package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/load/publish"
)

// shell is a process that is a shell script instead of a sync.
func shell(t *testing.T, script string) (*Process, *lines) {
	t.Helper()
	l := &lines{came: make(chan struct{}, 100)}
	return &Process{Path: "/bin/sh", Args: []string{"-c", script}, Warehouse: publish.Open(filepath.Join(t.TempDir(), "w[1]")), Log: zerolog.New(&l.log), Lines: l}, l
}

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	log  bytes.Buffer
	came chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came <- struct{}{}
	return l.text.Write(p)
}

func TestAProcessThatDoesItsWork(t *testing.T) {
	p, l := shell(t, `echo '{"level":"info","message":"one"}' >&2; printf '{"level":"warn","message":"in two' >&2; echo ' writes"}' >&2
		echo 'hint: look' >&2; printf 'error: no end of the line' >&2; echo '{"run_id":"run-1","status":"held","users":3}'; exit 3`)
	out, err := p.Run(t.Context())
	if err != nil || out.Exit != 3 || out.Summary == nil || out.Summary.Users != 3 || out.Status() != "held" || out.Message != "no end of the line" {
		t.Errorf("%+v, %v", out, err)
	}
	path := LogPath(p.Warehouse, "run-1")
	kept, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(kept, l.text.Bytes()) {
		t.Errorf("kept %q, passed on %q, %v", kept, l.text.String(), err)
	}
	var got []string
	for line := range strings.Lines(string(kept)) {
		var doc struct{ Level, Message string }
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		got = append(got, doc.Level+" "+doc.Message)
	}
	if want := "info one|warn in two writes|info hint: look|error error: no end of the line"; strings.Join(got, "|") != want {
		t.Errorf("%v", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if l.log.Len() > 0 {
		t.Errorf("%s", l.log.String())
	}
	if runs, err := p.Warehouse.RunRecords(); err != nil || len(runs) != 0 {
		t.Errorf("taken for records: %v, %v", runs, err)
	}

	// The same run, gone on with: its log is gone on with too.
	p.Args[1] = `echo '{"level":"info","message":"again"}' >&2; echo '{"run_id":"run-1","status":"certified"}'`
	if out, err := p.Run(t.Context()); err != nil || out.Exit != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(again, kept) || !bytes.Contains(again, []byte("again")) {
		t.Errorf("%q, %v", again, err)
	}
	if left := leftovers(t, p); left != nil {
		t.Errorf("left: %v", left)
	}
}

// leftovers are the files that no run is meant to leave.
func leftovers(t *testing.T, p *Process) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(p.Warehouse.RunRecord("x")))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	return out
}

func TestProcessesThatFail(t *testing.T) {
	for script, want := range map[string]string{
		`kill -SEGV $$`:         "crashed",
		`kill -KILL $$`:         "crashed",
		`exit 2`:                "crashed", // as a panic does
		`echo '{"run_'; exit 1`: "crashed",
		`exit 11`:               "locked",
		`exit 12`:               "refused",
		`exit 64`:               "misconfigured",
		`echo '{"run_id":"","status":"failed"}'; exit 1`: "failed",
	} {
		p, _ := shell(t, script)
		out, err := p.Run(t.Context())
		if err != nil || out.Status() != want || out.Good() {
			t.Errorf("%s: %s, %+v, %v", script, out.Status(), out, err)
		}
		if left := leftovers(t, p); left != nil {
			t.Errorf("%s left: %v", script, left)
		}
	}
	p, _ := shell(t, "")
	p.Path = filepath.Join(t.TempDir(), "none")
	if _, err := p.Run(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestAnInterruptedProcessStopsByItself(t *testing.T) {
	p, l := shell(t, `trap 'echo "{\"run_id\":\"run-1\",\"status\":\"interrupted\"}"; exit 130' INT; echo '{"level":"info","message":"ready"}' >&2; while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan Outcome, 1)
	go func() {
		out, err := p.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		ended <- out
	}()
	<-l.came
	cancel()
	if out := <-ended; out.Exit != 130 || out.Status() != "interrupted" || out.Summary == nil {
		t.Errorf("%+v", out)
	}
}

func TestKill(t *testing.T) {
	p, l := shell(t, `trap '' INT TERM; echo '{"level":"info","message":"ready"}' >&2; while :; do sleep 0.05; done`)
	ended := make(chan Outcome, 1)
	go func() {
		out, err := p.Run(t.Context())
		if err != nil {
			t.Error(err)
		}
		ended <- out
	}()
	<-l.came
	p.Kill()
	if out := <-ended; out.Exit != -1 || out.Status() != "crashed" {
		t.Errorf("%+v", out)
	}
	p.Kill() // of nothing
}

func TestMuchIsSaid(t *testing.T) {
	p, l := shell(t, `i=0; while [ $i -lt 40 ]; do printf '%65536s' x >&2; i=$((i+1)); done; echo >&2; echo '{"run_id":"run-1","status":"certified"}'`)
	l.came = make(chan struct{}, 1000)
	out, err := p.Run(t.Context())
	if err != nil || out.Exit != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	for line := range strings.Lines(l.text.String()) {
		if !json.Valid([]byte(line)) || len(line) > 2*maxLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

func TestOldLogsGo(t *testing.T) {
	p, _ := shell(t, `echo '{"run_id":"z","status":"certified"}'`)
	dir := filepath.Dir(p.Warehouse.RunRecord("x"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range keptLogs + 5 {
		for _, suffix := range []string{".log", ".json"} {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("run-%03d%s", i, suffix)), []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, tempPrefix+"dead"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := RemoveLeftovers(p.Warehouse); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "..", "w?1?", "runs", "*.log"))
	if err != nil || len(logs) != keptLogs {
		t.Errorf("%d logs, %v", len(logs), err)
	}
	if runs, err := p.Warehouse.RunRecords(); err != nil || len(runs) != keptLogs+5 {
		t.Errorf("%d records, %v", len(runs), err)
	}
	if _, err := os.Stat(LogPath(p.Warehouse, "run-005")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the oldest is there: %v", err)
	}
	if left := leftovers(t, p); left != nil {
		t.Errorf("left: %v", left)
	}
	if err := RemoveLeftovers(publish.Open(filepath.Join(dir, "nowhere"))); err != nil {
		t.Error(err)
	}
}

func TestADeadlineOfARealProcess(t *testing.T) {
	p, _ := shell(t, `trap 'exit 130' INT; while :; do sleep 0.05; done`)
	d := New(Options{Schedule: everyMinute(t), Deadline: 200 * time.Millisecond, Run: p, Log: zerolog.Nop()})
	if out := d.attempt(t.Context()); !out.Overdue || out.Status() != "interrupted" {
		t.Errorf("%+v", out)
	}
}
