package transform

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/schema"
)

// user is a row with some of everything.
func user(i int) (Row, []Issue) {
	row, issues, _ := Decode([]byte(fmt.Sprintf(`{"user_id":"u%06d","first_name":7,"preferences":{"n":%d,"d":0.5,"l":["x"],"audio_keyterms":["a",null]},`+
		`"additional_context":["A: b"],"user_models":[{"content":"c","insight_ids":["i"],"dimensions":[{"description":"d","tags":["t"]}]}],`+
		`"nonsensitive_variables":{"v":"1"},"user_stats":{"num_messages":1}}`, i, i)), acme)
	seen(&row)
	return row, issues
}

func TestBatchesAreBoundedByRows(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	var sizes []int64
	b := NewBuilder(mem, "run", NewPreferences(nil, Contract{}), schema.Tables(columnsOf(NewPreferences(nil, Contract{})), false), func(table string, batch arrow.Record) error {
		if table == schema.NameRoles {
			sizes = append(sizes, batch.NumRows())
		}
		return nil
	})
	defer b.Release()
	for i := range 2*batchRows + 1 {
		if err := b.Role("acme", Role{ID: text(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if len(sizes) != 2 {
		t.Errorf("%d batches before Close", len(sizes))
	}
	for range 2 { // closing again hands on nothing again
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(sizes) != fmt.Sprint([]int{batchRows, batchRows, 1}) {
		t.Errorf("batches of %d rows", sizes)
	}
}

func TestBatchesAreBoundedByBytes(t *testing.T) {
	long := Role{ID: text("r"), Description: text(strings.Repeat("x", batchBytes/3))}
	out := build(t, NewPreferences(nil, Contract{}), func(b *Builder) error {
		for range 7 {
			if err := b.Role("acme", long); err != nil {
				return err
			}
		}
		return nil
	})
	if n := len(out[schema.NameRoles]); n != 3 {
		t.Errorf("%d batches of at most %d bytes each", n, batchBytes)
	}
}

// However a build ends, its memory is free in the end: closed, abandoned, or stopped by any of the batches it hands on.
func TestNothingLeaks(t *testing.T) {
	full := errors.New("the disk is full")
	run := func(t *testing.T, failAt int, closes bool) (emitted int, err error) {
		t.Helper()
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		defer mem.AssertSize(t, 0)
		prefs := NewPreferences(nil, Contract{})
		rows := make([]Row, 20)
		issues := make([][]Issue, len(rows))
		for i := range rows {
			rows[i], issues[i] = user(i)
			prefs.Learn(rows[i].Preferences)
		}
		b := NewBuilder(mem, "run", prefs, schema.Tables(columnsOf(prefs), true), func(string, arrow.Record) error {
			if emitted++; emitted == failAt {
				return full
			}
			return nil
		})
		defer b.Release()
		for i := range rows {
			if err := b.User(&rows[i], issues[i]); err != nil {
				return emitted, err
			}
		}
		if closes {
			err = b.Close()
		}
		return emitted, err
	}
	if n, err := run(t, 0, false); n != 0 || err != nil {
		t.Errorf("abandoned: %d batches, %v", n, err)
	}
	total, err := run(t, 0, true)
	if total != 7 || err != nil { // users, users_flat, user_context, user_models, user_model_dimensions, user_variables, _issues
		t.Errorf("closed: %d batches, %v", total, err)
	}
	for at := 1; at <= total; at++ {
		if n, err := run(t, at, true); n != at || !errors.Is(err, full) {
			t.Errorf("stopped at batch %d: %d batches, %v", at, n, err)
		}
	}
}

func TestAFailedBatchStopsTheRow(t *testing.T) {
	full := errors.New("the disk is full")
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	row, _ := user(1)
	row.Models = []byte(`[{"content":"` + strings.Repeat("x", batchBytes) + `"}]`)
	for table, want := range map[string]int{schema.NameUsers: 1, schema.NameUserModels: 2} {
		prefs := NewPreferences(nil, Contract{})
		seen := 0
		b := NewBuilder(mem, "run", prefs, schema.Tables(columnsOf(prefs), false), func(name string, _ arrow.Record) error {
			if seen++; name == table {
				return full
			}
			return nil
		})
		if err := b.User(&row, nil); !errors.Is(err, full) || seen != want {
			t.Errorf("%s fails: %d batches, %v", table, seen, err)
		}
		b.Release()
	}
}

func TestCounts(t *testing.T) {
	rows := []Row{}
	for _, s := range []string{`{"user_id":"a","first_name":1,"last_name":2}`, `{"user_id":"b","preferences":{"timezone":1}}`, `{"user_id":"c"}`} {
		row, _, _ := Decode([]byte(s), acme)
		rows = append(rows, row)
	}
	var b *Builder
	build(t, NewPreferences(nil, Contract{}), func(builder *Builder) error {
		b = builder
		_, issues, _ := Decode([]byte(`{"user_id":"a","first_name":1,"last_name":2}`), acme)
		for i := range rows {
			if err := b.User(&rows[i], issues[:2*boolInt(i == 0)]); err != nil {
				return err
			}
		}
		return b.Issues("acme", Text{}, Text{}, []Issue{{Row: true, Path: "$", Reason: "why", Raw: []byte("\xff")}})
	})
	if b.QuarantinedCells != 3 || b.QuarantinedRows != 1 {
		t.Errorf("%d cells, %d rows", b.QuarantinedCells, b.QuarantinedRows)
	}
}

func TestRoleNames(t *testing.T) {
	out := build(t, NewPreferences(nil, Contract{}), func(b *Builder) error {
		for _, scope := range []string{"acme", "other"} {
			if err := b.Role(scope, Role{Org: text(scope), ID: text("r"), Name: text("of " + scope)}); err != nil {
				return err
			}
		}
		if err := b.Role("acme", Role{Org: text("acme"), ID: text(""), Name: text("nobody's")}); err != nil {
			return err
		}
		for _, s := range []struct{ scope, item string }{
			{"acme", `{"user_id":"a","role":"r"}`}, {"acme", `{"user_id":"b","role":"unknown"}`}, {"acme", `{"user_id":"c"}`}, {"other", `{"user_id":"d","role":"r"}`},
		} {
			row, _, _ := Decode([]byte(s.item), Defaults{Scope: s.scope})
			if err := b.User(&row, nil); err != nil {
				return err
			}
		}
		return nil
	})
	var names []string
	for _, m := range out.cells(schema.UsersFlat(columnsOf(NewPreferences(nil, Contract{})))) {
		names = append(names, m["role_name"])
	}
	if got := strings.Join(names, ";"); got != `"of acme";;;"of other"` {
		t.Error(got)
	}
}

// TestNamedDimensions: a dimension that is text is its own description; what is neither text nor an object is quarantined.
func TestNamedDimensions(t *testing.T) {
	prefs := NewPreferences(nil, Contract{})
	out := build(t, prefs, func(b *Builder) error {
		row, issues, _ := Decode([]byte(`{"user_id":"a","user_models":[{"dimensions":["sleep",7,{"description":"pain","tags":["knee"]}]}]}`), acme)
		return b.User(&row, issues)
	})
	var got []string
	for _, row := range out.cells(schema.UserModelDimensions) {
		got = append(got, row["description"]+row["tags"])
	}
	if d := cmp.Diff([]string{`"sleep"`, "", `"pain"["knee"]`}, got); d != "" {
		t.Error(d)
	}
	issues := out.cells(schema.Issues)
	if len(issues) != 1 || issues[0]["path"] != `"$.user_models[0].dimensions[1]"` || issues[0]["raw"] != `"7"` {
		t.Errorf("issues %v", issues)
	}
}
