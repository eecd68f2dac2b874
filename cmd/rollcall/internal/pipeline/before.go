package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// beforeRows streams users and users_flat of the version before, side by side.
type beforeRows struct {
	b           *build
	users, flat *parquet.Reader
	u, f        transform.Columns
	row         int
	variables   map[identity][]transform.Variable
	left        int64 // rows behind the batches at hand
}

func (b *build) openBefore(ctx context.Context) (*beforeRows, error) {
	s := &beforeRows{b: b}
	if !b.prior.exists {
		return s, nil
	}
	var err error
	if s.users, err = parquet.NewReader(b.mem, b.prior.version.Parquet(schema.NameUsers)); err != nil {
		return nil, err
	}
	if s.flat, err = parquet.NewReader(b.mem, b.prior.version.Parquet(schema.NameUsersFlat)); err != nil {
		return nil, err
	}
	for _, part := range b.prior.version.Parts(schema.NameUsers) {
		s.left += part.Rows
	}
	if b.amends && s.left > 0 {
		if b.revised, err = b.newRevision(); err != nil {
			return nil, err
		}
	}
	s.variables, err = b.keptVariables(ctx)
	return s, err
}

func (s *beforeRows) close() error {
	if s.users == nil {
		return nil
	}
	return errors.Join(s.users.Close(), s.flat.Close())
}

// advance goes to the row of a user.
func (s *beforeRows) advance(ctx context.Context, id identity) error {
	for {
		s.row++
		if s.u.Empty() || s.row >= s.u.Rows() {
			if err := s.next(ctx); err != nil {
				return fmt.Errorf("read the version %s: %w", s.b.prior.version.Run, err)
			}
		}
		if s.f.Text("user_id", s.row).String != id.user || s.f.Text("_scope", s.row).String != id.scope {
			continue
		}
		if s.u.Text("user_id", s.row).String != id.user {
			return fmt.Errorf("read the version %s: users and users_flat do not have the same rows", s.b.prior.version.Run)
		}
		return nil
	}
}

// at is the row that the reader is at, with its twelve columns. It is good until the next call of advance.
func (s *beforeRows) at() *transform.Row {
	row := transform.Row{Bookkeeping: transform.BookkeepingAt(s.f, s.row)}
	row.Twelve(s.u, s.row)
	return &row
}

// last tells whether the reader is at the last row.
func (s *beforeRows) last() bool { return s.left == 0 && s.row == s.u.Rows()-1 }

// revise hands on what became of the rows at hand.
func (s *beforeRows) revise() error {
	if s.b.revised == nil || s.u.Empty() {
		return nil
	}
	return s.b.revised.hand(s.u, s.f)
}

func (s *beforeRows) next(ctx context.Context) error {
	if err := s.revise(); err != nil {
		return err
	}
	u, err := s.users.Next(ctx)
	if errors.Is(err, io.EOF) {
		return errors.New("a user is missing, or the rows are not in order")
	}
	if err != nil {
		return err
	}
	f, err := s.flat.Next(ctx)
	if err != nil {
		return err
	}
	if u.NumRows() != f.NumRows() {
		return errors.New("users and users_flat do not have the same rows")
	}
	s.u, s.f, s.row = transform.ColumnsOf(u), transform.ColumnsOf(f), 0
	s.left -= u.NumRows()
	return nil
}

// restore gives the row that the reader is at the extras its item had.
func (s *beforeRows) restore(row *transform.Row) error {
	return row.RestoreExtras(s.f, s.row, s.variables[identity{row.Scope, row.UserID}])
}
