package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Usage is what a process used, by the kernel's account of it: its own and that of its children.
type Usage struct {
	Wall float64 `json:"wall_seconds"`
	CPU  float64 `json:"cpu_seconds"` // user and system
	Peak int64   `json:"peak_bytes"`  // of resident memory
	// Written is what the process had file systems write to block devices, also what it removed before it got there; -1 where the kernel
	// does not count it (only Linux does, in blocks of 512 bytes).
	Written int64 `json:"written_bytes"`
}

// usage reads the account of a process that has ended.
func usage(began time.Time, state *os.ProcessState) Usage {
	u := Usage{Wall: time.Since(began).Seconds(), CPU: (state.UserTime() + state.SystemTime()).Seconds(), Written: -1}
	r, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return u
	}
	u.Peak = r.Maxrss
	if runtime.GOOS == "linux" {
		u.Peak *= 1024 // kilobytes; elsewhere bytes
		u.Written = r.Oublock * 512
	}
	return u
}

// tail keeps the end of what a process says, for an error.
type tail struct{ b []byte }

const tailBytes = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - tailBytes; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

// measure runs a process in a folder to its end, and returns what it wrote to standard output and standard error. The kernel counts the memory of who
// starts a process as that process's own, until it runs: so this one must stay small, and what takes memory is done in processes.
func measure(ctx context.Context, dir, program string, args ...string) (u Usage, out, log []byte, err error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the program that the user names, or this one
	cmd.Dir, cmd.Env = dir, environment()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	var stdout bytes.Buffer
	var stderr tail
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return Usage{}, nil, nil, fmt.Errorf("%s %s: %w\n%s", program, args[0], err, stderr.b)
	}
	return usage(began, cmd.ProcessState), stdout.Bytes(), stderr.b, nil
}

// environment is this process's own, without what would set rollcall up in another way than the bench does.
func environment() []string {
	ours := func(v string) bool {
		return strings.HasPrefix(v, "ROLLCALL_") || strings.HasPrefix(v, "AMIGO_") || strings.HasPrefix(v, "FREDDY_")
	}
	return append(slices.DeleteFunc(os.Environ(), ours), "AMIGO_TOKEN="+token)
}

// self measures a part of this program that runs as a process of its own, and reads the JSON that it prints into result.
func self(ctx context.Context, result any, part string, args ...string) (Usage, error) {
	program, err := os.Executable()
	if err != nil {
		return Usage{}, err
	}
	u, out, _, err := measure(ctx, "", program, append([]string{part}, args...)...)
	if err != nil {
		return Usage{}, err
	}
	if err := json.Unmarshal(out, result); err != nil {
		return Usage{}, fmt.Errorf("%s %s printed no JSON: %w", program, part, err)
	}
	return u, nil
}

// server is the process that serves the organization.
type server struct {
	serving
	cmd   *exec.Cmd
	stdin io.Closer
}

// startServer returns when it serves. stop it in the end.
func startServer(ctx context.Context, users int, shuffled bool) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, partServe, fmt.Sprintf("--users=%d", users), fmt.Sprintf("--shuffled=%t", shuffled)) //nolint:gosec // this program
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	cmd.Cancel, cmd.WaitDelay = stdin.Close, time.Minute
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var stderr tail
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	s := &server{cmd: cmd, stdin: stdin}
	if err := json.NewDecoder(stdout).Decode(&s.serving); err != nil {
		_ = s.stop() // it says why below
		return nil, fmt.Errorf("serve: %w\n%s", err, strings.TrimSpace(string(stderr.b)))
	}
	return s, nil
}

func (s *server) stop() error {
	_ = s.stdin.Close() // it may be gone
	return s.cmd.Wait()
}
