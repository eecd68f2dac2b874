package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/extract/mapped"
	"github.com/rollcall-data/rollcall/load/publish"
)

// seeds are what older journals have of users. A nil one has nothing.
type seeds struct {
	space *mapped.Space
	spill *spill
	users map[string]*byKey[seed] // of each organization, by user_id
}

// seed is what an older journal has of a user: models, and what the SQL endpoint has beside the list; empty where it has none.
type seed struct {
	model   extent
	at      int64 // microseconds; when the models were answered
	columns extent
}

// readSeeds reads what older journals still have, the newest of it. It is nil where there are none; else it must be closed.
func readSeeds(ctx context.Context, wh *publish.Warehouse, runs []string, opener *journal.Identity, spaceAfter int) (_ *seeds, err error) {
	if len(runs) == 0 {
		return nil, nil
	}
	s := &seeds{users: map[string]*byKey[seed]{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.space, err = newSpace(versionsOf(wh), spaceAfter); err != nil {
		return nil, err
	}
	if s.spill, err = newSpill(versionsOf(wh)); err != nil {
		return nil, err
	}
	for _, name := range runs {
		if err := s.read(ctx, journalDir(wh, name), opener); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *seeds) read(ctx context.Context, dir string, opener *journal.Identity) error {
	j, _, err := journal.OpenReadOnly(ctx, dir, opener)
	if err != nil {
		return err
	}
	err = j.Each(ctx, func(e journal.Entry) error {
		id, ok := modelAnswered(e)
		if !ok {
			return nil
		}
		where, err := s.spill.put(e.Answer.Body)
		if err == nil {
			u := s.add(id)
			u.model, u.at = where, e.Answer.At.UnixMicro()
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.readColumns(ctx, j)
}

func (s *seeds) add(id identity) *seed {
	if s.users[id.scope] == nil {
		s.users[id.scope] = newByKey[seed](s.space)
	}
	return s.users[id.scope].add(id.user)
}

// of are those of an organization.
func (s *seeds) of(org string) *byKey[seed] {
	if s == nil {
		return nil
	}
	return s.users[org]
}

// close gives back what they are kept in.
func (s *seeds) close() error {
	var errs []error
	if s != nil && s.space != nil {
		errs = append(errs, s.space.Close())
	}
	if s != nil && s.spill != nil {
		errs = append(errs, s.spill.close())
	}
	return errors.Join(errs...)
}

// time is when the models were answered.
func (s *seed) time() time.Time { return time.UnixMicro(s.at).UTC() }
