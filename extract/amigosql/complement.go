package amigosql

import (
	"context"
	"errors"
	"net/http"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// Complement reads the whole table once, by keyset, and calls seen for each sighting of a row, as [Source.Sweep] does. It counts nothing and
// certifies nothing: it is for who knows the users already, and takes from the table what it has of them. A host without the endpoint is a
// *QueryError too.
func (s *Source) Complement(ctx context.Context, seen func(sweep.Item) error) error {
	w := &sweeper{s: s, seen: seen, pager: newPager(s, maxRows), known: map[string]bool{}, bare: map[string]struct{}{}, round: 1}
	_, err := w.read(ctx, stretch{}, 0)
	var unknown *extract.OrgNotFoundError
	if errors.As(err, &unknown) {
		return &QueryError{Org: s.o.Org, Status: http.StatusNotFound, err: err}
	}
	return err
}
