package pipeline

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/extract/mapped"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/transform"
)

// noteWhole marks a journal that has every answer of its run, so that the run can be replayed. Retention drops the note with the answers.
const noteWhole = "whole"

// Kept is what retention kept or removed, and why.
type Kept struct {
	What    string `json:"what"` // version or journal
	Run     string `json:"run"`
	Removed bool   `json:"removed"`
	Why     string `json:"why"`
}

// keptUnasked bounds the versions that keep_for keeps where nobody has set it: runs in quick succession would fill the disk.
const keptUnasked = 7

func retention(c *config.Config) publish.Retention {
	keep := publish.Retention{Versions: c.KeepVersions, For: c.KeepFor}
	if c.Origin("keep_for").Place == config.FromDefault {
		keep.Most = keptUnasked
	}
	return keep
}

// CollectGarbage removes what the warehouse no longer keeps: versions beyond keep_versions and keep_for that nobody reads, and of journals older than
// keep_journal everything but the answers that users' models and SQL columns in the current version come from, so that a replay can always rebuild the
// present. With journal: off it removes the journal of every run that is done. The caller holds the lock.
func CollectGarbage(ctx context.Context, c *config.Config, wh *publish.Warehouse, now time.Time) ([]Kept, error) {
	var out []Kept
	fates, err := wh.Prune(retention(c), now)
	for _, f := range fates {
		out = append(out, Kept{"version", f.Run, f.Removed, f.Why})
	}
	if err != nil {
		return out, err
	}
	var journals []Kept
	if c.Journal == config.JournalOff {
		journals, err = dropJournals(wh)
	} else {
		journals, err = thinJournals(ctx, wh, now.Add(-c.KeepJournal), c.IdentityOfJournals())
	}
	return append(out, journals...), err
}

func (r *run) retain(ctx context.Context) error {
	kept, err := CollectGarbage(ctx, r.cfg, r.wh, r.began)
	for _, k := range kept {
		if k.Removed {
			r.o.Log.Debug().Str("what", k.What).Str("run", k.Run).Str("why", k.Why).Msg("removed")
		}
	}
	return err
}

// dropJournals removes the journals of all runs that are done. An unfinished one is still needed to go on.
func dropJournals(wh *publish.Warehouse) ([]Kept, error) {
	runs, err := journal.List(wh.Journal())
	if err != nil {
		return nil, err
	}
	var out []Kept
	for _, info := range runs {
		if !info.Sealed {
			out = append(out, Kept{"journal", info.Run, false, "the run is unfinished"})
			continue
		}
		if err := journal.Remove(info.Dir); err != nil {
			return out, err
		}
		out = append(out, Kept{"journal", info.Run, true, "journal: off"})
	}
	return out, nil
}

// thinJournals drops from the sealed journals of runs before cutoff what the present does not rest on.
func thinJournals(ctx context.Context, wh *publish.Warehouse, cutoff time.Time, opener *journal.Identity) (out []Kept, err error) {
	runs, err := journal.List(wh.Journal())
	if err != nil {
		return nil, err
	}
	current, err := wh.Current()
	if err != nil {
		return nil, nil // nothing published: every journal is still wanted
	}
	space, err := newSpace(versionsOf(wh), 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, space.Close()) }()
	var live *liveAnswers
	for _, info := range runs {
		if !info.Sealed || !info.Started.Before(cutoff) {
			continue
		}
		if info.Run == current.Manifest.DataRun {
			out = append(out, Kept{"journal", info.Run, false, "the current version shows it"})
			continue
		}
		if info.Encrypted && opener == nil {
			out = append(out, Kept{"journal", info.Run, false, "encrypted, and without journal_identity nothing can be taken out of it"})
			continue
		}
		if live == nil {
			if live, err = answersOf(ctx, current, runs, opener, space); err != nil {
				return out, err
			}
		}
		k, err := thin(ctx, info, live, opener)
		if err != nil {
			return out, err
		}
		out = append(out, k)
	}
	return out, nil
}

// liveAnswers are the answers of older runs that a version comes from.
type liveAnswers struct {
	users   *prior // when their models were fetched
	columns string // the run that has those of the SQL endpoint which complete the list; empty: none has
}

func answersOf(ctx context.Context, v publish.Version, runs []journal.RunInfo, opener *journal.Identity, space *mapped.Space) (*liveAnswers, error) {
	p, err := loadPrior(ctx, v, space, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	columns, err := columnsFrom(ctx, p, runs, opener)
	return &liveAnswers{p, columns}, err
}

// has tells whether a user's models are of an answer that came then.
func (l *liveAnswers) has(id identity, at time.Time) bool {
	u, known := l.users.find(id)
	return known && u.ModelsAt == transform.MicrosOf(at)
}

func thin(ctx context.Context, info journal.RunInfo, live *liveAnswers, opener *journal.Identity) (Kept, error) {
	left := 0
	_, err := journal.Rewrite(ctx, info.Dir, func(e journal.Entry) (journal.Entry, bool, error) {
		id, ok := modelAnswered(e)
		keep := ok && live.has(id, e.Answer.At) || info.Run == live.columns && isColumns(e)
		if keep {
			left++
		}
		return e, keep || tellsColumns(e), nil
	}, opener)
	if err != nil {
		return Kept{}, err
	}
	if left > 0 {
		return Kept{"journal", info.Run, false, "models or SQL columns of live users come from it; everything else of it is gone"}, nil
	}
	return Kept{"journal", info.Run, true, "older than keep_journal, and nothing rests on it"}, journal.Remove(info.Dir)
}

// modelAnswered is whose models an entry has; ok is false for anything else.
func modelAnswered(e journal.Entry) (id identity, ok bool) {
	if !e.Usable || e.Call.Kind != extract.KindModel || e.Answer.Status != http.StatusOK {
		return identity{}, false
	}
	parts := strings.Split(e.Call.Path, "/") // /v1/ORG/user/ID/user_model
	if len(parts) != 6 {
		return identity{}, false
	}
	user, err := url.PathUnescape(parts[4])
	return identity{e.Call.Org, user}, err == nil
}
