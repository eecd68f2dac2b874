package lake

import (
	"context"
	"fmt"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// amend commits what f puts into a transaction, as long as f wants anything: another who commits first makes it begin again with the table as
// it then is, so often, and then it is a *BusyError. It returns the table as it is in the end.
func (l *Lake) amend(ctx context.Context, name string, f func(t *table.Table, tx *table.Transaction, summary iceberg.Properties) (bool, error),
) (*table.Table, error) {
	failures := 0
	var last error
	for attempt := 1; attempt <= conflicts; attempt++ {
		if attempt > 1 {
			l.retry(name, attempt, last)
			if err := pause(ctx, attempt); err != nil {
				return nil, err
			}
		}
		t, err := l.load(ctx, name)
		if err != nil {
			return nil, err
		}
		if t == nil {
			return nil, fmt.Errorf("table %s is gone", name)
		}
		id := uuid.NewString()
		tx := t.NewTransaction()
		if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
			return nil, err
		}
		goesOn, err := f(t, tx, summaryOf(t, id))
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
		if !goesOn {
			return t, nil
		}
		if err := tx.SetProperties(iceberg.Properties{propertyPublish: id}); err != nil {
			return nil, err
		}
		l.step("amend")
		made, err := tx.Commit(ctx)
		l.step("amended")
		if err == nil {
			return made, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		last = err
		now, lerr := l.load(ctx, name)
		switch {
		case lerr == nil && now != nil && now.Properties()[propertyPublish] == id:
			return now, nil
		case lerr != nil || now == nil || now.MetadataLocation() == t.MetadataLocation():
			failures++
		}
		if failures == maxFailures {
			return nil, fmt.Errorf("commit to table %s: %w", name, err)
		}
	}
	return nil, &BusyError{name, last}
}

// summaryOf is what a snapshot says that changes nothing of what a table shows: what the present one says.
func summaryOf(t *table.Table, id string) iceberg.Properties {
	p := iceberg.Properties{propertyRun: stateOf(t).run, propertyPublish: id}
	if s := marked(t, stateOf(t).run); s != nil {
		for _, name := range []string{summaryCertified, summaryProof, summaryUsersSHA256, summaryRows} {
			if v, ok := s.Summary.Properties[name]; ok {
				p[name] = v
			}
		}
	}
	if content := contentOf(t); content != "" {
		p[summaryContent] = content
	}
	return p
}

// marked is the newest snapshot of a table that names a run; nil where none does.
func marked(t *table.Table, run string) *table.Snapshot {
	var found *table.Snapshot
	for _, s := range t.Metadata().Snapshots() {
		if s.Summary == nil || run == "" || s.Summary.Properties[propertyRun] != run {
			continue
		}
		if found == nil || s.SequenceNumber > found.SequenceNumber {
			found = &s
		}
	}
	return found
}

// rowsOf is how many rows a table has, as its snapshot says; -1 where it does not.
func rowsOf(t *table.Table) int64 {
	if t.CurrentSnapshot() == nil {
		return 0
	}
	if s := marked(t, stateOf(t).run); s != nil {
		if n, err := strconv.ParseInt(s.Summary.Properties[summaryRows], 10, 64); err == nil {
			return n
		}
	}
	return -1
}
