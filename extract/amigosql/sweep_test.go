package amigosql

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// TestSweep: tables that hold still, behind servers of many kinds.
func TestSweep(t *testing.T) {
	many := ids(2100)
	tests := []struct {
		name    string
		e       func() *engine
		o       Options
		queries int
		users   int
		reason  string // "" for certified
	}{
		{"three pages", func() *engine { return newEngine(many...) }, Options{}, 5, 2100, ""},
		{"full pages", func() *engine { return newEngine(many[:2000]...) }, Options{}, 5, 2000, ""},
		{"one page", func() *engine { return newEngine(many[:20]...) }, Options{}, 3, 20, ""},
		{"nested cells", func() *engine { e := newEngine(many[:20]...); e.nested, e.textCount = true, true; return e }, Options{}, 3, 20, ""},
		{"truncated answers", func() *engine { e := newEngine(many[:130]...); e.most = 50; return e }, Options{}, 5, 130, ""},
		{"answers cut short in silence", func() *engine { e := newEngine(many[:130]...); e.most, e.mute = 50, true; return e }, Options{}, 6, 130, ""},
		{"answers cut short with a lie", func() *engine { e := newEngine(many[:130]...); e.most, e.lie = 50, true; return e }, Options{}, 5, 130, ""},
		{"slow queries", func() *engine { e := newEngine(many[:1100]...); e.slow = 400; return e }, Options{}, 10, 1100, ""},
		{"large answers", func() *engine { e := newEngine(many[:1100]...); e.large = 400; return e }, Options{}, 10, 1100, ""},
		{"very large answers", func() *engine { e := newEngine(many[:9]...); e.large = 1; return e }, Options{}, 22, 9, ""},
		{"no user_id, last", func() *engine {
			e := newEngine(many[:30]...)
			e.most = 20
			e.table = append(e.table, &person{nobody: true})
			return e
		}, Options{}, 7, 31, ""},
		{"no user_id, first", func() *engine {
			e := newEngine(many[:30]...)
			e.most, e.nullsFirst = 20, true
			e.table = append(e.table, &person{nobody: true})
			return e
		}, Options{}, 4, 31, ""},
		{"nothing but rows without a user_id first", func() *engine {
			e := newEngine(many[:30]...)
			e.most, e.nullsFirst = 1, true
			e.table = append(e.table, &person{nobody: true})
			return e
		}, Options{}, 33, 31, ""},
		{"no user_id, and no way to ask", func() *engine {
			e := newEngine(many[:30]...)
			e.most, e.strict = 20, true
			e.table = append(e.table, &person{nobody: true})
			return e
		}, Options{}, 0, 30, "31 rows, and 30 were read"},
		{"two alike without a user_id", func() *engine {
			e := newEngine(many[:30]...)
			e.table = append(e.table, &person{nobody: true}, &person{nobody: true})
			return e
		}, Options{}, 0, 31, "32 rows, and 31 were read"},
		{"an empty user_id", func() *engine { return newEngine(append(many[:30:30], "")...) }, Options{}, 3, 31, ""},
		{"nobody", func() *engine { return newEngine() }, Options{}, 3, 0, "no users"},
		{"nobody, and that is right", func() *engine { return newEngine() }, Options{AllowEmpty: true}, 3, 0, ""},
		{"nobody with an id", func() *engine { e := newEngine(); e.table = []*person{{nobody: true}}; return e }, Options{}, 3, 1, "no users"},
		{"ids that differ in case", func() *engine { e := newEngine("a", "A", "b", "B", "c"); e.foldCase, e.most = true, 1; return e }, Options{}, 0, 3, "5 rows, and 3 were read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := tt.e()
			s := newSource(t, e, tt.o)
			rows, r := collect(t, s)
			c := r.Certificate
			if tt.reason == "" && (!c.Certified || c.Proof != sweep.ProofCount || len(c.Reasons) != 0 || c.Reasons == nil) ||
				tt.reason != "" && (c.Certified || c.Proof != "" || !strings.Contains(strings.Join(c.Reasons, "; "), tt.reason)) {
				t.Fatalf("%+v", c)
			}
			if c.Pages != len(e.log) || tt.queries > 0 && len(e.log) != tt.queries {
				t.Errorf("%d queries, the certificate says %d, want %d: %q", len(e.log), c.Pages, tt.queries, e.log)
			}
			if tt.users >= 0 && (c.Users != tt.users || len(rows) != tt.users) {
				t.Errorf("%d users, %d rows, want %d", c.Users, len(rows), tt.users)
			}
			n := 0
			for key, present := range r.Keys() {
				if n++; !present || !r.Present(key) || !r.Seen(key) {
					t.Errorf("%q is not present", key)
				}
			}
			if n != len(rows) || r.Seen("nobody") || r.Present("nobody") {
				t.Errorf("%d keys of %d rows", n, len(rows))
			}
		})
	}
}

// TestRows: what becomes of a row, in both ways that cells come in, whole and as a complement.
func TestRows(t *testing.T) {
	const whole = `{"_id":"_id of u'1","additional_context":[ "Name: value",1e400],"email":"email of u'1","first_name":"first_name of u'1",` +
		`"last_name":"last_name of u'1","org_id":"org_id of u'1","preferences":{"n" : 9007199254740993,"n":"\ud83d\u00e9"},"region_name":"region_name of u'1",` +
		`"role":"role of u'1","updated_at":"2025-01-20T12:34:56.000007Z","user_id":"u'1"}`
	for _, nested := range []bool{false, true} {
		for _, shuffled := range []bool{false, true} {
			e := newEngine()
			e.table, e.nested = []*person{{id: "u'1", revision: 7}}, nested
			if shuffled {
				e.columns = append([]string{"extra"}, allColumns...)
				slices.Reverse(e.columns)
			}
			rows, _ := collect(t, newSource(t, e, Options{}))
			if len(rows) != 1 || rows["u'1"] != whole {
				t.Errorf("nested %v: %v\nwant %s", nested, rows, whole)
			}
		}
	}
	e := newEngine("u1")
	rows, _ := collect(t, newSource(t, e, Options{Complement: true}))
	if want := `{"_id":"_id of u1","region_name":"region_name of u1","updated_at":"2025-01-20T12:34:56.000000Z","user_id":"u1"}`; rows["u1"] != want {
		t.Errorf("%v\nwant %s", rows, want)
	}
	if want := "SELECT _id, region_name, updated_at, user_id FROM users ORDER BY user_id LIMIT 1000"; e.log[1] != want {
		t.Errorf("sent %s", e.log[1])
	}
}

// TestQueries is what goes over the wire.
func TestQueries(t *testing.T) {
	e := newEngine("a", "b'c", "d")
	e.most = 1
	collect(t, newSource(t, e, Options{Complement: true}))
	const page = "SELECT _id, region_name, updated_at, user_id FROM users"
	want := []string{
		"SELECT count(*) AS n FROM users",
		page + " ORDER BY user_id LIMIT 1000",
		page + " WHERE user_id > 'a' ORDER BY user_id LIMIT 1000",
		page + " WHERE user_id > ('b' || chr(39) || 'c') ORDER BY user_id LIMIT 1000",
		"SELECT count(*) AS n FROM users",
	}
	if !slices.Equal(e.log, want) {
		t.Errorf("sent %q", e.log)
	}
}

// TestSizes: the page shrinks at a time-out, grows again after four answers, and hesitates the longer the more often that was too early.
func TestSizes(t *testing.T) {
	p := newPager(nil, 1000)
	var sizes []string
	note := func(what string) { sizes = append(sizes, fmt.Sprint(what, p.size)) }
	for range 2 {
		p.shrink()
		note("-")
	}
	for range 40 {
		before := p.size
		if p.grow(); p.size != before {
			note("+")
			if p.size > 600 {
				p.shrink()
				note("-")
			}
		}
	}
	if got, want := strings.Join(sizes, " "), "-500 -250 +500 +1000 -500 +1000 -500 +1000 -500"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestMoving: the table changes under the sweep, and only what differs is read again.
func TestMoving(t *testing.T) {
	const users = 6000 // a count, six full pages, an empty one, and a count
	sorted := slices.Sorted(slices.Values(ids(users)))
	tests := []struct {
		name    string
		changes map[int]func(e *engine)
		users   int // in the end
		queries int
	}{
		{"somebody comes behind the cursor", map[int]func(*engine){5: func(e *engine) { e.insert(sorted[10] + "x") }}, users + 1, 15},
		{"somebody comes before the cursor", map[int]func(*engine){5: func(e *engine) { e.insert(sorted[users-10] + "x") }}, users + 1, 10},
		{"somebody leaves behind the cursor", map[int]func(*engine){5: func(e *engine) { e.remove(index(e, sorted[10])) }}, users - 1, 14},
		{"somebody comes first and somebody last", map[int]func(*engine){8: func(e *engine) { e.insert("\x01"); e.insert("zzz") }}, users + 2, 18},
		{"a change in every round", map[int]func(*engine){
			5:  func(e *engine) { e.insert(sorted[10] + "x") },
			13: func(e *engine) { e.remove(index(e, sorted[users/2])) },
			18: func(e *engine) { e.insert(sorted[5000] + "y") },
		}, users + 1, 25},
		{"many come at once", map[int]func(*engine){8: func(e *engine) {
			for i := range 3000 {
				e.insert(fmt.Sprintf("%s-%04d", sorted[3000], i))
			}
		}}, users + 3000, 18},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(sorted...)
			e.before = func(n int) {
				if change := tt.changes[n]; change != nil {
					change(e)
				}
			}
			_, r := collect(t, directSource(t, e, Options{Complement: true}))
			if c := r.Certificate; !c.Certified || c.Users != tt.users || len(e.log) != tt.queries {
				t.Errorf("%+v after %d queries", c, len(e.log))
			}
			for _, p := range e.table {
				if !r.Present(p.id) {
					t.Errorf("%q is missing", p.id)
				}
			}
			for id := range e.died {
				if r.Present(id) {
					t.Errorf("%q is present", id)
				}
			}
		})
	}
}

func index(e *engine, id string) int {
	return slices.IndexFunc(e.table, func(p *person) bool { return p.id == id })
}

// TestNeverStill: a table that changes at every query ends, uncertified, within its bounds, and nobody who was seen is dropped.
func TestNeverStill(t *testing.T) {
	e := newEngine(ids(1000)...)
	e.most = 35
	rng := rand.New(rand.NewPCG(1, 2))
	e.before = func(n int) {
		e.insert(fmt.Sprintf("%08x", rng.Uint32()))
		if n%3 == 0 {
			e.remove(rng.IntN(len(e.table)))
		}
	}
	rounds := 0
	s := directSource(t, e, Options{Hooks: sweep.Hooks{OnPass: func(p sweep.PassReport) {
		if rounds++; p.Pass != rounds || p.Pages == 0 || p.Users == 0 {
			t.Errorf("%+v", p)
		}
	}}})
	rows, r := collect(t, s)
	if c := r.Certificate; c.Certified || len(c.Reasons) != 1 || c.Users != len(rows) || c.Sweeps != rounds || len(e.log) > 3*40+slack+40 {
		t.Errorf("%+v after %d queries, %d rounds", c, len(e.log), rounds)
	}
	for id := range rows {
		if !r.Present(id) {
			t.Errorf("%q was dropped", id)
		}
	}
}

// TestNobodyIsMissed: whatever happens when, whoever lives throughout is present, certified or not; and a little movement is no obstacle.
func TestNobodyIsMissed(t *testing.T) {
	mild, certified := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "users")
		e := newEngine(ids(n)...)
		e.most = rapid.IntRange(2, 80).Draw(t, "rows")
		e.mute, e.nested, e.nullsFirst = rapid.Bool().Draw(t, "mute"), rapid.Bool().Draw(t, "nested"), rapid.Bool().Draw(t, "nullsFirst")
		e.slow = rapid.SampledFrom([]int{0, 40, 300}).Draw(t, "slow")
		every := rapid.SampledFrom([]int{1, 2, 5, 25, 100}).Draw(t, "every")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		e.before = func(int) {
			if rng.IntN(every) > 0 {
				return
			}
			if len(e.table) == 0 || rng.IntN(2) == 0 {
				e.insert(fmt.Sprintf("%08x'%d", rng.Uint32(), e.n))
				return
			}
			e.remove(rng.IntN(len(e.table)))
		}
		_, r := collect(t, directSource(t, e, Options{Complement: true}))
		still := n > 1 && every >= 4*(n/e.most+2) // a change in every fourth pass
		switch {
		case still && r.Certificate.Certified:
			mild, certified = mild+1, certified+1
		case still:
			mild++
		}
		if !r.Certificate.Certified && len(r.Certificate.Reasons) == 0 {
			t.Fatal("uncertified without a reason")
		}
		for _, p := range e.table {
			if e.born[p.id] <= 1 && !r.Present(p.id) {
				t.Fatalf("%q lived throughout and is missing: %+v", p.id, r.Certificate)
			}
		}
		for key := range r.Keys() {
			if !e.everAlive[key] {
				t.Fatalf("%q never was", key)
			}
		}
	})
	if mild == 0 || certified*100 < 95*mild {
		t.Errorf("%d certified of %d that hardly moved", certified, mild)
	}
	t.Logf("%d certified of %d that hardly moved", certified, mild)
}

// TestWrongOrderIsNeverCertified: in a table that holds still, a server that breaks what keyset paging needs gets no certificate unless everybody
// was read all the same.
func TestWrongOrderIsNeverCertified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SliceOfNDistinct(rapid.StringMatching(`[abAB']{1,4}`), 1, 40, rapid.ID).Draw(t, "ids")
		e := newEngine(letters...)
		e.most = rapid.IntRange(1, 10).Draw(t, "rows")
		e.foldCase, e.unordered = rapid.Bool().Draw(t, "foldCase"), rapid.Bool().Draw(t, "unordered")
		e.mute, e.lie = rapid.Bool().Draw(t, "mute"), rapid.Bool().Draw(t, "lie")
		seen := map[string]bool{}
		r, err := directSource(t, e, Options{}).Sweep(t.Context(), func(i sweep.Item) error { seen[i.Key] = true; return nil })
		var stuck *sweep.StuckError
		if errors.As(err, &stuck) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Certificate.Certified && len(seen) != len(letters) {
			t.Fatalf("certified with %d of %d", len(seen), len(letters))
		}
	})
}

func TestStuck(t *testing.T) {
	for _, tt := range []struct {
		spoil   func(e *engine)
		queries int
	}{
		{func(e *engine) { e.unheeded = true }, 3},
		{func(e *engine) { e.unordered = true }, 4},
	} {
		e := newEngine(ids(100)...)
		e.most = 30
		tt.spoil(e)
		_, err := newSource(t, e, Options{}).Sweep(t.Context(), func(sweep.Item) error { return nil })
		var stuck *sweep.StuckError
		if !errors.As(err, &stuck) || stuck.Pass != 1 || len(e.log) != tt.queries {
			t.Errorf("%v after %d queries", err, len(e.log))
		}
	}
}

func TestSweepErrors(t *testing.T) {
	canary := errors.New("full")
	if _, err := newSource(t, newEngine("a"), Options{}).Sweep(t.Context(), func(sweep.Item) error { return canary }); !errors.Is(err, canary) {
		t.Errorf("%v", err)
	}
	for status, want := range map[int]any{
		400: new(*QueryError), 401: new(*extract.RefusedError), 403: new(*QueryError), 404: new(*extract.OrgNotFoundError), 500: new(*extract.UnavailableError),
	} {
		for _, failing := range []int{1, 2, 4} { // the first count, a page, the second count
			e := newEngine(ids(1500)...)
			e.intercept = func(n int) (int, string) {
				if n >= failing {
					return status, `{"detail":"canary"}`
				}
				return 0, ""
			}
			_, err := newSource(t, e, Options{}).Sweep(t.Context(), func(sweep.Item) error { return nil })
			if !errors.As(err, want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%d: %v", status, err)
			}
			var advice interface{ Hints() []string }
			if !errors.As(err, &advice) || len(advice.Hints()) == 0 {
				t.Errorf("%d has no hint", status)
			}
			if status == http.StatusForbidden && !errors.As(err, new(*extract.RefusedError)) {
				t.Error("a 403 is a refusal")
			}
		}
	}
	e := newEngine("a")
	e.intercept = func(int) (int, string) { return http.StatusRequestTimeout, "" }
	if _, err := newSource(t, e, Options{}).Sweep(t.Context(), func(sweep.Item) error { return nil }); !errors.As(err, new(*extract.UnavailableError)) {
		t.Errorf("time-outs without an end: %v", err)
	}
}

// TestFaults: what is no answer is asked for again.
func TestFaults(t *testing.T) {
	e := newEngine(ids(1500)...)
	bad := []string{``, `null`, `<html>`, `[]`, `{"result":[]}`, `{"columns":[],"result":[[1]]}`, `{"result":[],"columns":[],"truncated":1}`, `{"result":[["a"],["b"]],"columns":[{"name":"n"}]}`,
		`{"result":[[-1]],"columns":[{"name":"n"}]}`, `{"result":[[1.5]],"columns":[{"name":"n"}]}`, `{"result":[7],"columns":[{"name":"n"}]}`, `{"result":[[1,2]],"columns":[{"name":"n"}]}`,
		`{"result":[],"columns":[{"name":"user_id"}]}`, `{"result":[[1]],"columns":["n","m"]}`, `{"result":[[1]],"columns":[7]}`}
	i := 0
	e.intercept = func(n int) (int, string) {
		if n%2 == 0 || i == len(bad) {
			return 0, ""
		}
		i++
		return 200, bad[i-1]
	}
	s := newSource(t, e, Options{})
	for i < len(bad) {
		rows, r := collect(t, s)
		if !r.Certificate.Certified || len(rows) != 1500 {
			t.Fatalf("%+v after %d faults", r.Certificate, i)
		}
	}
}
