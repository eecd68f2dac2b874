package pipeline

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/extract/keyset"
	"github.com/rollcall-data/rollcall/extract/mapped"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// identity is a user's: the scope asked and the user_id in it.
type identity struct{ scope, user string }

// prior is what a run must know of the version before. The zero value is no version.
type prior struct {
	version publish.Version
	exists  bool
	scopes  []*priorScope          // in the order of the tables: bytewise
	deleted map[string]*keyset.Set // of each scope
	prefs   []transform.PriorColumn
	roles   []transform.Role
	columns map[[2]string]priorColumn // of _columns, by table and column

	issueRows  []string                       // raw rows without an identity, sorted
	issueCells int64                          // quarantined cells
	issues     map[identity][]transform.Issue // cells that cannot be found again in what the tables have
	barred     bool                           // preferences were kept out of learned columns, as only a contract does

	hasMemories bool // there is a table user_memories

	shared map[string]string // texts that many users share
}

// priorScope are the live users of one organization. There may be millions: what there is of each is in a space, and holds no pointer.
type priorScope struct {
	name  string
	ids   keyset.Set              // numbered in the order of the tables: bytewise
	users mapped.List[packedUser] // by their number
	texts []string                // that many users share
	known map[string]uint32       // the places of texts
}

// packedUser is a transform.PriorUser but for its identity.
type packedUser struct {
	itemHash, modelsHash, digest transform.Hash
	extras                       int64
	modelsAt                     transform.Micros
	stats                        transform.StatsHash
	orgValid                     bool
	org, state                   uint32 // places in texts
}

func (s *priorScope) add(u transform.PriorUser) {
	s.ids.Add(u.UserID)
	s.users.Add(packedUser{
		itemHash: u.ItemHash, modelsHash: u.ModelsHash, digest: u.Digest, extras: u.ExtrasHash, modelsAt: u.ModelsAt, stats: u.StatsAtLast,
		org: s.place(u.Org.String), orgValid: u.Org.Valid, state: s.place(string(u.State)),
	})
}

// place is that of a text in texts.
func (s *priorScope) place(text string) uint32 {
	at, ok := s.known[text]
	if !ok {
		at, text = uint32(len(s.texts)), strings.Clone(text)
		s.texts, s.known[text] = append(s.texts, text), at
	}
	return at
}

// user is the nth user.
func (s *priorScope) user(n int) transform.PriorUser { return s.named(n, s.ids.Key(n)) }

// named is the nth user, whose id is at hand.
func (s *priorScope) named(n int, id string) transform.PriorUser {
	u := s.users.At(n)
	return transform.PriorUser{
		Scope: s.name, UserID: id, Org: transform.Text{String: s.texts[u.org], Valid: u.orgValid},
		State: transform.ModelsState(s.texts[u.state]), ModelsAt: u.modelsAt, StatsAtLast: u.stats,
		ItemHash: u.itemHash, ModelsHash: u.modelsHash, Digest: u.digest, ExtrasHash: u.extras,
	}
}

// all are the users, in order.
func (s *priorScope) all() iter.Seq[transform.PriorUser] {
	return func(yield func(transform.PriorUser) bool) {
		for n := range s.users.Len() {
			if !yield(s.user(n)) {
				return
			}
		}
	}
}

// scope are an organization's users; none where it has none.
func (p *prior) scope(name string) *priorScope {
	i, ok := slices.BinarySearchFunc(p.scopes, name, func(s *priorScope, name string) int { return strings.Compare(s.name, name) })
	if !ok {
		return &priorScope{name: name}
	}
	return p.scopes[i]
}

// find is what is known of a user of the version before; false where there is none.
func (p *prior) find(id identity) (transform.PriorUser, bool) {
	s := p.scope(id.scope)
	n := s.ids.Find(id.user)
	if n < 0 {
		return transform.PriorUser{}, false
	}
	return s.named(n, id.user), true
}

func (p *prior) has(id identity) bool { return p.scope(id.scope).ids.Find(id.user) >= 0 }

// lost tells whether a user of another version was deleted since, and is not back.
func (p *prior) lost(id identity) bool {
	s := p.deleted[id.scope]
	return s != nil && s.Find(id.user) >= 0
}

// newPriorScope makes one whose users are kept in a space, if there is one.
func newPriorScope(name string, space *mapped.Space) *priorScope {
	s := &priorScope{name: name, known: map[string]uint32{}}
	s.ids.In(space)
	s.users.In(space)
	return s
}

// loadPrior reads what a run must know of a version. In the space, if there is one, is what it knows of each user.
func loadPrior(ctx context.Context, v publish.Version, space *mapped.Space, mem memory.Allocator) (*prior, error) {
	p := &prior{version: v, exists: true, hasMemories: v.Has(schema.NameMemories), deleted: map[string]*keyset.Set{}, columns: map[[2]string]priorColumn{}, issues: map[identity][]transform.Issue{}, shared: map[string]string{}}
	err := eachBatch(ctx, v, mem, schema.NameUsersFlat, transform.PriorUserColumns, func(c transform.Columns) error {
		for i := range c.Rows() {
			u := transform.PriorUserAt(c, i)
			if n := len(p.scopes); n == 0 || p.scopes[n-1].name != u.Scope {
				p.scopes = append(p.scopes, newPriorScope(strings.Clone(u.Scope), space))
			}
			p.scopes[len(p.scopes)-1].add(u)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachBatch(ctx, v, mem, schema.NameUsersDeleted, []string{"_scope", "user_id"}, func(c transform.Columns) error {
		for i := range c.Rows() {
			scope := p.intern(c.Text("_scope", i).String)
			if p.deleted[scope] == nil {
				p.deleted[scope] = new(keyset.Set)
				p.deleted[scope].In(space)
			}
			p.deleted[scope].Add(c.Text("user_id", i).String)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := p.loadRoles(ctx, mem); err != nil {
		return nil, err
	}
	if err := p.loadColumns(ctx, mem); err != nil {
		return nil, err
	}
	return p, p.loadIssues(ctx, mem)
}

func (p *prior) loadRoles(ctx context.Context, mem memory.Allocator) error {
	return eachBatch(ctx, p.version, mem, schema.NameRoles, nil, func(c transform.Columns) error {
		for i := range c.Rows() {
			p.roles = append(p.roles, transform.Role{
				Org: clone(c.Text("org_id", i)), ID: clone(c.Text("role_id", i)), Name: clone(c.Text("name", i)), Description: clone(c.Text("description", i)),
			})
		}
		return nil
	})
}

// priorColumn is what _columns said of a column.
type priorColumn struct {
	origin            schema.Origin
	types             []string
	firstRun, lastRun string
	declared          bool
}

func (p *prior) loadColumns(ctx context.Context, mem memory.Allocator) error {
	return eachBatch(ctx, p.version, mem, schema.NameColumns, nil, func(c transform.Columns) error {
		prefs, err := transform.PriorPreferences(c)
		if err != nil {
			return err
		}
		for _, pc := range prefs {
			col := &pc.Column
			col.Name, col.Path, col.Comment = strings.Clone(col.Name), strings.Clone(col.Path), strings.Clone(col.Comment)
			col.Origin = schema.Origin(strings.Clone(string(col.Origin)))
			p.prefs = append(p.prefs, pc)
		}
		for i := range c.Rows() {
			key := [2]string{strings.Clone(c.Text("table_name", i).String), strings.Clone(c.Text("column_name", i).String)}
			types := c.Texts("types", i)
			for k := range types {
				types[k] = strings.Clone(types[k])
			}
			declared, _ := c.Bool("declared", i)
			p.columns[key] = priorColumn{schema.Origin(p.intern(c.Text("origin", i).String)), types, p.intern(c.Text("first_run", i).String), p.intern(c.Text("last_run", i).String), declared}
		}
		return nil
	})
}

func (p *prior) loadIssues(ctx context.Context, mem memory.Allocator) error {
	err := eachBatch(ctx, p.version, mem, schema.NameIssues, nil, func(c transform.Columns) error {
		for i := range c.Rows() {
			issue := transform.IssueRow(c, i)
			if issue.Row {
				p.issueRows = append(p.issueRows, string(issue.Raw))
				continue
			}
			p.issueCells++
			p.barred = p.barred || strings.HasPrefix(issue.Column, "pref_") && !p.columns[[2]string{schema.NameUsersFlat, issue.Column}].declared
			if !issue.Rederived() {
				id := identity{p.intern(c.Text("_scope", i).String), strings.Clone(c.Text("user_id", i).String)}
				p.issues[id] = append(p.issues[id], issue)
			}
		}
		return nil
	})
	slices.Sort(p.issueRows)
	return err
}

func clone(t transform.Text) transform.Text {
	t.String = strings.Clone(t.String)
	return t
}

// intern copies a text out of a batch, once for all users who share it.
func (p *prior) intern(s string) string {
	if t, ok := p.shared[s]; ok {
		return t
	}
	t := strings.Clone(s)
	p.shared[t] = t
	return t
}

// eachBatch reads a table of a version, in order. The batch is good for the call alone.
func eachBatch(ctx context.Context, v publish.Version, mem memory.Allocator, table string, columns []string, take func(transform.Columns) error) error {
	r, err := parquet.NewReader(mem, v.Parquet(table), columns...)
	if err != nil {
		return err
	}
	return eachBatchOf(ctx, r, take)
}

// eachBatchOf gives take what is left in a reader, and closes it.
func eachBatchOf(ctx context.Context, r *parquet.Reader, take func(transform.Columns) error) (err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		batch, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(transform.ColumnsOf(batch)); err != nil {
			return err
		}
	}
}

// clock is that of the run that the version shows; zero where there is no version.
func (p *prior) clock() time.Time {
	if !p.exists {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, p.version.Manifest.CreatedAt)
	if err != nil {
		return time.Time{}
	}
	return t
}
