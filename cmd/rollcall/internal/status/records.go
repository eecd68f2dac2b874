package status

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
	"github.com/rollcall-data/rollcall/load/publish"
)

// maxRecord bounds a run's record; real ones have a few kilobytes.
const maxRecord = 4 << 20

// records reads the runs' records, each once for as long as its file stays as it is.
type records struct {
	wh *publish.Warehouse

	mu   sync.Mutex
	read map[string]record
}

type record struct {
	changed time.Time
	size    int64
	summary *pipeline.Summary
}

func newRecords(wh *publish.Warehouse) *records { return &records{wh: wh, read: map[string]record{}} }

// ids are the runs on record, newest first.
func (r *records) ids() ([]string, error) {
	ids, err := r.wh.RunRecords()
	if err != nil {
		return nil, err
	}
	slices.Reverse(ids)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.read) > 2*len(ids)+100 { // records were removed
		r.read = map[string]record{}
	}
	return ids, nil
}

// summaries are those of these runs. One that was removed meanwhile is left out.
func (r *records) summaries(ids []string) ([]*pipeline.Summary, error) {
	out := make([]*pipeline.Summary, 0, len(ids))
	for _, id := range ids {
		s, err := r.summary(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (r *records) summary(id string) (*pipeline.Summary, error) {
	path := r.wh.RunRecord(id)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", id, err)
	}
	r.mu.Lock()
	known, ok := r.read[id]
	r.mu.Unlock()
	if ok && known.changed.Equal(info.ModTime()) && known.size == info.Size() {
		return known.summary, nil
	}
	raw, err := readSome(path, maxRecord)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", id, err)
	}
	s, err := report.Summary(raw)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read[id] = record{changed: info.ModTime(), size: info.Size(), summary: s}
	return s, nil
}

// readSome reads a file that should have no more than so many bytes.
func readSome(path string, most int64) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(raw)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return raw, err
}

// began is the run's own clock.
func began(s *pipeline.Summary) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s.StartedAt)
	if err != nil {
		return time.Time{}
	}
	return t
}

func took(s *pipeline.Summary) time.Duration { return time.Duration(s.Seconds * float64(time.Second)) }

// finished tells whether the run came to a result.
func finished(s *pipeline.Summary) bool {
	return s.Status != pipeline.Failed && s.Status != pipeline.Interrupted && s.Version != nil
}
