package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	queryTime   = 30 * time.Second // of a statement, from its turn on
	patience    = 30 * time.Second // for its turn
	mostWaiting = 4                // beside the one that runs
	shownRows   = 1000             // of a table on the page
	shownText   = 2000             // characters of a value there
	shownBytes  = 4 << 20          // of all values there
	mostRows    = 1_000_000        // of a download
	mostBytes   = 4 << 30          // of a file that a query writes

	boxMemory = "512MB" // for DuckDB's own account
	boxSpill  = "4GB"
	boxData   = 2 << 30 // bytes of memory for the process
)

// The ways a query can fail that are not its SQL's fault.
var (
	errBusy   = errors.New("other queries are waiting already")
	errTime   = fmt.Errorf("it had not ended after %s", span(queryTime))
	errClosed = errors.New("the page is being closed")
	errDied   = errors.New("it needed more memory than it may have, or the database crashed")
)

// box runs SQL, one statement at a time.
type box struct {
	log     zerolog.Logger
	worker  []string // the command that does it
	slot    chan struct{}
	waiting atomic.Int32
	limit   time.Duration

	mu    sync.Mutex
	ended bool
	done  chan struct{} // closed: no more queries
	busy  sync.WaitGroup
}

func newBox(log zerolog.Logger) *box {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return &box{log: log, worker: []string{self}, slot: make(chan struct{}, 1), done: make(chan struct{}), limit: queryTime}
}

func (b *box) close() {
	b.mu.Lock()
	if !b.ended {
		b.ended = true
		close(b.done)
	}
	b.mu.Unlock()
	b.busy.Wait()
}

// begin counts a query in, unless no more are taken.
func (b *box) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	b.busy.Add(1)
	return true
}

// query runs one statement when its turn has come. The folder is the caller's to remove; the file of a download lies in it.
func (b *box) query(ctx context.Context, database, sql, format string) (_ *answer, folder string, err error) {
	if !b.begin() {
		return nil, "", errClosed
	}
	defer b.busy.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-b.done:
			cancel(errClosed)
		case <-ctx.Done():
		}
	}()
	if err := b.turn(ctx); err != nil {
		return nil, "", err
	}
	defer func() { <-b.slot }()
	began := time.Now()
	a, folder, err := b.work(ctx, job{Database: database, SQL: sql, Format: format})
	outcome := "done"
	switch {
	case err != nil:
		outcome = err.Error() // one of ours: nothing of the SQL is in it
	case a.Mistake != nil:
		outcome = "the SQL is wrong"
	}
	e := b.log.Info().Str("format", format).Dur("took", time.Since(began)).Str("outcome", outcome)
	if a != nil {
		e = e.Int64("rows", a.Count)
	}
	e.Msg("SQL box: a query ended")
	return a, folder, err
}

// turn waits until nobody else's query runs.
func (b *box) turn(ctx context.Context) error {
	if b.waiting.Add(1) > mostWaiting+1 {
		b.waiting.Add(-1)
		return errBusy
	}
	defer b.waiting.Add(-1)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case b.slot <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// work has the worker do the job in a private folder.
func (b *box) work(ctx context.Context, j job) (_ *answer, folder string, err error) {
	folder, err = os.MkdirTemp("", "rollcall-sql-")
	if err != nil {
		return nil, "", fmt.Errorf("make a folder for a query: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
			folder = ""
		}
	}()
	j.File = filepath.Join(folder, "rows")
	ctx, cancel := context.WithTimeoutCause(ctx, b.limit, errTime)
	defer cancel()
	a, err := begin(ctx, b.worker, folder, j)
	if ctx.Err() != nil {
		return nil, folder, context.Cause(ctx)
	}
	return a, folder, err
}

// download is a file of rows, sent and then removed.
type download struct {
	file   *os.File
	size   int64
	folder string
	name   string
	kind   string
}

func openDownload(folder, name, kind string) (*download, error) {
	f, err := os.Open(filepath.Join(folder, "rows"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the rows of a query: %w", err), os.RemoveAll(folder))
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the rows of a query: %w", err), f.Close(), os.RemoveAll(folder))
	}
	return &download{file: f, size: info.Size(), folder: folder, name: name, kind: kind}, nil
}

// close lets go of the file. What cannot be removed is in the system's folder for such things.
func (d *download) close() {
	_ = d.file.Close()
	_ = os.RemoveAll(d.folder)
}

// sendTime is how long a download may take its reader, beside what its size needs at a slow connection's pace.
const (
	sendTime = 10 * time.Minute
	slowPace = 100 << 10 // bytes a second
)

func (d *download) send(w http.ResponseWriter) {
	allowTime(w, sendTime+time.Duration(d.size/slowPace)*time.Second)
	w.Header().Set("Content-Type", d.kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(d.size))
	_, _ = d.file.WriteTo(w) // a reader who went needs no more
}

// allowTime lets an answer take longer than the server's answers may. Where it cannot be told so, the server's own bound holds.
func allowTime(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}
