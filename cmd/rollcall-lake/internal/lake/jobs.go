package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	icebergcatalog "github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
)

// Pin is what a table of ours shows now.
type Pin struct {
	Table    string
	Run      string
	Snapshot int64 // 0: it has none
}

// Pins are the tables that are ours. The error is ErrNone where there is none.
func (l *Lake) Pins(ctx context.Context) ([]Pin, error) {
	tables, err := l.all(ctx)
	if err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		return nil, ErrNone
	}
	var out []Pin
	for _, t := range tables {
		p := Pin{Table: nameOf(t), Run: stateOf(t).run}
		if s := t.CurrentSnapshot(); s != nil {
			p.Snapshot = s.SnapshotID
		}
		out = append(out, p)
	}
	return out, nil
}

// There are those of the names that the namespace has, and that are not ours.
func (l *Lake) There(ctx context.Context, names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		t, err := l.load(ctx, name)
		if err != nil {
			return nil, err
		}
		if t != nil && !managed(t) {
			out = append(out, name)
		}
	}
	return out, nil
}

// dropper is what a catalog that removes tables has.
type dropper interface {
	DropTable(ctx context.Context, id table.Identifier) error
}

// Drop removes tables that are not ours, and their files: those of rows first, the metadata when the catalog has the table no more. Interrupted, it goes on when it is run
// again. It refuses to where a table's location is also another's.
func (l *Lake) Drop(ctx context.Context, names []string, dropped func(name string, files int)) error {
	there, err := l.There(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range there {
		files, err := l.drop(ctx, name)
		if err != nil {
			return fmt.Errorf("remove table %s: %w", name, err)
		}
		dropped(name, files)
	}
	return nil
}

func (l *Lake) drop(ctx context.Context, name string) (int, error) {
	from, ok := l.catalog.(dropper)
	if !ok {
		return 0, errors.New("this catalog removes no tables")
	}
	t, err := l.load(ctx, name)
	if err != nil || t == nil {
		return 0, err
	}
	if err := l.alone(ctx, t); err != nil {
		return 0, err
	}
	listed, err := list(ctx, t)
	if err != nil {
		return 0, err
	}
	if !listed[plain(t.MetadataLocation())] {
		return 0, fmt.Errorf("its own metadata is not among the files at %s: nothing was removed", t.Location())
	}
	isMetadata := func(path string) bool { return strings.HasSuffix(owner(path), ".metadata.json") }
	if err := remove(ctx, t, listed, func(path string) bool { return !isMetadata(path) }); err != nil {
		return 0, err
	}
	if err := from.DropTable(ctx, l.id(name)); err != nil && !errors.Is(err, icebergcatalog.ErrNoSuchTable) {
		return 0, fmt.Errorf("drop it: %w", err)
	}
	return len(listed), remove(ctx, t, listed, isMetadata)
}

// alone looks whether another table of the namespace has files at a table's location.
func (l *Lake) alone(ctx context.Context, t *table.Table) error {
	at := strings.TrimRight(plain(t.Location()), "/") + "/"
	for id, err := range l.catalog.ListTables(ctx, l.namespace) {
		if err != nil {
			return fmt.Errorf("list the tables: %w", err)
		}
		if slices.Equal(id, t.Identifier()) || id[len(id)-1] == nameOf(t) {
			continue
		}
		other, err := l.load(ctx, id[len(id)-1])
		if err != nil {
			return err
		}
		if other != nil && strings.HasPrefix(strings.TrimRight(plain(other.Location()), "/")+"/", at) {
			return fmt.Errorf("table %s is at its location too", nameOf(other))
		}
	}
	return nil
}

func remove(ctx context.Context, t *table.Table, listed map[string]bool, which func(string) bool) error {
	storage, err := t.FS(ctx)
	if err != nil {
		return fmt.Errorf("open the storage: %w", err)
	}
	for path := range listed {
		if !which(path) {
			continue
		}
		if err := storage.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a file: %w", err)
		}
	}
	return nil
}
