package pipeline

import (
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/load/parquet"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// located is where in a warehouse some user_ids are.
type located struct {
	orgs   map[string]map[string]bool // user_id → organizations
	emails map[identity]map[string]bool
	first  map[identity]int64 // microseconds; the earliest time any table has for the user
}

// locate looks for user_ids in every version and every journal.
func locate(ctx context.Context, wh *publish.Warehouse, mem memory.Allocator, ids []string, opener *journal.Identity) (*located, error) {
	l := &located{orgs: map[string]map[string]bool{}, emails: map[identity]map[string]bool{}, first: map[identity]int64{}}
	for _, id := range ids {
		l.orgs[id] = map[string]bool{}
	}
	versions, err := wh.Versions()
	if err != nil {
		return nil, err
	}
	for _, run := range versions {
		v, err := wh.Version(run)
		if err != nil {
			return nil, err
		}
		if err := l.version(ctx, v, mem); err != nil {
			return nil, err
		}
	}
	return l, l.journals(ctx, wh, opener)
}

func (l *located) add(id identity, email string, at transform.Micros) {
	id = identity{strings.Clone(id.scope), strings.Clone(id.user)}
	l.orgs[id.user][id.scope] = true
	if email != "" {
		if l.emails[id] == nil {
			l.emails[id] = map[string]bool{}
		}
		l.emails[id][strings.Clone(email)] = true
	}
	if first, ok := l.first[id]; at.Valid && (!ok || at.At < first) {
		l.first[id] = at.At
	}
}

// placesOf are the tables that know a user by scope and user_id, with the columns that an erasure reads of them.
var placesOf = []struct {
	table       string
	email, from string
}{
	{schema.NameUsersFlat, "email", "_first_seen_at"},
	{schema.NameUsersHistory, "email", "_valid_from"},
	{schema.NameUsersDeleted, "", ""},
	{schema.NameUsersChanges, "", ""},
	{schema.NameIssues, "", ""},
}

func (l *located) version(ctx context.Context, v publish.Version, mem memory.Allocator) error {
	for _, p := range placesOf {
		columns := []string{"_scope", "user_id"}
		if p.email != "" {
			columns = append(columns, p.email, p.from)
		}
		err := eachBatch(ctx, v, mem, p.table, columns, func(c transform.Columns) error {
			for i := range c.Rows() {
				user := c.Text("user_id", i).String
				if _, ok := l.orgs[user]; !ok || user == "" {
					continue
				}
				id := identity{c.Text("_scope", i).String, user}
				if p.email == "" {
					l.add(id, "", transform.Micros{})
					continue
				}
				l.add(id, c.Text(p.email, i).String, c.Micros(p.from, i))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// journals looks through the answers as an erasure will: an id that was never published is found too, and e-mail addresses from runs that
// failed.
func (l *located) journals(ctx context.Context, wh *publish.Warehouse, opener *journal.Identity) error {
	runs, err := journal.List(wh.Journal())
	if err != nil {
		return err
	}
	users := map[string][]string{}
	for id := range l.orgs {
		users[id] = []string{""}
	}
	for _, info := range runs {
		x := journalEraser{run: info.Run, opener: opener, users: users, look: true, found: func(id identity, record []byte) {
			l.add(id, emailOf(record), transform.MicrosOf(info.Started))
		}}
		if _, err := x.rewrite(ctx, info.Dir); err != nil {
			return err
		}
	}
	return nil
}

// emailOf is the e-mail address in a user's record, empty where there is none.
func emailOf(record []byte) (email string) {
	if rawjson.KindOf(record) != rawjson.Object {
		return ""
	}
	_ = rawjson.Members(record, func(key, value []byte) error { // a record of an answer that was validated
		if string(rawjson.Plain(key)) == `"email"` && rawjson.KindOf(value) == rawjson.String {
			email, _ = rawjson.Unquote(value)
		}
		return nil
	})
	return email
}

// since is the earliest time that any of the users was known here, in microseconds.
func (l *located) since(users []identity) int64 {
	first := int64(math.MaxInt64)
	for _, id := range users {
		if at, ok := l.first[id]; ok {
			first = min(first, at)
		} else {
			return math.MinInt64
		}
	}
	return first
}

func (l *located) addresses(users []identity) []string {
	var out []string
	for _, id := range users {
		out = append(out, slices.Collect(maps.Keys(l.emails[id]))...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// eachRecord reads a table of a version, in order. The batch is good for the call alone.
func eachRecord(ctx context.Context, v publish.Version, mem memory.Allocator, table string, take func(arrow.Record) error) (err error) {
	r, err := parquet.NewReader(mem, v.Parquet(table))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		batch, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(batch); err != nil {
			return err
		}
	}
}
