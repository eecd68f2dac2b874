package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigosql"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// columnOrgs are the organizations whose SQL endpoint a journalled run asked to complete their list.
func columnOrgs(j *journal.Journal) (settings, []string, error) {
	var s settings
	if err := json.Unmarshal(j.Header().Config, &s); err != nil {
		return s, nil, fmt.Errorf("journal %s: %w", j.Header().Run, err)
	}
	f, err := factsOf(j)
	if err != nil || s.Source != config.Amigo || !f.SQLColumns.Asked() {
		return s, nil, err
	}
	return s, s.Orgs, nil
}

// readColumns reads what a journal still has of the SQL endpoint's answers.
func (s *seeds) readColumns(ctx context.Context, j *journal.Journal) error {
	settings, orgs, err := columnOrgs(j)
	if err != nil || len(orgs) == 0 {
		return err
	}
	client, err := extract.NewClient(extract.Options{BaseURL: settings.BaseURL, Recorder: j, Offline: true})
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.Header().Run, err)
	}
	defer client.Close()
	for _, org := range orgs {
		err := amigosql.New(client, amigosql.Options{Org: org, Complement: true}).Complement(ctx, func(i sweep.Item) error {
			if !i.Keyed() || erased(i) {
				return nil
			}
			where, err := s.spill.put(i.Raw)
			if err == nil {
				s.add(identity{org, i.Key}).columns = where
			}
			return err
		})
		if err != nil && !errors.Is(err, extract.ErrNotRecorded) {
			return err
		}
	}
	return nil
}

// columnsFrom is the run whose journal has the SQL endpoint's answers that the present rests on: the newest that had all of them. It is empty where
// the present has none.
func columnsFrom(ctx context.Context, p *prior, runs []journal.RunInfo, opener *journal.Identity) (string, error) {
	if len(p.completed()) == 0 {
		return "", nil
	}
	for _, info := range slices.Backward(runs) {
		if !info.Sealed || info.Encrypted && opener == nil {
			continue
		}
		j, _, err := journal.OpenReadOnly(ctx, info.Dir, opener)
		if err != nil {
			return "", err
		}
		_, orgs, err := columnOrgs(j)
		if err != nil {
			return "", err
		}
		if len(orgs) > 0 && !slices.ContainsFunc(orgs, func(org string) bool { return wasMissed(j, org) }) {
			return info.Run, nil
		}
	}
	return "", nil
}

// isColumns tells whether an entry is an answer of the SQL endpoint.
func isColumns(e journal.Entry) bool {
	return e.Usable && !e.SetAside && e.Call.Kind == extract.KindSQL
}

// tellsColumns tells whether an entry says how the SQL endpoint was asked; a journal keeps that as long as there is anything in it.
func tellsColumns(e journal.Entry) bool {
	return e.Note == noteFacts || strings.HasPrefix(e.Note, noteColumnsMissed)
}
