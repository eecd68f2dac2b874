package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/load/publish"
)

// NoJournalError says that a replay cannot begin: the journal of a run that the current version rests on is not there.
type NoJournalError struct {
	Run string
}

func (e *NoJournalError) Error() string {
	return fmt.Sprintf("the journal of run %s, which the current version rests on, is not there or no longer whole", e.Run)
}

// Hints says what to do.
func (e *NoJournalError) Hints() []string {
	return []string{"keep_journal says how long journals are kept whole, and journal: off keeps none; `rollcall backfill` asks the API anew"}
}

// offline makes a run over a journal that is complete: its settings and clock are those of the journal's header.
func offline(o Options, wh *publish.Warehouse, j *journal.Journal) (*run, error) {
	var s settings
	h := j.Header()
	if err := json.Unmarshal(h.Config, &s); err != nil {
		return nil, fmt.Errorf("journal %s: %w", h.Run, err)
	}
	f, err := factsOf(j)
	if err != nil {
		return nil, err
	}
	c := config.Default()
	if o.Config != nil {
		*c = *o.Config
	}
	c.Source, c.BaseURL, c.Orgs, c.Paging, c.PageSize = s.Source, s.BaseURL, s.Orgs, s.Paging, s.PageSize
	o.Config, o.Command = c, s.Command
	if o.Now == nil {
		o.Now = time.Now
	}
	return &run{o: o, cfg: c, wh: wh, mem: memory.DefaultAllocator, began: o.Now(), offline: true, journal: j, id: h.Run, clock: clockOf(j), rules: f, as: f.As}, nil
}

// chain is what a replay starts from and goes through.
type chain struct {
	runs  []string         // whose journals are whole, oldest first; the last is the one that the current version shows
	base  *publish.Version // the version that the first of them was built upon; nil: none, or none that is left
	seeds []string         // where base is not left: journals that have the models of before, and the SQL endpoint's columns
}

// replay rebuilds the current version from the journals of the runs that led to it, each upon the one before, without a request. What it
// publishes is a version of its own, and shows the clock and the run of the journal.
func replay(ctx context.Context, o Options, wh *publish.Warehouse) (*Summary, error) {
	if err := o.Config.RequireJournal(); err != nil {
		return failed(o, err), err
	}
	opener := o.Config.IdentityOfJournals()
	c, err := replayChain(ctx, wh, opener)
	if err != nil {
		return failed(o, err), err
	}
	scratch := replayScratch(wh)
	if err := os.RemoveAll(scratch); err != nil {
		return failed(o, err), fmt.Errorf("replay: %w", err)
	}
	s, err := replayRuns(ctx, o, wh, publish.Open(scratch), c, opener)
	if err != nil && s == nil {
		s = failed(o, err)
	}
	return s, errors.Join(err, os.RemoveAll(scratch))
}

// replayScratch is where a replay builds the versions on its way.
func replayScratch(wh *publish.Warehouse) string {
	return filepath.Join(wh.Dir(), "versions", ".replay")
}

// replayRuns replays the chain: all but the last into a warehouse of their own that is thrown away.
func replayRuns(ctx context.Context, o Options, wh, scratch *publish.Warehouse, c chain, opener *journal.Identity) (_ *Summary, err error) {
	seeds, err := readSeeds(ctx, wh, c.seeds, opener, o.spaceAfter)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, seeds.close()) }()
	before := c.base
	for _, name := range c.runs[:len(c.runs)-1] {
		if _, err := replayRun(ctx, o, wh, scratch, name, before, seeds, opener); err != nil {
			return nil, err
		}
		v, err := scratch.Current()
		if err != nil {
			return nil, fmt.Errorf("replay run %s: %w", name, err)
		}
		before = &v
	}
	return replayRun(ctx, o, wh, wh, c.runs[len(c.runs)-1], before, seeds, opener)
}

// replayRun does a journalled run again, upon a version, and publishes into a warehouse: as a run of its own where that is the real one.
func replayRun(ctx context.Context, o Options, wh, into *publish.Warehouse, name string, before *publish.Version, seeds *seeds, opener *journal.Identity) (_ *Summary, err error) {
	o.Log.Info().Str("run", name).Msg("replaying")
	j, _, err := journal.OpenReadOnly(ctx, journalDir(wh, name), opener)
	if err != nil {
		return nil, err
	}
	r, err := offline(o, into, j)
	if err != nil {
		return nil, err
	}
	if r.space, err = newSpace(versionsOf(wh), o.spaceAfter); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.space.Close()) }()
	r.prior = &prior{}
	r.always = true
	if before != nil {
		if r.prior, err = loadPrior(ctx, *before, r.space, r.mem); err != nil {
			return nil, err
		}
	} else {
		r.seeds = seeds
	}
	if into == wh {
		r.id = runID(r.began.UTC())
	} else {
		r.cfg.Checks = config.Default().Checks // they are for what readers get to see
	}
	s, err := r.work(ctx)
	if err != nil || into != wh {
		return s, errors.Join(err, j.Err())
	}
	s.Seconds, s.Stages = r.o.Now().Sub(r.began).Seconds(), r.stages
	s.DataRun = r.dataRun()
	if err := errors.Join(r.record(s), r.retain(ctx)); err != nil {
		return s, err
	}
	return s, r.follow(ctx, s)
}

// replayChain finds what a replay starts from: back from the run that the current version shows, as far as journals are whole.
func replayChain(ctx context.Context, wh *publish.Warehouse, opener *journal.Identity) (chain, error) {
	v, err := wh.Current()
	if err != nil {
		return chain{}, err
	}
	infos, err := journal.List(wh.Journal())
	if err != nil {
		return chain{}, err
	}
	bases, thinned := map[string]string{}, []string{}
	for _, info := range infos {
		var f facts
		if err := json.Unmarshal(info.Facts, &f); err != nil {
			return chain{}, fmt.Errorf("journal %s: %w", info.Run, err)
		}
		whole, err := isWhole(ctx, info, opener)
		if err != nil {
			return chain{}, err
		}
		if whole {
			bases[info.Run] = f.Base
		} else if info.Sealed {
			thinned = append(thinned, info.Run)
		}
	}
	var c chain
	for name := v.Manifest.DataRun; ; {
		base, ok := bases[name]
		if !ok {
			return c.upon(wh, name, thinned)
		}
		c.runs = append([]string{name}, c.runs...)
		if base == "" {
			return c, nil
		}
		if name, err = dataRunOf(wh, base); err != nil {
			return chain{}, err
		}
	}
}

func isWhole(ctx context.Context, info journal.RunInfo, opener *journal.Identity) (bool, error) {
	if !info.Sealed {
		return false, nil
	}
	j, _, err := journal.OpenReadOnly(ctx, info.Dir, opener)
	if err != nil {
		return false, err
	}
	_, whole := j.Noted(noteWhole)
	return whole, nil
}

// upon ends a chain whose next run has no whole journal: at that run's version where it is kept, else at the models that journals still have.
func (c chain) upon(wh *publish.Warehouse, name string, thinned []string) (chain, error) {
	if len(c.runs) == 0 {
		return c, &NoJournalError{Run: name}
	}
	if v, err := wh.Version(name); err == nil {
		c.base = &v
	} else {
		c.seeds = thinned
	}
	return c, nil
}

// dataRunOf is the run whose answers a version shows: its own, or where a replay made it, the one replayed.
func dataRunOf(wh *publish.Warehouse, version string) (string, error) {
	raw, err := os.ReadFile(wh.RunRecord(version))
	if errors.Is(err, fs.ErrNotExist) {
		return version, nil
	}
	if err != nil {
		return "", fmt.Errorf("read the record of run %s: %w", version, err)
	}
	var s Summary
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("read the record of run %s: %w", version, err)
	}
	if s.DataRun != "" {
		return s.DataRun, nil
	}
	return version, nil
}
