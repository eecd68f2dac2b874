package faulttest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Run starts the process and asks meddle before each of its operations on what is below dir, which is a real path. The process runs to its end;
// cmd must not have been started and must leave standard output and standard error alone.
func Run(cmd *exec.Cmd, dir string, meddle func(Operation) Verdict) (r Result, err error) {
	out, err := os.CreateTemp("", "faulttest-")
	if err != nil {
		return r, fmt.Errorf("trace a process: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close(), os.Remove(out.Name())) }()
	cmd.Stdout, cmd.Stderr = out, out
	done := make(chan error)
	t := &tracer{dir: filepath.Clean(dir), meddle: meddle, threads: map[int]*thread{}}
	go func() {
		runtime.LockOSThread() // the tracer is a thread. It is not unlocked: it ends with its last tracee
		done <- t.run(cmd)
	}()
	if err := <-done; err != nil {
		return r, fmt.Errorf("trace a process: %w", err)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return r, err
	}
	text, err := io.ReadAll(out)
	return Result{Status: t.status, Output: string(text), Operations: t.seen}, err
}

type tracer struct {
	dir     string
	meddle  func(Operation) Verdict
	pid     int
	threads map[int]*thread
	seen    []Operation
	status  syscall.WaitStatus
}

// thread is one of the process: between two stops it is within a system call, or not.
type thread struct {
	begun  bool
	inside bool
	fault  syscall.Errno // what the call it is within is to return
}

const syscallStop = unix.SIGTRAP | 0x80

func (t *tracer) run(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true} // a group of its own: see wait
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
			return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		}
		return err
	}
	t.pid = cmd.Process.Pid
	defer func() { _ = cmd.Process.Release() }()
	if _, err := wait(t.pid, &t.status); err != nil { // stopped at its first instruction
		return err
	}
	t.threads[t.pid] = &thread{begun: true}
	if err := unix.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEFORK|unix.PTRACE_O_EXITKILL); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	if err := unix.PtraceSyscall(t.pid, 0); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	for {
		var status syscall.WaitStatus
		id, err := wait(-t.pid, &status)
		if errors.Is(err, syscall.ECHILD) {
			return nil
		}
		if err != nil {
			return err
		}
		if status.Exited() || status.Signaled() {
			if id == t.pid {
				t.status = status
			}
			continue
		}
		if err := t.stopped(id, status); err != nil && !errors.Is(err, syscall.ESRCH) { // it was killed meanwhile
			return errors.Join(err, syscall.Kill(t.pid, syscall.SIGKILL))
		}
	}
}

// wait waits for a process or, below zero, for any of a process group. Without the group it could meet other processes of the test, which are
// for others to wait for: before it was the tracer's, its thread may have started some.
func wait(id int, status *syscall.WaitStatus) (int, error) {
	for {
		got, err := syscall.Wait4(id, status, unix.WALL|unix.WNOTHREAD, nil)
		if !errors.Is(err, syscall.EINTR) {
			return got, err
		}
	}
}

func (t *tracer) stopped(id int, status syscall.WaitStatus) error {
	th := t.threads[id]
	if th == nil {
		th = &thread{}
		t.threads[id] = th
	}
	signal := status.StopSignal()
	switch {
	case signal == syscallStop:
		if err := t.call(id, th); err != nil {
			return err
		}
		signal = 0
	case signal == unix.SIGTRAP: // an event, such as a new thread
		signal = 0
	case signal == unix.SIGSTOP && !th.begun:
		signal = 0
	}
	th.begun = true
	return unix.PtraceSyscall(id, int(signal))
}

// call is before or after a system call.
func (t *tracer) call(id int, th *thread) error {
	th.inside = !th.inside
	var regs unix.PtraceRegs
	if !th.inside {
		if th.fault == 0 {
			return nil
		}
		if err := unix.PtraceGetRegs(id, &regs); err != nil {
			return err
		}
		regs.Rax = uint64(-int64(th.fault))
		th.fault = 0
		return unix.PtraceSetRegs(id, &regs)
	}
	if err := unix.PtraceGetRegs(id, &regs); err != nil {
		return err
	}
	op, ok := t.operation(id, &regs)
	if !ok {
		return nil
	}
	op.Number = len(t.seen) + 1
	v := t.meddle(op)
	if v.fault == 0 {
		t.seen = append(t.seen, op)
	}
	switch {
	case v.kill:
		return syscall.Kill(t.pid, syscall.SIGKILL)
	case v.fault != 0:
		th.fault = v.fault
		regs.Orig_rax = ^uint64(0) // no such call: nothing is done
		return unix.PtraceSetRegs(id, &regs)
	}
	return nil
}

// operation is what the call would do; ok is false where that is nothing to what is below the folder.
func (t *tracer) operation(id int, r *unix.PtraceRegs) (op Operation, ok bool) {
	const here = uint64(0xffffffffffffff9c) // AT_FDCWD
	switch r.Orig_rax {
	case unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_WRITEV:
		op.Call, op.Path = "write", t.opened(id, r.Rdi)
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		op.Call, op.Path = "sync", t.opened(id, r.Rdi)
	case unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE:
		op.Call, op.Path = "truncate", t.opened(id, r.Rdi)
	case unix.SYS_FCHMOD:
		op.Call, op.Path = "mode", t.opened(id, r.Rdi)
	case unix.SYS_FCHMODAT:
		op.Call, op.Path = "mode", t.named(id, r.Rdi, r.Rsi)
	case unix.SYS_OPENAT:
		if r.Rdx&(unix.O_CREAT|unix.O_TRUNC|unix.O_WRONLY|unix.O_RDWR) == 0 {
			return op, false
		}
		op.Call, op.Path = "open", t.named(id, r.Rdi, r.Rsi)
	case unix.SYS_MKDIR:
		op.Call, op.Path = "mkdir", t.named(id, here, r.Rdi)
	case unix.SYS_MKDIRAT:
		op.Call, op.Path = "mkdir", t.named(id, r.Rdi, r.Rsi)
	case unix.SYS_RENAME:
		op.Call, op.Path, op.To = "rename", t.named(id, here, r.Rdi), t.named(id, here, r.Rsi)
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		op.Call, op.Path, op.To = "rename", t.named(id, r.Rdi, r.Rsi), t.named(id, r.Rdx, r.R10)
	case unix.SYS_SYMLINKAT:
		op.Call, op.Path = "link", t.named(id, r.Rsi, r.Rdx)
	case unix.SYS_LINKAT:
		op.Call, op.Path = "link", t.named(id, r.Rdx, r.R10)
	case unix.SYS_UNLINK, unix.SYS_RMDIR:
		op.Call, op.Path = "remove", t.named(id, here, r.Rdi)
	case unix.SYS_UNLINKAT:
		op.Call, op.Path = "remove", t.named(id, r.Rdi, r.Rsi)
	}
	return op, op.Path != ""
}

// opened is what a descriptor is open on, in the folder; empty where it is elsewhere or no file.
func (t *tracer) opened(id int, fd uint64) string {
	path, err := os.Readlink("/proc/" + strconv.Itoa(id) + "/fd/" + strconv.Itoa(int(int32(fd))))
	if err != nil {
		return ""
	}
	return t.within(path)
}

// named is what a path relative to a descriptor names.
func (t *tracer) named(id int, fd, at uint64) string {
	path := text(id, uintptr(at))
	if path == "" || filepath.IsAbs(path) {
		return t.within(path)
	}
	link := "/proc/" + strconv.Itoa(id) + "/cwd"
	if int32(fd) != unix.AT_FDCWD {
		link = "/proc/" + strconv.Itoa(id) + "/fd/" + strconv.Itoa(int(int32(fd)))
	}
	dir, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	return t.within(filepath.Join(dir, path))
}

func (t *tracer) within(path string) string {
	if path == t.dir {
		return "."
	}
	rel, ok := strings.CutPrefix(path, t.dir+"/")
	if !ok {
		return ""
	}
	return rel
}

// text reads a string of the process, word by word: the page after it may not be there.
func text(id int, at uintptr) string {
	var out []byte
	for len(out) < unix.PathMax {
		word := make([]byte, 8-at%8)
		if n, err := unix.PtracePeekData(id, at, word); err != nil || n < len(word) {
			return ""
		}
		for i, b := range word {
			if b == 0 {
				return string(append(out, word[:i]...))
			}
		}
		out = append(out, word...)
		at += uintptr(len(word))
	}
	return ""
}
