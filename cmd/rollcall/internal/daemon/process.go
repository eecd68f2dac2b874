package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/load/publish"
)

const (
	patience   = 2 * time.Minute // for a run that was interrupted to stop where the next can go on; then it is killed
	maxSummary = 16 << 20
)

// Process is a run as a process: a command that prints its summary as JSON and logs JSON.
type Process struct {
	Path      string
	Args      []string
	Env       []string // nil: this process's
	Warehouse *publish.Warehouse
	Log       zerolog.Logger
	Lines     io.Writer // takes each line of the run's log, a JSON object, in one write

	mu  sync.Mutex
	pid int // of the process group; 0: there is none
}

// Run starts the process and waits for it. It is a process group of its own, so that an interrupt from the terminal reaches the daemon alone.
func (p *Process) Run(ctx context.Context) (out Outcome, err error) {
	logs, err := newRunLog(filepath.Dir(p.Warehouse.RunRecord("x")), p.Lines, p.Log)
	if err != nil {
		return Outcome{}, err
	}
	defer logs.close()
	summary := &limitedBuffer{left: maxSummary}
	cmd := exec.CommandContext(ctx, p.Path, p.Args...) //nolint:gosec // it is this program, with the arguments that it was given
	cmd.Env, cmd.Stdout, cmd.Stderr = p.Env, summary, logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = patience
	if err := p.start(cmd); err != nil {
		return Outcome{}, fmt.Errorf("start a run: %w", err)
	}
	waited := cmd.Wait()
	p.forget()
	if state := cmd.ProcessState; state != nil {
		out.Exit = state.ExitCode()
	}
	var exit *exec.ExitError
	if waited != nil && !errors.As(waited, &exit) && !errors.Is(waited, context.Canceled) && !errors.Is(waited, context.DeadlineExceeded) && !errors.Is(waited, exec.ErrWaitDelay) {
		return out, fmt.Errorf("wait for a run: %w", waited)
	}
	var s pipeline.Summary
	if json.Unmarshal(summary.kept, &s) == nil {
		out.Summary = &s
	}
	if out.Summary != nil && s.RunID != "" {
		logs.keep(p.Warehouse, s.RunID)
	}
	out.Message = logs.message
	return out, nil
}

func (p *Process) start(cmd *exec.Cmd) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.pid = cmd.Process.Pid
	return nil
}

func (p *Process) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid = 0
}

// Kill ends the process that runs now, if any, at once. Nothing is lost by that: the next run goes on where it was.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // it may be gone already
	}
}

// limitedBuffer keeps the beginning of what is written.
type limitedBuffer struct {
	kept []byte
	left int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	b.kept = append(b.kept, p[:n]...)
	return len(p), nil
}

// keptLogs is how many runs' logs are kept.
const keptLogs = 100

// LogPath is where a run's log is kept.
func LogPath(w *publish.Warehouse, run string) string {
	record := w.RunRecord(run)
	return record[:len(record)-len(filepath.Ext(record))] + logSuffix
}

const (
	logSuffix  = ".log"
	tempPrefix = ".log-"
	maxLog     = 32 << 20 // bytes of a run's log that are kept
	maxLine    = 64 << 10
)

// runLog takes what a run says on standard error, line by line: to the daemon's log, and to a file that gets its name when the run's is known.
type runLog struct {
	dir   string
	file  *os.File
	lines io.Writer
	log   zerolog.Logger
	rest  []byte // a line that has not ended
	size  int
	err   error

	message string // of the line that begins with error:
}

func newRunLog(dir string, lines io.Writer, log zerolog.Logger) (*runLog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keep the run's log: %w", err)
	}
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return nil, fmt.Errorf("keep the run's log: %w", err)
	}
	return &runLog{dir: dir, file: f, lines: lines, log: log}, nil
}

// Write never fails: a run is not ended for its log.
func (l *runLog) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 && len(l.rest) < maxLine {
			return len(p), nil
		}
		if i < 0 {
			i = len(l.rest) - 1
		}
		l.line(l.rest[:i+1])
		l.rest = l.rest[i+1:]
	}
}

// line passes one line on. One that is no JSON object, such as the error that a run ends with, becomes one.
func (l *runLog) line(raw []byte) {
	raw = bytes.TrimRight(raw, "\r\n")
	if len(raw) == 0 {
		return
	}
	if raw[0] != '{' || !json.Valid(raw) {
		var b bytes.Buffer
		said := zerolog.New(&b).With().Timestamp().Logger()
		level := zerolog.ErrorLevel
		if bytes.HasPrefix(raw, []byte("hint: ")) || bytes.HasPrefix(raw, []byte("stopping; ")) {
			level = zerolog.InfoLevel
		}
		if message, ok := bytes.CutPrefix(raw, []byte("error: ")); ok {
			l.message = string(message)
		}
		said.WithLevel(level).Msg(string(raw))
		raw = bytes.TrimRight(b.Bytes(), "\n")
	}
	raw = append(bytes.Clone(raw), '\n')
	if _, err := l.lines.Write(raw); err != nil {
		l.err = errors.Join(l.err, err)
	}
	if l.size += len(raw); l.size <= maxLog {
		if _, err := l.file.Write(raw); err != nil && l.err == nil {
			l.err = err
		}
	}
}

// keep gives the log its name. One that is there is of the same run, before it was interrupted, and is gone on with.
func (l *runLog) keep(w *publish.Warehouse, run string) {
	l.line(l.rest)
	l.rest = nil
	l.err = errors.Join(l.err, l.appendTo(LogPath(w, run)), pruneLogs(l.dir))
}

func (l *runLog) appendTo(path string) error {
	if _, err := l.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, l.file)
	return errors.Join(err, to.Sync(), to.Close())
}

// close lets go of the file, and says what went wrong with it. That is no reason to call a run failed.
func (l *runLog) close() {
	l.line(l.rest)
	if err := errors.Join(l.err, l.file.Close(), os.Remove(l.file.Name())); err != nil {
		l.log.Warn().Err(err).Msg("the log of the run is not whole")
	}
}

// pruneLogs removes the oldest logs beyond keptLogs.
func pruneLogs(dir string) error {
	entries, err := os.ReadDir(dir) // in the order of their names, which begin with the time
	if err != nil {
		return fmt.Errorf("list the logs of runs: %w", err)
	}
	var logs []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == logSuffix && e.Name()[0] != '.' {
			logs = append(logs, e.Name())
		}
	}
	for i := range max(0, len(logs)-keptLogs) {
		if err := os.Remove(filepath.Join(dir, logs[i])); err != nil {
			return fmt.Errorf("remove the log of an old run: %w", err)
		}
	}
	return nil
}

// RemoveLeftovers removes what a daemon that died left beside the logs.
func RemoveLeftovers(w *publish.Warehouse) error {
	dir := filepath.Dir(w.RunRecord("x"))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}
