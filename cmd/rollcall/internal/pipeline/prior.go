package pipeline

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

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
	rows    []transform.Bookkeeping // of every live user, in the order of the tables: by scope and user_id, bytewise
	deleted map[identity]bool
	prefs   []transform.PriorColumn
	roles   []transform.Role
	columns map[[2]string]priorColumn // of _columns, by table and column

	issueRows  []string                       // raw rows without an identity, sorted
	issueCells int64                          // quarantined cells
	issues     map[identity][]transform.Issue // cells that cannot be found again in what the tables have

	hasMemories bool // there is a table user_memories

	shared map[string]string // texts that many users share
}

// find is the bookkeeping of a user of the version before, nil where there is none.
func (p *prior) find(id identity) *transform.Bookkeeping {
	i, ok := sort.Find(len(p.rows), func(i int) int {
		return cmp.Or(strings.Compare(id.scope, p.rows[i].Scope), strings.Compare(id.user, p.rows[i].UserID))
	})
	if !ok {
		return nil
	}
	return &p.rows[i]
}

func loadPrior(ctx context.Context, v publish.Version, mem memory.Allocator) (*prior, error) {
	p := &prior{version: v, exists: true, hasMemories: v.Has(schema.NameMemories), deleted: map[identity]bool{}, columns: map[[2]string]priorColumn{}, issues: map[identity][]transform.Issue{}, shared: map[string]string{}}
	err := eachBatch(ctx, v, mem, schema.NameUsersFlat, transform.BookkeepingColumns, func(c transform.Columns) error {
		for i := range c.Rows() {
			r := transform.BookkeepingAt(c, i)
			r.Scope, r.UserID, r.LastSeen = p.intern(r.Scope), strings.Clone(r.UserID), p.intern(r.LastSeen)
			r.Org.String = p.intern(r.Org.String)
			r.State = transform.ModelsState(p.intern(string(r.State)))
			p.rows = append(p.rows, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachBatch(ctx, v, mem, schema.NameUsersDeleted, []string{"_scope", "user_id"}, func(c transform.Columns) error {
		for i := range c.Rows() {
			p.deleted[identity{p.intern(c.Text("_scope", i).String), strings.Clone(c.Text("user_id", i).String)}] = true
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
			p.columns[key] = priorColumn{schema.Origin(p.intern(c.Text("origin", i).String)), types, p.intern(c.Text("first_run", i).String), p.intern(c.Text("last_run", i).String)}
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

// usersOf counts the live users of an organization.
func (p *prior) usersOf(scope string) int {
	n := 0
	for i := range p.rows {
		if p.rows[i].Scope == scope {
			n++
		}
	}
	return n
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
