package transform

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

var update = flag.Bool("update", false, "write the goldens anew")

// clock is when the runs of the tests are.
var clock = time.Date(2026, 3, 4, 5, 6, 7, 890123000, time.UTC)

var acme = Defaults{Scope: "acme", Org: Text{"acme-health", true}, Region: Text{"us-east-1", true}}

type sample struct {
	name string
	item []byte
}

// samples are the items of testdata.
func samples(t testing.TB) []sample {
	t.Helper()
	a, err := txtar.ParseFile("testdata/items.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for _, f := range a.Files {
		out = append(out, sample{f.Name, bytes.TrimSuffix(f.Data, []byte("\n"))})
	}
	return out
}

// tables are the batches of a build by table.
type tables map[string][]arrow.Record

func (ts tables) emit(table string, batch arrow.Record) error {
	batch.Retain()
	ts[table] = append(ts[table], batch)
	return nil
}

func (ts tables) release() {
	for _, batches := range ts {
		for _, b := range batches {
			b.Release()
		}
	}
}

// build makes the tables of a version with all its preferences learned. What it allocates must be free again when the test ends.
func build(t testing.TB, prefs *Preferences, fill func(b *Builder) error) tables {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	out := tables{}
	b := NewBuilder(mem, "run-1", prefs, schema.Tables(columnsOf(prefs), true), out.emit)
	defer b.Release()
	if err := fill(b); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		out.release()
		mem.AssertSize(t, 0)
	})
	return out
}

func columnsOf(p *Preferences) []schema.Column {
	var out []schema.Column
	for _, c := range p.Columns() {
		out = append(out, c.Column)
	}
	return out
}

// seen completes a row as a run does that sees its user for the first time.
func seen(r *Row) {
	at := MicrosOf(clock)
	if r.State == "" {
		r.State = Pending
		r.SetModels(nil, nil)
	}
	if r.Observed {
		r.UpdatedAt = at
	}
	r.FirstSeen, r.ChangedAt, r.LastSeen = at, at, "run-1"
}

// decodeAll takes items apart, in the order of the tables; those without an identity come back as issues.
func decodeAll(t testing.TB, items []sample) (rows []Row, issues [][]Issue, lost []Issue) {
	t.Helper()
	type both struct {
		row    Row
		issues []Issue
	}
	var users []both
	for _, s := range items {
		row, is, ok := Decode(s.item, acme)
		if !ok {
			lost = append(lost, Issue{Row: true, Path: "$", Reason: "no usable user_id", Raw: s.item})
			continue
		}
		seen(&row)
		users = append(users, both{row, is})
	}
	slices.SortFunc(users, func(a, b both) int { return strings.Compare(a.row.UserID, b.row.UserID) })
	for _, u := range users {
		rows, issues = append(rows, u.row), append(issues, u.issues)
	}
	return rows, issues, lost
}

// flatten builds the tables of these items.
func flatten(t testing.TB, prior []PriorColumn, items []sample) (tables, []Row) {
	t.Helper()
	rows, issues, lost := decodeAll(t, items)
	prefs := NewPreferences(prior, Contract{})
	for _, r := range rows {
		prefs.Learn(r.Preferences)
	}
	return build(t, prefs, func(b *Builder) error {
		for i := range rows {
			if err := b.User(&rows[i], issues[i]); err != nil {
				return err
			}
		}
		return b.Issues(acme.Scope, acme.Org, Text{}, lost)
	}), rows
}

// cell is a cell as text that is its JSON; empty for NULL.
func cell(a arrow.Array, c schema.Column, row int) string {
	if a.IsNull(row) {
		return ""
	}
	switch a := a.(type) {
	case *array.String:
		if c.Type.Kind == schema.JSON && !strings.ContainsAny(a.Value(row), "\n\r") {
			return a.Value(row)
		}
		return quoted(a.Value(row))
	case *array.Timestamp:
		return quoted(time.UnixMicro(int64(a.Value(row))).UTC().Format("2006-01-02T15:04:05.000000"))
	case *array.Boolean:
		return strconv.FormatBool(a.Value(row))
	case *array.Int64:
		return strconv.FormatInt(a.Value(row), 10)
	case *array.Float64:
		return strconv.FormatFloat(a.Value(row), 'g', -1, 64)
	case *array.Decimal128:
		return a.Value(row).ToString(c.Type.Scale)
	case *array.Binary:
		return quoted(hex.EncodeToString(a.Value(row)))
	case *array.List:
		from, to := a.ValueOffsets(row)
		inner, parts := a.ListValues(), []string{}
		for i := from; i < to; i++ {
			text := "null"
			if !inner.IsNull(int(i)) {
				text = cell(inner, schema.Column{}, int(i))
			}
			parts = append(parts, text)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	panic(fmt.Sprintf("no text for %T", a))
}

func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// cells reads a table as rows of cells by column, NULLs left out.
func (ts tables) cells(t schema.Table) []map[string]string {
	var out []map[string]string
	for _, b := range ts[t.Name] {
		for row := range int(b.NumRows()) {
			m := map[string]string{}
			for i, c := range t.Columns {
				if text := cell(b.Column(i), c, row); text != "" {
					m[c.Name] = text
				}
			}
			out = append(out, m)
		}
	}
	return out
}

// lines are the rows of a table, one JSON object each, NULLs left out. JSON columns stand as they are; as text where they have line breaks.
func (ts tables) lines(t schema.Table) []string {
	var out []string
	for _, m := range ts.cells(t) {
		parts := []string{`"table":` + quoted(t.Name)}
		for _, c := range t.Columns {
			if v, ok := m[c.Name]; ok {
				parts = append(parts, quoted(c.Name)+":"+v)
			}
		}
		out = append(out, "{"+strings.Join(parts, ",")+"}")
	}
	return out
}

func text(s string) Text { return Text{s, true} }

func raws(issues []Issue) []string {
	var out []string
	for _, i := range issues {
		out = append(out, i.Column+" "+i.Path+" "+rawjson.Printable(i.Raw))
	}
	return out
}
