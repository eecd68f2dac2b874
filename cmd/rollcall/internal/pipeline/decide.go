package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/extract/mapped"
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
	org    *org                // nil where the organization was not asked
	entry  *entry              // nil where the user was not seen
	known  bool                // the version before had the user
	before transform.PriorUser // what it had

	packed *packedDecision
}

// trait is what more there is to say about a decision.
type trait uint8

const (
	held trait = 1 << iota // models that are forbidden now stay as they were

	// Where the version before is amended: the user's rows are written anew, but for those flattened from what did not change.
	touched
	sameModels
	sameExtra
)

func (x *decision) is(t trait) bool { return x.packed.traits&t != 0 }

func (x *decision) mark(t trait) { x.packed.traits |= t }

// there are the tables whose rows of a touched user stay.
func (x *decision) there() []string {
	var tables []string
	if x.is(sameModels) {
		tables = append(tables, modelTables...)
	}
	if x.is(sameExtra) {
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

// decisions are the verdicts on all users.
type decisions struct {
	scopes  []decidedScope
	list    mapped.List[packedDecision] // in the order of the tables
	dirty   bool                        // the tables are not what they were
	summary Summary
}

// decidedScope is an organization that decisions are about.
type decidedScope struct {
	org    *org // nil where it was not asked
	before *priorScope
}

// packedDecision is a decision without a pointer: one is kept for each user.
type packedDecision struct {
	entry, before int32 // numbers in the scope's roster, and in what the version before had of it; -1: none
	scope         uint32
	what          verdict
	traits        trait
}

// each yields the decisions in the order of the tables. What it yields is good until the next; only traits can be changed.
func (d *decisions) each() iter.Seq[*decision] {
	return func(yield func(*decision) bool) {
		var x decision
		for i := range d.list.Len() {
			d.unpack(d.list.At(i), &x)
			if !yield(&x) {
				return
			}
		}
	}
}

func (d *decisions) unpack(p *packedDecision, x *decision) {
	s := d.scopes[p.scope]
	*x = decision{what: p.what, org: s.org, known: p.before >= 0, packed: p}
	if x.known {
		x.before = s.before.user(int(p.before))
		x.id.user = x.before.UserID
	}
	if p.entry >= 0 {
		x.entry = s.org.roster.values.At(int(p.entry))
	}
	if !x.known {
		x.id.user = s.org.roster.keys.Key(int(p.entry))
	}
	x.id.scope = s.before.name
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
	d.list.In(r.space)
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
	for x := range d.each() {
		r.count(d, x, sum)
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
	for _, s := range r.prior.scopes {
		all[s.name] = true
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
	before := r.prior.scope(o.name).users.Len()
	if !r.tooMany(len(o.absent), before) {
		return false
	}
	d.summary.Certificate.Reasons = append(d.summary.Certificate.Reasons, fmt.Sprintf(
		"%s: %d of %d users are gone from the list and not found by id; more than %g %% are held, for a lost permission looks the same (--accept-deletes lets them go)",
		o.name, len(o.absent), before, r.rules.MaxDeletePercent))
	return true
}

// decideScope goes through the users seen and those of the version before side by side.
func (r *run) decideScope(d *decisions, scope string, hold bool) {
	s := decidedScope{r.orgOf(scope), r.prior.scope(scope)}
	d.scopes = append(d.scopes, s)
	var seen []uint32
	if s.org != nil {
		seen = s.org.roster.there()
	}
	n, before := 0, s.before.users.Len()
	for len(seen) > 0 || n < before {
		p := packedDecision{entry: -1, before: -1, scope: uint32(len(d.scopes) - 1)}
		var order int
		switch {
		case n == before:
			order = -1
		case len(seen) == 0:
			order = 1
		default:
			order = strings.Compare(s.org.roster.keys.Key(int(seen[0])), s.before.ids.Key(n))
		}
		if order <= 0 {
			p.entry, seen = int32(seen[0]), seen[1:]
		}
		if order >= 0 {
			p.before, n = int32(n), n+1
		}
		var x decision
		d.unpack(&p, &x)
		if x.entry != nil {
			p.what = r.judge(&x)
		} else {
			p.what = r.absent(d, &x, hold)
		}
		d.list.Add(p)
	}
}

func (r *run) absent(d *decisions, x *decision, hold bool) verdict {
	switch {
	case x.org == nil || x.org.found[x.id.user]: // not asked, or there after all
	case !hold && x.org.absent[x.id.user]:
		return deleted
	default:
		d.summary.DeletesHeld++
	}
	return kept
}

func (r *run) judge(x *decision) verdict {
	switch {
	case !x.known && r.prior.lost(x.id):
		return returned
	case !x.known:
		return added
	case x.entry.itemHash != x.before.ItemHash:
		return changed
	case x.models().hash == x.before.ModelsHash:
		return same
	case x.before.ModelsHash == noModels && x.before.State != transform.Fetched && x.before.State != transform.Listed:
		return enriched
	}
	return changed
}

// models says where a seen user's models come from: the item, an answer of this run, or the version before.
func (x *decision) models() resolved {
	e, before := x.entry, &x.before
	came := x.org.roster.answers(e)
	switch {
	case e.listed:
		return resolved{from: inItem, state: transform.Listed, hash: e.modelsHash}
	case came.modelState == transform.Fetched:
		return resolved{from: inAnswer, state: transform.Fetched, hash: e.modelsHash, at: came.modelAt, stats: e.stats}
	case came.modelState == transform.Forbidden && !x.known:
		return resolved{state: transform.Forbidden, hash: noModels, stats: e.stats}
	case !x.known:
		return resolved{state: transform.Pending, hash: noModels}
	}
	out := resolved{from: inPrior, state: before.State, hash: before.ModelsHash, at: before.ModelsAt, stats: before.StatsAtLast}
	switch {
	case x.is(held):
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
	for x := range d.each() {
		if x.entry != nil {
			users[x.org]++
			if x.models().newlyOff {
				newly[x.org]++
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
		for x := range d.each() {
			if x.org == o && x.entry != nil && x.models().newlyOff {
				x.mark(held)
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
	if x.what != same || models.from == inAnswer || x.org.roster.answers(x.entry).remembered || x.entry.extras != x.before.ExtrasHash || models.state != x.before.State ||
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

// any tells whether there is such a verdict.
func (d *decisions) any(what verdict) bool {
	for i := range d.list.Len() {
		if d.list.At(i).what == what {
			return true
		}
	}
	return false
}
