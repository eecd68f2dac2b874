package lake

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/iceberg-go/table"
)

// Status is a table as it is.
type Status struct {
	Table       string    `json:"table"`
	Run         string    `json:"run_id"` // that it shows; empty: none yet
	RolledBack  string    `json:"rolled_back_from,omitempty"`
	Rows        int64     `json:"rows"` // -1: not known, another program wrote last
	Files       int       `json:"files"`
	DeleteFiles int       `json:"delete_files"`
	DeletedRows int64     `json:"deleted_rows"` // positions in delete files; one may be there twice
	Bytes       int64     `json:"bytes"`        // of the present snapshot's files
	Snapshots   int       `json:"snapshots"`
	CommittedAt time.Time `json:"committed_at"`
}

// Status says what each of our tables shows and takes. The error is ErrNone where there is none.
func (l *Lake) Status(ctx context.Context) ([]Status, error) {
	tables, err := l.all(compute.WithAllocator(ctx, l.opts.Memory))
	if err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		return nil, ErrNone
	}
	var out []Status
	for _, t := range tables {
		s, err := statusOf(ctx, t)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func statusOf(ctx context.Context, t *table.Table) (Status, error) {
	is := stateOf(t)
	s := Status{
		Table: nameOf(t), Run: is.run, RolledBack: is.rolledBack, Rows: rowsOf(t), Snapshots: len(t.Metadata().Snapshots()),
		CommittedAt: time.UnixMilli(t.Metadata().LastUpdatedMillis()).UTC(),
	}
	c, err := contents(ctx, t)
	if err != nil {
		return s, err
	}
	s.Files, s.DeleteFiles = len(c.data), len(c.deletes)
	for _, f := range c.data {
		s.Bytes += f.FileSizeBytes()
	}
	for _, f := range c.deletes {
		s.Bytes += f.FileSizeBytes()
		s.DeletedRows += f.Count()
	}
	return s, nil
}
