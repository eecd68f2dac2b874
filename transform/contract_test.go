package transform

import (
	"slices"
	"testing"

	"github.com/rollcall-data/rollcall/schema"
)

// secondRun learns two nights' preferences: the first is free, the second under a contract.
func secondRun(contract Contract, first, second string) *Preferences {
	p := NewPreferences(nil, Contract{})
	p.Learn([]byte(first))
	q := NewPreferences(p.Columns(), contract)
	q.Learn([]byte(second))
	return q
}

func typesOf(p *Preferences) map[string]string {
	out := map[string]string{}
	for _, c := range p.Columns() {
		if !c.Declared {
			out[c.Column.Name] = c.Column.Type.String()
		}
	}
	return out
}

func TestContract(t *testing.T) {
	const first, second = `{"volume":3}`, `{"volume":"loud","brand_new":true}`
	for _, c := range []struct {
		name     string
		contract Contract
		broken   []string
		volume   string
		isNew    bool
	}{
		{"evolve", Contract{}, nil, "JSON", true},
		{"freeze", Contract{Columns: Freeze, Types: Freeze}, []string{"$.preferences.volume would have to become JSON; it is BIGINT", "$.preferences.brand_new is new"}, "BIGINT", false},
		{"freeze columns", Contract{Columns: Freeze}, []string{"$.preferences.brand_new is new"}, "JSON", false},
		{"freeze types", Contract{Types: Freeze}, []string{"$.preferences.volume would have to become JSON; it is BIGINT"}, "BIGINT", true},
		{"quarantine", Contract{Columns: Quarantine, Types: Quarantine}, nil, "BIGINT", false},
		{"freeze, but for a path", Contract{Columns: Freeze, Types: Freeze, Paths: map[string]Mode{"$.preferences.volume": Evolve, "$.preferences.brand_new": Quarantine}}, nil, "JSON", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := secondRun(c.contract, first, second)
			if got := p.Broken(); !slices.Equal(got, c.broken) {
				t.Errorf("broken %q, want %q", got, c.broken)
			}
			got := typesOf(p)
			if got["pref_volume"] != c.volume {
				t.Errorf("pref_volume is %s, want %s", got["pref_volume"], c.volume)
			}
			if _, ok := got["pref_brand_new"]; ok != c.isNew {
				t.Errorf("pref_brand_new is there: %v, want %v", ok, c.isNew)
			}
		})
	}
}

// TestQuarantinedCells: what the contract keeps out of the columns is in _issues, raw.
func TestQuarantinedCells(t *testing.T) {
	p := secondRun(Contract{Columns: Quarantine, Types: Quarantine}, `{"volume":3}`, `{"volume":"loud","brand_new":{"deep":[1]},"more":null}`)
	var tables []schema.Table
	var prefs []schema.Column
	for _, c := range p.Columns() {
		prefs = append(prefs, c.Column)
	}
	tables = schema.Tables(prefs, false)
	b := NewBuilder(testAllocator(t), "run", p, tables, discard)
	defer b.Release()
	row, _, ok := Decode([]byte(`{"user_id":"u","preferences":{"volume":"loud","brand_new":{"deep":[1]},"more":null}}`), Defaults{Scope: "o"})
	if !ok {
		t.Fatal("not decoded")
	}
	row.SetModels(nil, nil)
	if err := b.User(&row, nil); err != nil {
		t.Fatal(err)
	}
	if b.QuarantinedCells != 2 {
		t.Errorf("%d cells quarantined, want volume and brand_new.deep", b.QuarantinedCells)
	}
}
