package night

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Exit codes of rollcall: they are a promise of it.
const (
	exitDone        = 0
	exitFailed      = 1
	exitAttention   = 3
	exitNoVersion   = 10
	exitLocked      = 11
	exitRefused     = 12
	exitUsage       = 64
	exitInterrupted = 130
)

// Rollcall is the program that fetches, one process an organization.
type Rollcall struct {
	Path       string
	Args       []string      // of the source, behind ours; {org} in them is the organization as a file's name
	Warehouses string        // folder of the warehouses, a folder each
	Grace      time.Duration // that it has to stop
	Warn       func(org, line string)
}

// Warehouse is an organization's warehouse.
func (r Rollcall) Warehouse(org string) string { return filepath.Join(r.Warehouses, FileName(org)) }

// rpm is what the arguments say about --rpm.
func (r Rollcall) rpm() string {
	for i, a := range r.Args {
		if v, ok := strings.CutPrefix(a, "--rpm="); ok {
			return v
		}
		if a == "--rpm" && i+1 < len(r.Args) {
			return r.Args[i+1]
		}
	}
	return ""
}

// outcome is how a process ended.
type outcome struct {
	code    int
	summary *summary // where it has one
	reason  string   // its error: line
}

// run runs a sync to its end. It is asked to stop when the context ends, and the outcome tells whether it had done its work by then. The error says why
// it could not be run.
func (r Rollcall) run(ctx context.Context, org string) (outcome, error) {
	if err := os.MkdirAll(r.Warehouses, 0o700); err != nil {
		return outcome{}, fmt.Errorf("make the folder of the warehouses: %w", err)
	}
	args := []string{"sync", "--org", org, "--warehouse", r.Warehouse(org), "--json", "--log-format", "json"}
	for _, a := range r.Args {
		args = append(args, strings.ReplaceAll(a, "{org}", FileName(org)))
	}
	said := &saying{warn: func(line string) { r.Warn(org, line) }}
	var document bytes.Buffer
	cmd := exec.CommandContext(ctx, r.Path, args...) //nolint:gosec // the program that the operator names
	cmd.Stdout, cmd.Stderr, cmd.Env = &document, said, withoutOurs(os.Environ())
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = r.Grace
	if err := cmd.Start(); err != nil {
		return outcome{}, fmt.Errorf("start rollcall: %w", err)
	}
	waited := cmd.Wait()
	if cmd.ProcessState == nil {
		return outcome{}, fmt.Errorf("wait for rollcall: %w", waited)
	}
	o := outcome{code: cmd.ProcessState.ExitCode(), reason: said.end()}
	if o.code < 0 {
		o.code, o.reason = exitInterrupted, "rollcall was ended by a signal"
	}
	if o.code == exitDone || o.code == exitAttention {
		o.summary = new(summary)
		if err := json.Unmarshal(document.Bytes(), o.summary); err != nil {
			return o, fmt.Errorf("read rollcall's summary: %w", err)
		}
		if !o.summary.ended() {
			return o, errors.New("rollcall ended well, but its summary names no version")
		}
	}
	return o, nil
}

// withoutOurs is an environment without the lake's settings: rollcall would take them for its own, and publish each organization as if it were all.
func withoutOurs(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool { return strings.HasPrefix(v, "ROLLCALL_LAKE_") })
}

// maxLine is how much of a line is kept.
const maxLine = 16 << 10

// saying takes what a process says on standard error. Rollcall keeps personal data and secrets out of it.
type saying struct {
	warn func(line string)

	mu     sync.Mutex // a process that it left behind may still be writing
	rest   []byte
	over   bool
	reason string
}

// Write never fails.
func (s *saying) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return len(p), nil
	}
	s.rest = append(s.rest, p...)
	for {
		i := bytes.IndexByte(s.rest, '\n')
		if i < 0 && len(s.rest) > maxLine {
			s.rest = s.rest[:maxLine]
		}
		if i < 0 {
			return len(p), nil
		}
		s.line(string(s.rest[:i]))
		s.rest = s.rest[i+1:]
	}
}

func (s *saying) line(text string) {
	if reason, ok := strings.CutPrefix(text, "error: "); ok {
		s.reason = reason
		return
	}
	var logged struct{ Level, Message string }
	if json.Unmarshal([]byte(text), &logged) == nil && (logged.Level == "warn" || logged.Level == "error") {
		s.warn(logged.Message)
	}
}

func (s *saying) end() (reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line(string(s.rest))
	s.rest, s.over = nil, true
	return s.reason
}
