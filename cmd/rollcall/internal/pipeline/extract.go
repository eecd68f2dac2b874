package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/sweep"
	"github.com/rollcall-data/rollcall/transform"
)

// org is what a run has of one organization.
type org struct {
	name        string
	source      source
	certificate sweep.Certificate
	memories    rememberer // nil: the source has none
	roles       []transform.Role
	rolesKnown  bool

	mu     sync.Mutex // guards the roster while models are fetched beside the sweep
	roster *roster

	absent map[string]bool // users of the version before whom the certified sweep did not have, nor a look-up by id
}

var rawSeed = maphash.MakeSeed()

// extract sweeps one organization, fetches the models that are due, and asks for the absent by id.
func (r *run) extract(ctx context.Context, t target) (*org, error) {
	o := &org{name: t.name, source: t.source, roster: newRoster(r.defaults(t.name), r.spill), absent: map[string]bool{}}
	o.memories, _ = t.source.(rememberer)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fetcher := r.newFetcher(ctx, o)
	err := r.sweep(ctx, o, fetcher)
	if err == nil {
		r.askAged(o, fetcher)
	}
	err = errors.Join(err, fetcher.finish(err != nil))
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if err := r.plantSeeds(o); err != nil {
		return nil, err
	}
	if err := r.lookUpAbsent(ctx, o); err != nil {
		return nil, err
	}
	return o, r.fetchMemories(ctx, o)
}

// plantSeeds gives users without an answer in this run's journal the models that an older one has.
func (r *run) plantSeeds(o *org) error {
	for user, e := range o.roster.index {
		s, ok := r.seeds[identity{o.name, user}]
		if !ok || e.listed || e.modelState != "" {
			continue
		}
		if err := o.setModel(r.spill, user, amigo.Model{State: amigo.Fetched, Raw: s.raw, At: s.at}); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) sweep(ctx context.Context, o *org, fetcher *modelFetcher) error {
	if err := r.fetchRoles(ctx, o); err != nil {
		return err
	}
	policy := r.modelPolicy()
	f := r.rules
	before := int64(r.prior.usersOf(o.name))
	result, err := sweep.Run(ctx, o.source, sweep.Options{
		Limit: r.cfg.PageSize, Dialect: dialect(r.cfg.Paging), SortKeyImmutable: f.SortKeyImmutable, AllowEmpty: f.AllowEmpty,
		Seen: func(i sweep.Item) error {
			e, err := r.see(o, i)
			if err != nil || e == nil {
				return err
			}
			if why := policy.now(e, r.prior.find(identity{o.name, i.Key})); why != NotNeeded {
				fetcher.add(i.Key, why)
			}
			return nil
		},
		Lookup: o.source.Lookup,
		Hooks: sweep.Hooks{
			OnPage: func(_, _, users int) { r.progress("sweep", int64(users), before) },
			OnPass: func(p sweep.PassReport) {
				r.o.Log.Info().Str("org", o.name).Int("pass", p.Pass).Int("pages", p.Pages).Int("users", p.Users).Int("shifts", p.Shifts).Msg("pass over the list")
			},
		},
	})
	if err != nil {
		return r.sweepFailed(ctx, err)
	}
	o.certificate = result.Certificate
	for key, present := range result.Keys() {
		if e := o.roster.index[key]; e != nil && !present {
			e.unkept = true
		}
	}
	return nil
}

// sweepFailed marks a run whose answers contradict each other: resuming it would only lead here again.
func (r *run) sweepFailed(ctx context.Context, err error) error {
	var loop *sweep.LoopError
	var stuck *sweep.StuckError
	var empty *sweep.EmptyPagesError
	var cursor *sweep.CursorError
	if !r.offline && (errors.As(err, &loop) || errors.As(err, &stuck) || errors.As(err, &empty) || errors.As(err, &cursor)) {
		return errors.Join(err, r.journal.Note(ctx, noteBroken, true))
	}
	return err
}

// see takes in one sighting of a row and returns the user's entry, nil for a row without an identity.
func (r *run) see(o *org, i sweep.Item) (*entry, error) {
	if !i.Keyed() {
		o.roster.rows[i.Key] = i.Raw
		return nil, nil
	}
	raw := maphash.Bytes(rawSeed, i.Raw)
	o.mu.Lock()
	e := o.roster.index[i.Key]
	o.mu.Unlock()
	if e != nil && e.raw == raw {
		return e, nil
	}
	row, _, ok := transform.Decode(i.Raw, o.roster.defaults)
	if !ok { // a user_id that no text can hold
		o.roster.rows[i.Key] = i.Raw
		return nil, nil
	}
	where, err := r.spill.put(i.Raw)
	if err != nil {
		return nil, err
	}
	r.prefs.Learn(row.Preferences)
	o.mu.Lock()
	defer o.mu.Unlock()
	if e == nil {
		e = &entry{}
		o.roster.index[row.UserID] = e
	}
	e.item, e.raw, e.itemHash, e.extras, e.stats = where, raw, row.ItemHash, row.ExtrasHash, row.Extras.StatsSum()
	e.listed = row.State == transform.Listed
	if e.listed {
		e.modelsHash = row.ModelsHash
	}
	return e, nil
}

func (r *run) fetchRoles(ctx context.Context, o *org) error {
	raws, err := o.source.Roles(ctx)
	if errors.Is(err, amigo.ErrForbidden) {
		r.o.Log.Warn().Str("org", o.name).Msg("no permission for the roles: role_name will be NULL")
		return nil
	}
	if err != nil {
		return err
	}
	o.rolesKnown = true
	for _, raw := range raws {
		if role, ok := transform.ParseRole(raw, o.roster.defaults.Org); ok {
			o.roles = append(o.roles, role)
		}
	}
	return nil
}

func (r *run) modelPolicy() modelPolicy {
	p := modelPolicy{mode: r.cfg.Models, clock: r.clock, maxAge: r.cfg.ModelMaxAge}
	if r.o.Command == Backfill || r.offline { // offline: whatever was asked for is in the journal
		p.mode = "all"
	}
	if last := r.prior.clock(); !last.IsZero() {
		p.interval = max(0, r.clock.Sub(last))
	}
	return p
}

// askAged queues those whose turn it is, now that everybody is known.
func (r *run) askAged(o *org, fetcher *modelFetcher) {
	policy := r.modelPolicy()
	if policy.mode != "auto" {
		return
	}
	var fetched []candidate
	for _, user := range o.roster.keys() {
		before := r.prior.find(identity{o.name, user})
		if before == nil || o.roster.index[user].listed {
			continue
		}
		switch {
		case before.State == transform.Forbidden && policy.forbiddenDue(user):
			fetcher.add(user, GrownOld)
		case before.State == transform.Fetched:
			fetched = append(fetched, candidate{user, before.ModelsAt.At})
		}
	}
	for _, c := range policy.aged(fetched) {
		fetcher.add(c.user, GrownOld)
	}
}

// lookupBatch users are asked for in one request.
const lookupBatch = 100

// lookUpAbsent asks by id for the users of the version before whom a certified sweep did not have. Those who are there after all are kept
// as they are now.
func (r *run) lookUpAbsent(ctx context.Context, o *org) error {
	if !o.certificate.Certified {
		return nil
	}
	var ask []string
	for i := range r.prior.rows {
		p := &r.prior.rows[i]
		if p.Scope != o.name {
			continue
		}
		switch e := o.roster.index[p.UserID]; {
		case e == nil:
			ask = append(ask, p.UserID)
		case e.unkept: // the sweep asked already
			o.absent[p.UserID] = true
		}
	}
	for from := 0; from < len(ask); from += lookupBatch {
		batch := ask[from:min(from+lookupBatch, len(ask))]
		items, err := o.source.Lookup(ctx, batch)
		if errors.Is(err, extract.ErrNotRecorded) {
			return fmt.Errorf("the journal lacks a look-up: %w", err)
		}
		if err != nil {
			return err
		}
		for _, id := range batch {
			o.absent[id] = true
		}
		for _, i := range items {
			if _, err := r.see(o, i); err != nil {
				return err
			}
			delete(o.absent, i.Key)
		}
		r.progress("look-ups", int64(from+len(batch)), int64(len(ask)))
	}
	return nil
}

func (r *run) progress(phase string, done, total int64) {
	if r.o.OnProgress != nil {
		r.o.OnProgress(Progress{Phase: phase, Done: done, Total: total})
	}
}

func (r *run) waiting(d time.Duration) {
	if r.o.OnProgress != nil {
		r.o.OnProgress(Progress{Waiting: d})
	}
}
