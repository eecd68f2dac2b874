package transform

import (
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-data/rollcall/schema"
)

// only is the one batch of a table.
func (ts tables) only(t *testing.T, table string) Columns {
	t.Helper()
	if len(ts[table]) != 1 {
		t.Fatalf("%s has %d batches", table, len(ts[table]))
	}
	return ColumnsOf(ts[table][0])
}

func TestBookkeepingReadsBack(t *testing.T) {
	items := []sample{
		{"", []byte(`{"user_id":"a","email":"e","updated_at":"2025-01-15T10:30:00Z","user_stats":{},"additional_context":[]}`)},
		{"", []byte(`{"user_id":"b","org_id":null,"first_name":7}`)},
	}
	rows, issues, _ := decodeAll(t, items)
	rows[0].ModelsAt, rows[0].StatsAtLast = Micros{7, true}, StatsHash{-8, true}
	rows[1].State = Forbidden
	prefs := NewPreferences(nil, Contract{})
	out := build(t, prefs, func(b *Builder) error {
		for i := range rows {
			if err := b.User(&rows[i], issues[i]); err != nil {
				return err
			}
		}
		return nil
	})
	flat, users := out.only(t, schema.NameUsersFlat), out.only(t, schema.NameUsers)
	for i, want := range rows {
		got := Row{Bookkeeping: BookkeepingAt(flat, i)}
		got.Twelve(users, i)
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Row{}, "Extras"), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", want.UserID, d)
		}
		if item, models := got.Rehash(); item != want.ItemHash || models != want.ModelsHash {
			t.Errorf("%s: other hashes", want.UserID)
		}
	}
	for _, name := range BookkeepingColumns {
		if schema.UsersFlat(nil).Index(name) < 0 {
			t.Errorf("users_flat has no column %s", name)
		}
	}
}

// A user whose item does not come again is kept: rebuilt from the tables alone, the rows are the same, issues included.
func TestAKeptUserHasTheSameRowsAgain(t *testing.T) {
	extra := []sample{
		{"", []byte(`{"user_id":"v-order","nonsensitive_variables":{"z":"1","a":"2","z":"3"},"sensitive_variables":["y","b"]}`)},
		{"", []byte(`{"user_id":"v-stats","user_stats":{"num_messages":1,"num_conversations":2,"last_message_time":"2025-01-15T10:30:00.000001Z"},"enable_actions_access":true}`)},
	}
	before, _ := flatten(t, nil, append(samples(t), extra...))
	prior, err := PriorPreferences(columnsTable(t, before))
	if err != nil {
		t.Fatal(err)
	}
	prefs := NewPreferences(prior, Contract{})
	all := schema.Tables(columnsOf(prefs), true)

	users, flat := before.only(t, schema.NameUsers), before.only(t, schema.NameUsersFlat)
	after := build(t, prefs, func(b *Builder) error {
		for i := range users.Rows() {
			r := Row{Bookkeeping: BookkeepingAt(flat, i)}
			r.Twelve(users, i)
			if err := r.RestoreExtras(flat, i, variablesOf(before, r.UserID)); err != nil {
				return err
			}
			if err := b.User(&r, carried(before, r.UserID)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, table := range all {
		was, is := before.lines(table), after.lines(table)
		if table.Name == schema.NameIssues { // rows without an identity are not a user's
			was = slices.DeleteFunc(was, func(line string) bool { return strings.Contains(line, `"kind":"row"`) })
			slices.Sort(was)
			slices.Sort(is)
		}
		if d := cmp.Diff(was, is); d != "" {
			t.Errorf("%s: %s", table.Name, d)
		}
	}
}

// columnsTable is the batch of _columns that a run writes of the preference columns of a build.
func columnsTable(t *testing.T, from tables) Columns {
	t.Helper()
	out := build(t, NewPreferences(nil, Contract{}), func(b *Builder) error {
		s := from[schema.NameUsersFlat][0].Schema()
		rows, _, _ := decodeAll(t, samples(t))
		p := NewPreferences(nil, Contract{})
		for _, r := range rows {
			p.Learn(r.Preferences)
		}
		for _, c := range p.Columns() {
			if !s.HasField(c.Column.Name) {
				t.Errorf("users_flat has no %s", c.Column.Name)
			}
			row := ColumnRow{Table: schema.NameUsersFlat, Column: c.Column, Declared: c.Declared, FirstRun: "run-1"}
			if c.Typed {
				row.Types = []string{c.Column.Type.String()}
			}
			if err := b.Column(row); err != nil {
				return err
			}
		}
		return b.Column(ColumnRow{Table: schema.NameUsers, Column: schema.Users.Columns[0], FirstRun: "run-1"})
	})
	return out.only(t, schema.NameColumns)
}

func variablesOf(ts tables, user string) []Variable {
	var out []Variable
	for _, b := range ts[schema.NameVariables] {
		c := ColumnsOf(b)
		for i := range c.Rows() {
			if c.Text("user_id", i).String != user {
				continue
			}
			v := Variable{Name: c.Text("name", i), Value: c.Text("value", i)}
			v.Sensitive, _ = c.Bool("is_sensitive", i)
			out = append(out, v)
		}
	}
	return out
}

func carried(ts tables, user string) []Issue {
	var out []Issue
	for _, b := range ts[schema.NameIssues] {
		c := ColumnsOf(b)
		for i := range c.Rows() {
			if issue := IssueRow(c, i); c.Text("user_id", i) == text(user) && !issue.Rederived() {
				out = append(out, issue)
			}
		}
	}
	return out
}

func TestPriorPreferences(t *testing.T) {
	first := learn(nil, `{"b":true,"d":0.5,"deep":{"a.b":18446744073709551616.25},"empty":null}`)
	out := build(t, NewPreferences(nil, Contract{}), func(b *Builder) error {
		for _, c := range first.Columns() {
			row := ColumnRow{Table: schema.NameUsersFlat, Column: c.Column, Declared: c.Declared, FirstRun: "run-1"}
			if c.Typed {
				row.Types = []string{c.Column.Type.String()}
			}
			if err := b.Column(row); err != nil {
				return err
			}
		}
		return b.Column(ColumnRow{Table: schema.NameUsers, Column: schema.Users.Columns[0], FirstRun: "run-1"})
	})
	prior, err := PriorPreferences(out.only(t, schema.NameColumns))
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(first.Columns(), func(c PriorColumn) bool { return c.Declared })
	if d := cmp.Diff(want, prior); d != "" {
		t.Error(d)
	}
}

func TestAColumnOfATypeThatIsNotOurs(t *testing.T) {
	out := build(t, NewPreferences(nil, Contract{}), func(b *Builder) error {
		c := b.tables[schema.NameColumns]
		for _, v := range []string{schema.NameUsersFlat, "pref_x", "HUGEINT", "list", "$.preferences.x"} {
			c.str(v)
		}
		c.bool(false, true)
		c.strs(nil)
		for range 4 {
			c.null()
		}
		return c.end()
	})
	if prior, err := PriorPreferences(out.only(t, schema.NameColumns)); err == nil {
		t.Errorf("read as %+v", prior)
	}
}

func TestHistoryReadsBack(t *testing.T) {
	row, _ := decode(t, everything)
	at, to := Micros{1, true}, Micros{2, true}
	versions := []Version{{Row: &row, From: at, To: to, Run: "run-1"}, {Row: &row, From: to, Deleted: true, Run: "run-2"}}
	out := build(t, NewPreferences(nil, Contract{}), func(b *Builder) error {
		return errorsOf(b.History(versions[0]), b.History(versions[1]))
	})
	c := out.only(t, schema.NameUsersHistory)
	for i, want := range versions {
		got := HistoryRow(c, i)
		opt := cmpopts.IgnoreFields(Row{}, "Extras", "ExtrasHash", "State", "ItemHash", "ModelsHash", "Digest")
		if d := cmp.Diff(want, got, opt); d != "" {
			t.Error(d)
		}
		if open, _ := c.Bool("_is_current", i); open != !want.To.Valid {
			t.Errorf("row %d is current: %t", i, open)
		}
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestPassRows(t *testing.T) {
	from := build(t, NewPreferences(nil, Contract{}), func(b *Builder) error {
		for _, id := range []string{"a", "b", "c", "d"} {
			if err := b.Role("acme", Role{ID: text(id)}); err != nil {
				return err
			}
		}
		return nil
	})
	c := from.only(t, schema.NameRoles)
	to := build(t, NewPreferences(nil, Contract{}), func(b *Builder) error {
		return errorsOf(b.Role("acme", Role{ID: text("0")}), b.PassRows(schema.NameRoles, c, 1, 3), b.Role("acme", Role{ID: text("1")}), b.Pass(schema.NameRoles, c))
	})
	var ids []string
	for _, m := range to.cells(schema.Roles) {
		ids = append(ids, m["role_id"])
	}
	if got := strings.Join(ids, ""); got != `"0""b""c""1""a""b""c""d"` {
		t.Error(got)
	}
}

func TestPassRefusesOtherColumns(t *testing.T) {
	utf8, number := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64
	for name, fields := range map[string][]arrow.Field{
		"renamed":  {{Name: "org_id", Type: utf8}, {Name: "id", Type: utf8}, {Name: "name", Type: utf8}, {Name: "description", Type: utf8}},
		"retyped":  {{Name: "org_id", Type: utf8}, {Name: "role_id", Type: number}, {Name: "name", Type: utf8}, {Name: "description", Type: utf8}},
		"one less": {{Name: "org_id", Type: utf8}, {Name: "role_id", Type: utf8}, {Name: "name", Type: utf8}},
		"one more": {{Name: "org_id", Type: utf8}, {Name: "role_id", Type: utf8}, {Name: "name", Type: utf8}, {Name: "description", Type: utf8}, {Name: "x", Type: utf8}},
	} {
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
		batch := b.NewRecord()
		build(t, NewPreferences(nil, Contract{}), func(builder *Builder) error {
			if err := builder.Pass(schema.NameRoles, ColumnsOf(batch)); err == nil {
				t.Errorf("%s: passed", name)
			}
			return nil
		})
		batch.Release()
		b.Release()
	}
}

func TestRederivedIssues(t *testing.T) {
	for column, want := range map[string]bool{
		"pref_volume": true, "num_models": true, "num_context_entries": true, "content": true, "insight_ids": true, "dimensions": true, "description": true, "tags": true,
		"first_name": false, "preferences": false, "user_models": false, "updated_at": false, "num_messages": false, "name": false, "value": false, "": false,
	} {
		if got := (Issue{Column: column}).Rederived(); got != want {
			t.Errorf("%s: %t", column, got)
		}
	}
}

func TestNoBatch(t *testing.T) {
	if !(Columns{}).Empty() {
		t.Error("no batch is not empty")
	}
	out, _ := flatten(t, nil, []sample{{"", []byte(`{"user_id":"u"}`)}})
	if out.only(t, schema.NameUsers).Empty() {
		t.Error("a batch is empty")
	}
	defer func() {
		if recover() == nil {
			t.Error("a column that is not there was read")
		}
	}()
	out.only(t, schema.NameUsers).Text("nobody", 0)
}
