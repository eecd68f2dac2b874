package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// verdict is what became of a user in this run.
type verdict uint8

const (
	same     verdict = iota // seen; none of the twelve columns changed
	added                   // never seen before
	returned                // was deleted, and is back
	changed                 // seen; some of the twelve columns changed
	enriched                // seen; context and models came for the first time, nothing else changed
	kept                    // not seen, but nothing proves that the user is gone, or the deletion is held
	deleted                 // gone
)

// decision is the verdict on one user.
type decision struct {
	id     identity
	what   verdict
	org    *org                   // nil where the organization was not asked
	entry  *entry                 // nil where the user was not seen
	before *transform.Bookkeeping // nil where the version before did not have the user
	held   bool                   // models that are forbidden now stay as they were

	// Where the version before is amended: the user's rows are written anew, but for those flattened from what did not change.
	touched               bool
	sameModels, sameExtra bool
}

// there are the tables whose rows of a touched user stay.
func (x *decision) there() []string {
	var tables []string
	if x.sameModels {
		tables = append(tables, modelTables...)
	}
	if x.sameExtra {
		tables = append(tables, schema.NameVariables)
	}
	return tables
}

// resolved says how a seen user's models are known after this run.
type resolved struct {
	from     modelsFrom
	state    transform.ModelsState
	hash     transform.Hash
	at       transform.Micros
	stats    transform.StatsHash
	newlyOff bool // forbidden now, and fetched before
}

// modelsFrom is where the content of context and models is.
type modelsFrom uint8

const (
	nowhere modelsFrom = iota // both are NULL
	inItem
	inAnswer
	inPrior
)

// decisions are the verdicts on all users, in the order of the tables.
type decisions struct {
	list    []decision
	dirty   bool // the tables are not what they were
	summary Summary
}

// noModels is the hash of NULL context and NULL models.
var noModels = func() transform.Hash {
	var r transform.Row
	r.SetModels(nil, nil)
	return r.ModelsHash
}()

// decide compares what was seen with the version before.
func (r *run) decide(ctx context.Context) (*decisions, error) {
	d := &decisions{dirty: !r.prior.exists}
	d.summary = Summary{
		RunID: r.id, Command: r.o.Command, StartedAt: stamp(r.clock), Source: string(r.cfg.Source), Orgs: r.cfg.Orgs,
		Certificate: Certificate{As: r.as, Reasons: []string{}},
	}
	held := map[string]bool{}
	for _, o := range r.orgs {
		r.certify(d, o)
		if r.holdsDeletes(d, o) {
			held[o.name] = true
		}
	}
	for _, scope := range r.scopes() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.decideScope(d, scope, held[scope])
	}
	r.holdModels(d)
	sum := sha256.New()
	for i := range d.list {
		r.count(d, &d.list[i], sum)
	}
	d.summary.Certificate.UsersSHA256 = hex.EncodeToString(sum.Sum(nil))
	r.quarantine(d)
	d.dirty = d.dirty || r.rolesChanged() || r.prior.hasMemories != r.rules.Memories
	d.settle()
	return d, nil
}

func (r *run) orgOf(scope string) *org {
	for _, o := range r.orgs {
		if o.name == scope {
			return o
		}
	}
	return nil
}

// scopes are the organizations asked and those that the version before has, in order.
func (r *run) scopes() []string {
	all := map[string]bool{}
	for _, o := range r.orgs {
		all[o.name] = true
	}
	for i := range r.prior.rows {
		all[r.prior.rows[i].Scope] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// certify adds an organization's certificate to the run's.
func (r *run) certify(d *decisions, o *org) {
	c := &d.summary.Certificate
	c.Certified = o.certificate.Certified && (c.Certified || len(c.Orgs) == 0)
	c.Orgs = append(c.Orgs, OrgCertificate{Org: o.name, Certificate: o.certificate})
	for _, reason := range o.certificate.Reasons {
		c.Reasons = append(c.Reasons, o.name+": "+reason)
	}
	switch {
	case !c.Certified:
		c.Proof = ""
	case c.Proof == "" || c.Proof == o.certificate.Proof:
		c.Proof = o.certificate.Proof
	default:
		c.Proof = "mixed"
	}
	d.summary.Sweeps += o.certificate.Sweeps
	d.summary.Shifts += o.certificate.Shifts
}

// tooMany tells whether n of all are more than may go at once. A single one never is.
func (r *run) tooMany(n, all int) bool {
	f := r.rules
	return n > 1 && !f.AcceptDeletes && float64(n)*100 > f.MaxDeletePercent*float64(all)
}

// holdsDeletes tells whether an organization's deletions are held for their number.
func (r *run) holdsDeletes(d *decisions, o *org) bool {
	before := r.prior.usersOf(o.name)
	if !r.tooMany(len(o.absent), before) {
		return false
	}
	d.summary.Certificate.Reasons = append(d.summary.Certificate.Reasons, fmt.Sprintf(
		"%s: %d of %d users are gone from the list and not found by id; more than %g %% are held, for a lost permission looks the same (--accept-deletes lets them go)",
		o.name, len(o.absent), before, r.rules.MaxDeletePercent))
	return true
}

func (r *run) decideScope(d *decisions, scope string, hold bool) {
	o := r.orgOf(scope)
	var seen []string
	if o != nil {
		seen = o.roster.keys()
	}
	before := r.prior.scope(scope)
	for len(seen) > 0 || len(before) > 0 {
		switch {
		case len(before) == 0 || (len(seen) > 0 && seen[0] < before[0].UserID):
			d.list = append(d.list, r.judge(scope, seen[0], o, nil))
			seen = seen[1:]
		case len(seen) == 0 || before[0].UserID < seen[0]:
			d.list = append(d.list, r.absent(d, scope, o, &before[0], hold))
			before = before[1:]
		default:
			d.list = append(d.list, r.judge(scope, seen[0], o, &before[0]))
			seen, before = seen[1:], before[1:]
		}
	}
}

// scope is the part of the rows that one organization has; the tables are ordered by it.
func (p *prior) scope(name string) []transform.Bookkeeping {
	find := func(at func(a, b string) bool) int {
		n, _ := slices.BinarySearchFunc(p.rows, name, func(row transform.Bookkeeping, name string) int {
			if at(row.Scope, name) {
				return -1
			}
			return 1
		})
		return n
	}
	from := find(func(a, b string) bool { return a < b })
	to := find(func(a, b string) bool { return a <= b })
	return p.rows[from:to]
}

func (r *run) absent(d *decisions, scope string, o *org, before *transform.Bookkeeping, hold bool) decision {
	out := decision{id: identity{scope, before.UserID}, what: kept, org: o, before: before}
	switch {
	case o == nil || o.found[before.UserID]: // not asked, or there after all
	case !hold && o.absent[before.UserID]:
		out.what = deleted
	default:
		d.summary.DeletesHeld++
	}
	return out
}

func (r *run) judge(scope, user string, o *org, before *transform.Bookkeeping) decision {
	e := o.roster.index[user]
	out := decision{id: identity{scope, user}, org: o, entry: e, before: before}
	switch {
	case before == nil && r.prior.deleted[out.id]:
		out.what = returned
	case before == nil:
		out.what = added
	case e.itemHash != before.ItemHash:
		out.what = changed
	case out.models().hash == before.ModelsHash:
		out.what = same
	case before.ModelsHash == noModels && before.State != transform.Fetched && before.State != transform.Listed:
		out.what = enriched
	default:
		out.what = changed
	}
	return out
}

// models says where a seen user's models come from: the item, an answer of this run, or the version before.
func (x *decision) models() resolved {
	e, before := x.entry, x.before
	came := e.answers()
	switch {
	case e.listed:
		return resolved{from: inItem, state: transform.Listed, hash: e.modelsHash}
	case came.modelState == transform.Fetched:
		return resolved{from: inAnswer, state: transform.Fetched, hash: e.modelsHash, at: came.modelAt, stats: e.stats}
	case came.modelState == transform.Forbidden && before == nil:
		return resolved{state: transform.Forbidden, hash: noModels, stats: e.stats}
	case before == nil:
		return resolved{state: transform.Pending, hash: noModels}
	}
	out := resolved{from: inPrior, state: before.State, hash: before.ModelsHash, at: before.ModelsAt, stats: before.StatsAtLast}
	switch {
	case x.held:
	case came.modelState == transform.Forbidden:
		out.newlyOff = before.State == transform.Fetched
		out.state, out.stats = transform.Forbidden, e.stats
	case before.State == transform.Listed: // the list carries them no more
		out.state = transform.Pending
	}
	return out
}

// holdModels keeps users whose models were forbidden in this run as they were where they are too many of an organization at once: a
// permission was lost.
func (r *run) holdModels(d *decisions) {
	newly, users := map[*org]int{}, map[*org]int{}
	for i := range d.list {
		if d.list[i].entry != nil {
			users[d.list[i].org]++
			if d.list[i].models().newlyOff {
				newly[d.list[i].org]++
			}
		}
	}
	for _, o := range r.orgs {
		if !r.tooMany(newly[o], users[o]) {
			continue
		}
		d.summary.Models.Held += int64(newly[o])
		d.summary.DeletesHeld += int64(newly[o])
		d.summary.Certificate.Reasons = append(d.summary.Certificate.Reasons,
			fmt.Sprintf("%s: the models of %d of %d users are forbidden now; more than %g %% are held as they were", o.name, newly[o], users[o], r.rules.MaxDeletePercent))
		for i := range d.list {
			if x := &d.list[i]; x.org == o && x.entry != nil && x.models().newlyOff {
				x.held = true
			}
		}
	}
}

// count adds a user to the summary and, if live, to the hash of all users.
func (r *run) count(d *decisions, x *decision, sum hash.Hash) {
	s := &d.summary
	switch x.what {
	case added:
		s.Added++
	case returned:
		s.Added++
		s.Returned++
	case changed:
		s.Changed++
	case enriched:
		s.Enriched++
	case deleted:
		s.Deleted++
		d.dirty = true
		return
	}
	s.Users++
	if x.entry == nil {
		sum.Write(x.before.ItemHash[:])
		sum.Write(x.before.ModelsHash[:])
		r.countModels(s, x.before.State, x.before.ModelsAt, false)
		return
	}
	sum.Write(x.entry.itemHash[:])
	models := x.models()
	sum.Write(models.hash[:])
	r.countModels(s, models.state, models.at, models.from == inAnswer)
	if x.what != same || models.from == inAnswer || x.entry.answers().remembered || x.entry.extras != x.before.ExtrasHash || models.state != x.before.State ||
		models.stats != x.before.StatsAtLast {
		d.dirty = true
	}
}

func (r *run) countModels(s *Summary, state transform.ModelsState, at transform.Micros, now bool) {
	m := &s.Models
	switch {
	case now:
		m.Fetched++
	case state == transform.Fetched:
		m.Reused++
	case state == transform.Listed:
		m.Listed++
	case state == transform.Forbidden:
		m.Forbidden++
	default:
		m.Pending++
	}
	if at.Valid {
		m.OldestAgeSeconds = max(m.OldestAgeSeconds, (r.clock.UnixMicro()-at.At)/1_000_000)
	}
}

// quarantine counts the rows without an identity, and tells whether they are those of the version before.
func (r *run) quarantine(d *decisions) {
	var raws []string
	for _, o := range r.orgs {
		for _, raw := range o.roster.rows {
			raws = append(raws, rawjson.Printable(raw))
		}
	}
	slices.Sort(raws)
	d.summary.QuarantinedRows = int64(len(raws))
	d.summary.QuarantinedCells = r.prior.issueCells
	d.dirty = d.dirty || !slices.Equal(raws, r.prior.issueRows)
}

func (r *run) rolesChanged() bool {
	var now []transform.Role
	for _, o := range r.orgs {
		if !o.rolesKnown {
			return false
		}
		now = append(now, o.roles...)
	}
	asked := func(x transform.Role) bool { return r.orgOf(x.Org.String) != nil }
	before := slices.DeleteFunc(slices.Clone(r.prior.roles), func(x transform.Role) bool { return !asked(x) })
	order := func(a, b transform.Role) int {
		return cmp.Or(cmp.Compare(a.Org.String, b.Org.String), cmp.Compare(a.ID.String, b.ID.String))
	}
	slices.SortStableFunc(now, order)
	slices.SortStableFunc(before, order)
	return !slices.Equal(now, before)
}

// settle sets the status by the sweep and the deletions.
func (d *decisions) settle() {
	s := &d.summary
	switch {
	case !s.Certificate.Certified:
		s.Status = Uncertified
	case s.DeletesHeld > 0:
		s.Status = Held
	case d.dirty:
		s.Status = Certified
	default:
		s.Status = Unchanged
	}
}
