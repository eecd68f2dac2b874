package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/sweep"
	"github.com/rollcall-data/rollcall/transform"
	"github.com/rollcall-data/rollcall/transform/pii"
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

	pii      *pii.Rules        // the run's
	recalled map[string][]byte // of a replay that needs them: the journal's look-ups, by id; nil for who was not there

	columns *byKey[extent]  // by user_id: what the SQL endpoint has beside the list, where it was asked
	filled  map[string]bool // the columns that took values of it

	found  map[string]bool // users who were not seen, but found by id, and stay as they were
	absent map[string]bool // users of the version before whom the certified sweep did not have, nor a look-up by id
}

var rawSeed = maphash.MakeSeed()

// extract sweeps one organization, fetches the models that are due, and asks for the absent by id.
func (r *run) extract(ctx context.Context, t target) (*org, error) {
	o := &org{name: t.name, source: t.source, pii: r.pii, roster: newRoster(r.defaults(t.name), r.spill, r.space), found: map[string]bool{}, absent: map[string]bool{}}
	o.memories, _ = t.source.(rememberer)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fetcher := r.newFetcher(ctx, o)
	err := r.sweep(ctx, o, fetcher)
	if err == nil {
		r.askAged(o, fetcher)
		err = r.askColumns(ctx, t, o)
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
	if err := r.fillColumns(ctx, o); err != nil {
		return nil, err
	}
	return o, r.fetchMemories(ctx, o)
}

// plantSeeds gives users without an answer in this run's journal the models that an older one has.
func (r *run) plantSeeds(o *org) error {
	seeds := r.seeds.of(o.name)
	if seeds == nil {
		return nil
	}
	for user, e := range o.roster.all() {
		s := seeds.find(user)
		if s == nil || s.model.len == 0 || e.listed || o.roster.answers(e).modelState != "" {
			continue
		}
		raw, err := r.seeds.spill.get(s.model)
		if err != nil {
			return err
		}
		if err := o.setModel(r.spill, user, amigo.Model{State: amigo.Fetched, Raw: raw, At: s.time()}); err != nil {
			return err
		}
	}
	return nil
}

// sweep goes over the list and keeps who is seen; models that are due are asked for beside it.
func (r *run) sweep(ctx context.Context, o *org, fetcher *modelFetcher) error {
	if err := r.fetchRoles(ctx, o); err != nil {
		return err
	}
	policy := r.modelPolicy()
	take := func(i sweep.Item) error {
		e, before, err := r.see(o, i)
		if err != nil || e == nil {
			return err
		}
		if why := policy.now(e, before); why != NotNeeded {
			fetcher.add(i.Key, why)
		}
		return nil
	}
	seen, thin := take, newByKey[extent](r.space)
	if _, ok := o.source.(profiler); ok {
		seen = func(i sweep.Item) error {
			if !i.Keyed() {
				return take(i)
			}
			where, err := r.spill.put(i.Raw)
			if err == nil {
				*thin.add(i.Key) = where
			}
			return err
		}
	}
	keys, err := r.walk(ctx, o, seen)
	if err != nil {
		return r.sweepFailed(ctx, err)
	}
	if err := r.complete(ctx, o, thin, take); err != nil {
		return err
	}
	for key, present := range keys {
		if e := o.roster.find(key); e != nil && !present {
			e.unkept = true
		}
	}
	return nil
}

// walk goes over the list, and yields who was seen and whether they count as present.
func (r *run) walk(ctx context.Context, o *org, seen func(sweep.Item) error) (iter.Seq2[string, bool], error) {
	if s, ok := o.source.(sweeper); ok {
		result, err := s.Sweep(ctx, seen)
		if err != nil {
			return nil, err
		}
		o.certificate = result.Certificate
		return result.Keys(), nil
	}
	list, ok := o.source.(pager)
	if !ok {
		return nil, fmt.Errorf("the source of %s has no list", o.name)
	}
	options := sweep.Options{
		Limit: r.cfg.PageSize, Dialect: dialect(r.cfg.Paging), SortKeyImmutable: r.rules.SortKeyImmutable, AllowEmpty: r.rules.AllowEmpty,
		Seen: seen, Lookup: r.lookup(o), Hooks: r.sweepHooks(o.name), Smaller: r.smaller, Space: r.space,
	}
	if _, thin := o.source.(profiler); thin { // who is found by id need not be in the list
		options.Dialect, options.Lookup = sweep.Offset, nil
	}
	result, err := sweep.Run(ctx, list, options)
	if err != nil {
		return nil, err
	}
	o.certificate = result.Certificate
	return result.Keys(), nil
}

// smaller tells of the error of a page whether fewer users may be had. What was too large to be taken is in no journal.
func (r *run) smaller(err error) bool {
	var large *extract.TooLargeError
	return errors.As(err, &large) || r.offline && errors.Is(err, extract.ErrNotRecorded)
}

// profileBatch users' profiles are held at once.
const profileBatch = 1000

// complete merges thin items with their users' profiles. Someone whose profile is not to be had stays as the
// version before has them; whom it has not, has a record of the item alone.
func (r *run) complete(ctx context.Context, o *org, thin *byKey[extent], take func(sweep.Item) error) error {
	p, ok := o.source.(profiler)
	if !ok {
		return nil
	}
	done, all := 0, thin.sorted()
	for numbers := range slices.Chunk(all, profileBatch) {
		batch := make([]string, len(numbers))
		for i, n := range numbers {
			batch[i] = thin.keys.Key(int(n))
		}
		profiles, err := p.Profiles(ctx, batch)
		if err != nil {
			return err
		}
		for _, key := range batch {
			if profiles[key] == nil && r.prior.has(identity{o.name, key}) { // what is not fetched is not NULL
				o.found[key] = true
				continue
			}
			item, err := r.spill.get(*thin.find(key))
			if err != nil {
				return err
			}
			record, err := p.Merge(item, profiles[key])
			if err != nil {
				return err
			}
			if err := take(sweep.Item{Key: key, Raw: record}); err != nil {
				return err
			}
		}
		done += len(batch)
		r.progress("profiles", int64(done), int64(len(all)))
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

// see takes in one sighting of a row and returns the user's entry, with what the version before has of the user. It is nil for a sighting that tells
// nothing new, for a row without an identity, and for a user who is to stay forgotten.
func (r *run) see(o *org, i sweep.Item) (e *entry, before transform.PriorUser, err error) {
	if r.offline && erased(i) || r.suppressed(identity{o.name, i.Key}) {
		return nil, before, nil
	}
	if !i.Keyed() {
		o.roster.rows[i.Key] = r.pii.Record(i.Raw)
		return nil, before, nil
	}
	raw := maphash.Bytes(rawSeed, i.Raw)
	o.mu.Lock()
	e = o.roster.find(i.Key)
	o.mu.Unlock()
	if e != nil && e.raw == raw {
		return nil, before, nil
	}
	i.Raw = r.pii.Record(i.Raw)
	before, known := r.prior.find(identity{o.name, i.Key})
	user, now, outline, ok := r.read(o, i, before, known)
	if !ok { // a user_id that no text can hold
		o.roster.rows[i.Key] = i.Raw
		return nil, before, nil
	}
	where, err := r.spill.put(outline.Append(nil), i.Raw)
	if err != nil {
		return nil, before, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if e == nil {
		e = o.roster.add(user)
	}
	e.item, e.raw, e.reused = where, raw, now.reused
	e.itemHash, e.extras, e.stats, e.listed = now.itemHash, now.extras, now.stats, now.listed
	if e.listed {
		e.modelsHash = now.modelsHash
	}
	return e, before, nil
}

// read says whose an item is and what it is like. One that has not changed by a byte since the version before, if that has the user, was made from it is
// not taken apart again.
func (r *run) read(o *org, i sweep.Item, before transform.PriorUser, known bool) (user string, now entry, outline transform.Outline, ok bool) {
	if known && r.reuses && before.Digest == o.roster.defaults.Digest(i.Raw) {
		now.reused, now.itemHash, now.modelsHash, now.extras = true, before.ItemHash, before.ModelsHash, before.ExtrasHash
		if now.listed = before.State == transform.Listed; !now.listed {
			now.stats = transform.StatsOf(i.Raw)
		}
		return before.UserID, now, transform.Outline{Digest: before.Digest}, true
	}
	row, outline, _, ok := transform.Outlined(i.Raw, o.roster.defaults)
	if !ok {
		return "", now, outline, false
	}
	r.prefs.Learn(row.Preferences)
	now.itemHash, now.modelsHash, now.extras = row.ItemHash, row.ModelsHash, row.ExtrasHash
	if now.listed = row.State == transform.Listed; !now.listed {
		now.stats = row.Extras.StatsSum()
	}
	return row.UserID, now, outline, true
}

func (r *run) fetchRoles(ctx context.Context, o *org) error {
	lister, ok := o.source.(roleLister)
	if !ok {
		return nil
	}
	raws, err := lister.Roles(ctx)
	if errors.Is(err, amigo.ErrForbidden) {
		r.o.Log.Warn().Str("org", o.name).Msg("no permission for the roles: role_name will be NULL")
		return nil
	}
	if errors.Is(err, amigo.ErrGone) { // if it is the organization that is unknown, the list says so
		r.o.Log.Warn().Str("org", o.name).Msg("the API has no list of roles: role_name will be NULL")
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
	for user, e := range o.roster.inOrder() {
		before, known := r.prior.find(identity{o.name, user})
		if !known || e.listed {
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
	before := r.prior.scope(o.name)
	for n := range before.users.Len() {
		id := before.ids.Key(n)
		switch e := o.roster.find(id); {
		case e == nil:
			ask = append(ask, id)
		case e.unkept: // the sweep asked already
			o.absent[id] = true
		}
	}
	for from := 0; from < len(ask); from += lookupBatch {
		batch := ask[from:min(from+lookupBatch, len(ask))]
		items, err := r.lookup(o)(ctx, batch)
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
			delete(o.absent, i.Key)
			if _, thin := o.source.(profiler); thin { // what a look-up returns is no list item: the user stays as the version before has them
				o.found[i.Key] = true
			} else if _, _, err := r.see(o, i); err != nil {
				return err
			}
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
