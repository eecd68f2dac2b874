package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/extract/mapped"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/transform"
	"github.com/rollcall-data/rollcall/transform/pii"
)

// The commands that are runs.
const (
	Sync     = "sync"
	Backfill = "backfill"
)

// Options say what a run is to do. Config is required.
type Options struct {
	Config     *config.Config
	Command    string // Sync or Backfill
	Replay     bool   // rebuild from the journal, without a request
	BreakLock  bool   // take the warehouse's lock from a process on another host, which a person says is gone
	Log        zerolog.Logger
	OnProgress func(Progress) // called from several goroutines; may be nil
	Now        func() time.Time

	leastLinked int64 // see build.leastLinked; 0: its own
	spaceAfter  int   // see spaceAfter; 0: that
	maxBody     int64 // bytes of an answer; 0: the client's own
}

// Progress is how far a run has come.
type Progress struct {
	Phase   string        // sweep, models, look-ups, build, verify
	Done    int64         // users, models or rows so far
	Total   int64         // 0 where it is not known
	Waiting time.Duration // for the rate limit, until the next request; 0 where it does not wait
}

// run is the state of one run.
type run struct {
	o       Options
	cfg     *config.Config
	wh      *publish.Warehouse
	mem     memory.Allocator
	id      string
	clock   time.Time // what the run observes, it observes at this time
	rules   facts
	began   time.Time // when this process took it up
	tally   tally
	stages  []Stage
	offline bool
	always  bool // publish even where nothing changed
	creds   config.Credentials
	opener  *journal.Identity // opens encrypted journals; nil: there is none

	prior       *prior
	reuses      bool // what the version before says of an item is true of the same item in this run, see [run.read]
	journal     *journal.Journal
	prefs       *transform.Preferences
	space       *mapped.Space // what is known of each user
	spill       *spill        // items and answers
	orgs        []*org
	modelsUntil time.Time // when the budget for models is spent; zero: no model was asked for yet
	seeds       *seeds    // of a replay: models of before its first run
	as          string

	pii         *pii.Rules   // what does not get into the tables; nil: nothing
	suppression *suppression // users who are to stay forgotten; nil: nobody
	leftOut     map[identity]bool
}

// Run does one run. The summary is never nil; with an error its status is failed or interrupted.
func Run(ctx context.Context, o Options) (*Summary, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	wh := publish.Open(o.Config.Warehouse)
	lock, err := lockOf(wh, o.BreakLock)(o.Command, o.Now().UTC())
	if err != nil {
		return failed(o, err), err
	}
	if err := wh.SettleRewrites(); err != nil {
		return failed(o, err), errors.Join(err, lock.Unlock())
	}
	if err := share(wh, o.Config); err != nil {
		return failed(o, err), errors.Join(err, lock.Unlock())
	}
	var s *Summary
	if o.Replay {
		s, err = replay(ctx, o, wh)
	} else {
		s, err = online(ctx, o, wh)
	}
	unerased, unread := UnfinishedErasure(wh.Dir())
	s.Unerased = unerased
	return s, errors.Join(err, unread, lock.Unlock())
}

// share lets the group of share_group read the versions.
func share(wh *publish.Warehouse, c *config.Config) error {
	group, err := c.GroupOfReaders()
	if err != nil {
		return err
	}
	return wh.Share(group)
}

func failed(o Options, err error) *Summary {
	s := &Summary{Command: o.Command, Status: Failed, Source: string(o.Config.Source), Orgs: o.Config.Orgs, Error: err.Error()}
	s.Certificate.Reasons = []string{}
	return s
}

// online is a run against the API. What an unfinished run of the same settings received comes first.
func online(ctx context.Context, o Options, wh *publish.Warehouse) (_ *Summary, err error) {
	r := &run{o: o, cfg: o.Config, wh: wh, mem: memory.DefaultAllocator, began: o.Now(), opener: o.Config.IdentityOfJournals()}
	if r.space, err = newSpace(versionsOf(wh), o.spaceAfter); err != nil {
		return failed(o, err), err
	}
	defer func() { err = errors.Join(err, r.space.Close()) }()
	if r.creds, err = o.Config.Credentials(ctx); err != nil {
		return failed(o, err), err
	}
	opened := r.stage(ctx, StageOpen)
	if err := r.open(ctx); err != nil {
		return failed(o, err), err
	}
	opened()
	r.as = r.identity()
	s, err := r.work(ctx)
	if err != nil {
		s = r.ended(ctx, s, err)
	}
	s.Seconds, s.Stages = o.Now().Sub(r.began).Seconds(), r.stages
	recorded := r.record(s)
	if err != nil || recorded != nil {
		return s, errors.Join(err, recorded, r.journal.Close())
	}
	if err := errors.Join(r.journal.Note(ctx, noteWhole, true), r.journal.Seal()); err != nil {
		return s, err
	}
	if err := r.eraseSuppressed(ctx); err != nil {
		return s, err
	}
	if err := r.retain(ctx); err != nil {
		return s, err
	}
	return s, r.follow(ctx, s)
}

// ended is the summary of a run that stopped early.
func (r *run) ended(ctx context.Context, s *Summary, err error) *Summary {
	if s == nil {
		s = failed(r.o, err)
	}
	s.RunID, s.StartedAt, s.Published, s.Status, s.Error = r.id, stamp(r.clock), false, Failed, err.Error()
	s.Requests, s.BytesReceived = r.tally.snapshot()
	s.Version = r.currentVersion()
	if ctx.Err() != nil {
		s.Status = Interrupted
	}
	return s
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func (r *run) currentVersion() *string {
	v, err := r.wh.Current()
	if err != nil {
		return nil
	}
	return &v.Run
}

// record writes runs/RUN.json.
func (r *run) record(s *Summary) error {
	doc, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	return publish.WriteFile(r.wh.RunRecord(r.id), append(doc, '\n'))
}

// versionsOf is the folder of a warehouse in which runs keep what they cannot keep in memory.
func versionsOf(wh *publish.Warehouse) string { return filepath.Join(wh.Dir(), "versions") }

// work is the run proper, online or replayed: r has its journal, clock and version before.
func (r *run) work(ctx context.Context) (*Summary, error) {
	extracted := r.stage(ctx, StageExtract)
	if err := r.gather(ctx, versionsOf(r.wh)); err != nil {
		return nil, err
	}
	extracted()
	defer func() { _ = r.spill.close() }() // it has no name: closing is dropping it
	decided := r.stage(ctx, StageDecide)
	d, err := r.decide(ctx)
	if err != nil {
		return nil, err
	}
	decided()
	return r.conclude(ctx, d)
}

// gather extracts every organization. What does not fit in memory is kept in a file without a name in dir.
func (r *run) gather(ctx context.Context, dir string) (err error) {
	client, targets, err := r.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	r.prefs = transform.NewPreferences(r.prior.prefs, r.contract())
	if r.pii, err = r.cfg.PersonalData(ctx); err != nil {
		return err
	}
	if r.prior.exists && r.prior.madeUnder() != r.pii.Fingerprint() {
		r.o.Log.Warn().Str("version", r.prior.version.Run).Msg("the rules about personal data are not those of the version before, which may hold what they take away: rollcall redact rewrites it")
	}
	// not where columns of the SQL endpoint are part of an item, nor where a contract asks for every preference
	r.reuses = r.contract().Free() && len(r.prior.completed()) == 0 && r.prior.madeUnder() == r.pii.Fingerprint()
	if r.suppression, err = loadSuppression(r.wh); err != nil {
		return err
	}
	if r.spill, err = newSpill(dir); err != nil {
		return err
	}
	for _, t := range targets {
		o, err := r.extract(ctx, t)
		if err != nil {
			return errors.Join(err, r.spill.close())
		}
		r.orgs = append(r.orgs, o)
	}
	slices.SortFunc(r.orgs, func(a, b *org) int { return strings.Compare(a.name, b.name) })
	return nil
}

// settings are what must be the same for a run to be resumed by another process.
type settings struct {
	Source   config.Source `json:"source"`
	BaseURL  string        `json:"base_url"`
	Orgs     []string      `json:"orgs"`
	Paging   config.Paging `json:"paging"`
	PageSize int           `json:"page_size"`
	Command  string        `json:"command"`
}

// facts are what decides about the run's answers, and so what a replay must know beside them. The journal's header has those that the run began
// with; a process that resumes it notes its own.
type facts struct {
	Base             string        `json:"base"` // the version built upon; empty: none
	As               string        `json:"as"`
	Models           config.Models `json:"models"`
	MaxDeletePercent float64       `json:"max_delete_percent"`
	AcceptDeletes    bool          `json:"accept_deletes"`
	AllowEmpty       bool          `json:"allow_empty"`
	SortKeyImmutable bool          `json:"sort_key_immutable"`
	Memories         bool          `json:"memories"`

	SQLColumns config.SQLColumns `json:"sql_columns,omitempty"`
}

// open finds the version before and the journal to write to.
func (r *run) open(ctx context.Context) error {
	if err := r.loadCurrent(ctx); err != nil {
		return err
	}
	if err := errors.Join(journal.Clean(r.wh.Journal()), os.RemoveAll(replayScratch(r.wh))); err != nil {
		return err
	}
	want, err := json.Marshal(settings{r.cfg.Source, r.cfg.BaseURL, r.cfg.Orgs, r.cfg.Paging, r.cfg.PageSize, r.o.Command})
	if err != nil {
		return fmt.Errorf("begin a run: %w", err)
	}
	r.rules = facts{
		Base: r.prior.version.Run, As: r.identity(), Models: r.cfg.Models, MaxDeletePercent: r.cfg.MaxDeletePercent, AcceptDeletes: r.cfg.AcceptDeletes,
		AllowEmpty: r.cfg.AllowEmpty, SortKeyImmutable: r.cfg.SortKeyImmutable, Memories: r.cfg.Memories, SQLColumns: r.cfg.SQLColumns,
	}
	recipients, err := r.cfg.RecipientsOfJournal()
	if err != nil {
		return err
	}
	resumed, err := r.resume(ctx, want, recipients)
	if err != nil || resumed {
		return err
	}
	return r.create(want, recipients)
}

func (r *run) loadCurrent(ctx context.Context) error {
	v, err := r.wh.Current()
	if errors.Is(err, publish.ErrNoVersion) {
		r.prior = &prior{}
		return nil
	}
	if err != nil {
		return err
	}
	if err := v.Intact(); err != nil {
		return &DamagedError{Run: v.Run, err: err}
	}
	r.prior, err = loadPrior(ctx, v, r.space, r.mem)
	return err
}

// resume takes up the newest run where it was left unfinished with the same settings and upon the same version. Any other unfinished run is
// closed for good.
func (r *run) resume(ctx context.Context, want []byte, recipients []journal.Recipient) (bool, error) {
	runs, err := journal.List(r.wh.Journal())
	if err != nil {
		return false, err
	}
	for i := len(runs) - 1; i >= 0; i-- {
		info := runs[i]
		if info.Sealed {
			continue
		}
		var f facts
		if err := json.Unmarshal(info.Facts, &f); err != nil {
			return false, fmt.Errorf("journal %s: %w", info.Run, err)
		}
		current := r.prior.version.Run
		published := info.Run == current
		j, report, err := r.resumeJournal(ctx, info.Dir, recipients)
		if err != nil {
			return false, err
		}
		_, ended := j.Noted(noteBroken)
		if published || ended || i != len(runs)-1 || string(info.Config) != string(want) || f.Base != current {
			if err := j.Seal(); err != nil {
				return false, err
			}
			continue
		}
		r.journal, r.id, r.clock = j, info.Run, clockOf(j)
		if report.SweepDropped || report.Answers == 0 { // it observes anew
			r.clock = r.o.Now().UTC().Truncate(time.Microsecond)
		}
		if err := errors.Join(j.Note(ctx, noteClock, r.clock), j.Note(ctx, noteFacts, r.rules)); err != nil {
			return false, err
		}
		r.o.Log.Info().Str("run", r.id).Int("answers", report.Answers).Bool("sweep_begun_anew", report.SweepDropped).Int64("torn_bytes", report.TornBytes).
			Msg("going on with an unfinished run")
		return true, nil
	}
	return false, nil
}

// resumeJournal resumes a journal, setting its sweep aside where that led to a version that checks held back.
func (r *run) resumeJournal(ctx context.Context, dir string, recipients []journal.Recipient) (*journal.Journal, journal.Report, error) {
	o := journal.ResumeOptions{Now: r.o.Now(), Recipients: recipients, Identities: []*journal.Identity{r.opener}}
	j, report, err := journal.Resume(ctx, dir, o)
	if err != nil || !stale(j.Noted(noteStale)) {
		return j, report, err
	}
	if err := j.Close(); err != nil {
		return nil, report, err
	}
	o.SweepMaxAge = time.Nanosecond
	if j, report, err = journal.Resume(ctx, dir, o); err != nil {
		return nil, report, err
	}
	return j, report, j.Note(ctx, noteStale, false)
}

// noteBroken marks a run whose answers lead to an error again: it is not resumed.
const noteBroken = "broken"

// A resumed run notes its clock, for it is a later one where its sweep was begun anew, and its facts.
const (
	noteClock = "clock"
	noteFacts = "facts"
)

// clockOf is the clock of a journalled run.
func clockOf(j *journal.Journal) time.Time {
	var t time.Time
	if raw, ok := j.Noted(noteClock); ok && json.Unmarshal(raw, &t) == nil {
		return t
	}
	return j.Header().Started
}

// factsOf are the facts of a journalled run.
func factsOf(j *journal.Journal) (f facts, err error) {
	raw, ok := j.Noted(noteFacts)
	if !ok {
		raw = j.Header().Facts
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, fmt.Errorf("journal %s: %w", j.Header().Run, err)
	}
	return f, nil
}

func (r *run) create(want []byte, recipients []journal.Recipient) error {
	r.clock = r.o.Now().UTC().Truncate(time.Microsecond)
	if last := r.prior.clock(); !r.clock.After(last) { // the clock was set back: time goes on all the same
		r.clock = last.Add(time.Microsecond)
	}
	for {
		r.id = runID(r.clock)
		if _, err := os.Lstat(filepath.Join(r.wh.Journal(), r.id)); errors.Is(err, os.ErrNotExist) {
			break
		}
		r.clock = r.clock.Add(time.Microsecond)
	}
	f, err := json.Marshal(r.rules)
	if err != nil {
		return fmt.Errorf("begin a run: %w", err)
	}
	r.journal, err = journal.Create(journalDir(r.wh, r.id), journal.Header{Run: r.id, Started: r.clock, Config: want, Facts: f}, recipients...)
	return err
}

func runID(t time.Time) string {
	return fmt.Sprintf("%s-%06d", t.UTC().Format("20060102-150405"), t.Nanosecond()/1000)
}

// lockOf is the way to take the lock.
func lockOf(wh *publish.Warehouse, breaking bool) func(string, time.Time) (*publish.Lock, error) {
	if breaking {
		return wh.BreakLock
	}
	return wh.Lock
}

// Locked does something that writes to the warehouse, holding its lock; breaking takes it from a process on another host.
func Locked(wh *publish.Warehouse, command string, breaking bool, do func() error) error {
	lock, err := lockOf(wh, breaking)(command, time.Now().UTC())
	if err != nil {
		return err
	}
	return errors.Join(do(), lock.Unlock())
}
