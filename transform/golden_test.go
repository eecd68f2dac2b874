package transform

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

// Every table of a first version over the items of testdata, and of what a second run adds to it.
func TestTablesGolden(t *testing.T) {
	rows, issues, lost := decodeAll(t, samples(t))
	prefs := NewPreferences(nil, Contract{})
	for _, r := range rows {
		prefs.Learn(r.Preferences)
	}
	out := build(t, prefs, func(b *Builder) error { return fillGolden(b, rows, issues, lost) })
	var lines []string
	for _, table := range schema.Tables(columnsOf(prefs), true) {
		lines = append(lines, out.lines(table)...)
	}
	golden(t, "testdata/tables.golden.json", strings.Join(lines, "\n")+"\n")
}

func fillGolden(b *Builder, rows []Row, issues [][]Issue, lost []Issue) error {
	role, _ := ParseRole([]byte(`{"id":"67a1f0c2e4b0a1b2c3d4e5f6","name":"DefaultUserRole","description":"An ordinary user"}`), acme.Org)
	steps := []func() error{
		func() error { return b.Role(acme.Scope, role) },
		func() error {
			for i := range rows {
				if err := b.User(&rows[i], issues[i]); err != nil {
					return err
				}
			}
			return b.Issues(acme.Scope, acme.Org, Text{}, lost)
		},
		func() error {
			return b.Memory(acme.Scope, acme.Org, "u-usual", []byte(`{"id":"m1","created_at":"2025-05-01T10:00:00.123Z","conversation_id":"c1","references":["r1",null],"content":"Likes tea","context":"said so"}`))
		},
		func() error {
			return b.Memory(acme.Scope, acme.Org, "u-usual", []byte(`{"id":7,"created_at":"soon","references":["\ud800"],"\u0063ontent":"x\udc00"}`))
		},
		func() error { return b.Memory(acme.Scope, acme.Org, "u-usual", []byte(`[]`)) },
		func() error { return over(b, rows) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// over adds what a run writes of changes over time.
func over(b *Builder, rows []Row) error {
	at, r := MicrosOf(clock), &rows[len(rows)-1]
	later := Micros{at.At + 86_400_000_000, true}
	steps := []error{
		b.History(Version{Row: r, From: at, To: later, Run: "run-1"}),
		b.History(Version{Row: r, From: later, Deleted: true, Run: "run-2"}),
		b.Change(r, Added, nil),
		b.Change(r, Changed, []string{"$.email", `$.preferences."a b"`}),
		b.Deletion(r, later, "run-1", Evidence{Run: "run-2", Proof: "count", AskedFor: true}),
		b.Run(RunRow{ID: "run-1", Started: at, Status: "certified", Proof: "count", As: "caller", Source: "amigo", UsersSHA256: "00", Certified: true,
			Reasons: []string{}, Orgs: []string{"acme"}, Users: 1, Sweeps: 2, Shifts: 3}),
		b.Run(RunRow{ID: "run-2", Started: later, Status: "uncertified", Source: "amigo", Reasons: []string{"why"}}),
		b.Column(ColumnRow{Table: "users", Column: schema.Users.Columns[0], Declared: true, Types: []string{"VARCHAR"}, NullShare: 0.25, HasShare: true, FirstRun: "run-1", LastRun: "run-2"}),
		b.Column(ColumnRow{Table: "roles", Column: schema.Column{Name: "x", Type: schema.Type{Kind: schema.Decimal, Scale: 3}, Origin: schema.FromRole}, FirstRun: "run-1"}),
	}
	for _, err := range steps {
		if err != nil {
			return err
		}
	}
	return nil
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Error(d)
	}
}
