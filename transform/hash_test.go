package transform

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const everything = `"_id":"d","email":"e","first_name":"f","last_name":"l","org_id":"o","preferences":{"a":[1,2],"b":{"c":null}},"region_name":"r",` +
	`"role":"x","updated_at":"2025-01-15T10:30:00Z","additional_context":["A: b"],"user_models":[{"content":"c"}]`

// columnsAlone are members that each give another value to one column that everything has.
var columnsAlone = map[string][]string{
	"_id":         {`"_id":"d2"`, `"_id":""`, `"_id":null`},
	"email":       {`"email":"E"`, `"email":""`, `"email":null`, `"email":"e "`, `"email":"e\u0000"`},
	"first_name":  {`"first_name":"e\u0301"`, `"first_name":"\u00e9"`, `"first_name":null`, `"first_name":""`},
	"last_name":   {`"last_name":"f"`, `"last_name":null`, `"last_name":""`},
	"org_id":      {`"org_id":"p"`, `"org_id":null`, `"org_id":""`},
	"preferences": {`"preferences":{"a":[2,1],"b":{"c":null}}`, `"preferences":{"a":[1,2],"b":{}}`, `"preferences":{}`, `"preferences":null`, `"preferences":[]`, `"preferences":{"a":[1,2.0],"b":{"c":null}}`},
	"region_name": {`"region_name":"s"`, `"region_name":null`, `"region_name":""`},
	"role":        {`"role":"y"`, `"role":null`, `"role":""`},
	"updated_at":  {`"updated_at":"2025-01-15T10:30:00.000001Z"`, `"updated_at":null`, `"updated_at":"1970-01-01T00:00:00Z"`},
	"user_id":     {`"user_id":"v"`, `"user_id":"u "`},
}

func TestEveryColumnCountsInTheItemHash(t *testing.T) {
	base, _ := decode(t, everything)
	seen := map[Hash]string{base.ItemHash: "the row as it was"}
	for column, others := range columnsAlone {
		for _, other := range others {
			row, _ := decode(t, everything+","+other) // the last of a name counts
			if same, ok := seen[row.ItemHash]; ok {
				t.Errorf("%s: the hash is that of %s", other, same)
			}
			seen[row.ItemHash] = other
			if row.ModelsHash != base.ModelsHash {
				t.Errorf("%s: the models hash changed", other)
			}
			if d := cmp.Diff([]string{"$." + column}, topPaths(ChangedPaths(&base, &row))); d != "" {
				t.Errorf("%s: %s", other, d)
			}
		}
	}
}

// topPaths are the columns that paths lead into.
func topPaths(paths []string) []string {
	var out []string
	for _, p := range paths {
		end := 2
		for end < len(p) && p[end] != '.' && p[end] != '[' {
			end++
		}
		if n := len(out); n == 0 || out[n-1] != p[:end] {
			out = append(out, p[:end])
		}
	}
	return out
}

func TestModelsHash(t *testing.T) {
	base, _ := decode(t, everything)
	seen := map[Hash]bool{base.ModelsHash: true}
	for _, other := range []string{
		`"additional_context":[]`, `"additional_context":null`, `"additional_context":["A:  b"]`, `"user_models":[]`, `"user_models":null`,
		`"user_models":[{"content":"d"}]`, `"additional_context":[{"content":"c"}],"user_models":["A: b"]`,
	} {
		row, _ := decode(t, everything+","+other)
		if seen[row.ModelsHash] || row.ItemHash != base.ItemHash {
			t.Errorf("%s: models hash known %t, item hash same %t", other, seen[row.ModelsHash], row.ItemHash == base.ItemHash)
		}
		seen[row.ModelsHash] = true
	}
	var none, empty Row
	none.SetModels(nil, nil)
	empty.SetModels([]byte("[]"), []byte("[]"))
	if none.ModelsHash == empty.ModelsHash || seen[none.ModelsHash] {
		t.Error("not fetched and fetched empty have one hash")
	}
}

func TestWhatIsNoChange(t *testing.T) {
	base, _ := decode(t, everything)
	row, _, _ := Decode([]byte(`{ "user_models" : [ { "\u0063ontent" : "c" } ] , "additional_context":["\u0041: b"], "role":"x","region_name":"r",
		"preferences":{"b":{"c":null},"a":[1,	2]},"updated_at":"2025-01-15T11:30:00.000+01:00","org_id":"o","last_name":"l","first_name":"\u0066","email":"e","_id":{"$oid":"d"},
		"user_stats":{"num_messages":5},"locale":"x","user_id":"u"}`), acme)
	if row.ItemHash != base.ItemHash || row.ModelsHash != base.ModelsHash || ChangedPaths(&base, &row) != nil {
		t.Errorf("changed: %q", ChangedPaths(&base, &row))
	}
}

// The hash as the package comment describes it, computed here by hand.
func TestTheEncodingIsTheDocumentedOne(t *testing.T) {
	row, _ := decode(t, `"email":"é","preferences":{"b":-0,"a":[true,null,"x"]},"updated_at":"1970-01-01T00:00:01Z","org_id":"o","additional_context":[]`)
	doc := "\x00" + // _id
		"\x01s\x02é" + "\x00" + "\x00" + "\x01s\x01o" + // email, first_name, last_name, org_id
		"\x01os\x01aatzs\x01xes\x01bn\x02-0e" + // preferences
		"\x01s\x09us-east-1" + "\x00" + // region_name, role
		"\x01\x00\x00\x00\x00\x00\x0f\x42\x40" + // updated_at: a million microseconds
		"\x01s\x01u" // user_id
	if sum := sha256.Sum256([]byte(doc)); row.ItemHash != Hash(sum[:16]) {
		t.Errorf("item hash %x", row.ItemHash)
	}
	if sum := sha256.Sum256([]byte("\x01ae" + "\x00")); row.ModelsHash != Hash(sum[:16]) {
		t.Errorf("models hash %x", row.ModelsHash)
	}
	if item, models := row.Rehash(); item != row.ItemHash || models != row.ModelsHash {
		t.Error("hashed again, the row has other hashes")
	}
}

func TestAnObservedTimeIsNotHashed(t *testing.T) {
	row, _ := decode(t, `"email":"e"`)
	row.UpdatedAt = MicrosOf(clock)
	if item, _ := row.Rehash(); item != row.ItemHash {
		t.Error("the time at which a run saw the user counts")
	}
	row.Observed = false
	if item, _ := row.Rehash(); item == row.ItemHash {
		t.Error("the source's time does not count")
	}
}

// Two rows have one hash if and only if their columns are the same: text cannot move from one column to the next.
func TestColumnsDoNotRunIntoOneAnother(t *testing.T) {
	type names struct{ ID, Email, First, Last string }
	rapid.Check(t, func(t *rapid.T) {
		short := rapid.StringOfN(rapid.RuneFrom([]rune{'a', 's', 1, 0}), 0, 3, -1)
		draw := func(label string) names {
			return names{short.Draw(t, label), short.Draw(t, label), short.Draw(t, label), short.Draw(t, label)}
		}
		a, b := draw("a"), draw("b")
		hash := func(n names) Hash {
			row, _, _ := Decode([]byte(fmt.Sprintf(`{"user_id":"u","_id":%s,"email":%s,"first_name":%s,"last_name":%s}`,
				quoted(n.ID), quoted(n.Email), quoted(n.First), quoted(n.Last))), acme)
			return row.ItemHash
		}
		if (a == b) != (hash(a) == hash(b)) {
			t.Fatalf("%q, %q", a, b)
		}
	})
}

func TestExtrasHash(t *testing.T) {
	base, _ := decode(t, `"user_stats":{"num_messages":1,"num_conversations":2},"nonsensitive_variables":{"a":"b"},"first_name":42`)
	same, _ := decode(t, `"nonsensitive_variables":{ "a":"b"},"user_stats":{"num_conversations":2,"num_messages":1},"first_name":42`)
	if base.ExtrasHash != same.ExtrasHash || base.Extras.StatsSum() != same.Extras.StatsSum() {
		t.Error("key order and white space count")
	}
	seen := map[int64]string{base.ExtrasHash: "base"}
	for _, other := range []string{
		`"user_stats":{"num_messages":2,"num_conversations":2}`, `"user_stats":null`, `"nonsensitive_variables":{}`, `"sensitive_variables":[]`,
		`"sensitive_variables":["a"]`, `"enable_actions_access":true`, `"enable_actions_access":false`, `"first_name":43`, `"first_name":null,"last_name":42`,
		`"first_name":"x\ud800"`, `"first_name":"x\ud801"`, `"nonsensitive_variables":{"a":"\ud800"}`, `"nonsensitive_variables":{"a":"\ud801"}`,
	} {
		row, _ := decode(t, `"user_stats":{"num_messages":1,"num_conversations":2},"nonsensitive_variables":{"a":"b"},"first_name":42,`+other)
		if as, ok := seen[row.ExtrasHash]; ok {
			t.Errorf("%s: the hash is that of %s", other, as)
		}
		seen[row.ExtrasHash] = other
	}
	none, _ := decode(t, "")
	if none.Extras.StatsSum().Valid {
		t.Error("no user_stats have a hash")
	}
	null, _ := decode(t, `"user_stats":null`)
	if !null.Extras.StatsSum().Valid {
		t.Error("null user_stats have no hash")
	}
}

func TestChangedPaths(t *testing.T) {
	for _, tt := range []struct {
		older, newer string
		want         []string
	}{
		{``, ``, nil},
		{`"preferences":{"timezone":"UTC","a":1}`, `"preferences":{"a":1,"timezone":"CET"}`, []string{"$.preferences.timezone"}},
		{`"preferences":{"a b":{"c":[1,{"d":1}]}}`, `"preferences":{"a b":{"c":[1,{"d":2}]}}`, []string{`$.preferences."a b".c[1].d`}},
		{`"email":"a","role":"r"`, `"email":"b"`, []string{"$.email", "$.role"}},
		{`"email":null`, `"email":""`, []string{"$.email"}},
		{``, `"user_models":[],"additional_context":["a"]`, []string{"$.additional_context", "$.user_models"}},
		{`"user_models":[{"content":"a"}]`, `"user_models":[{"content":"b"}]`, []string{"$.user_models[0].content"}},
		{`"preferences":{}`, ``, []string{"$.preferences"}},
		{`"preferences":null`, ``, []string{"$.preferences"}},
		{`"updated_at":"2025-01-15T10:30:00Z"`, `"updated_at":"2025-01-16T10:30:00Z"`, []string{"$.updated_at"}},
		{``, `"updated_at":"2025-01-16T10:30:00Z"`, []string{"$.updated_at"}},
		{`"region_name":"x"`, ``, []string{"$.region_name"}},
		{`"user_stats":{"num_messages":1}`, `"user_stats":{"num_messages":2}`, nil},
		{`"first_name":42`, `"first_name":43`, nil},
	} {
		older, _ := decode(t, tt.older)
		newer, _ := decode(t, tt.newer)
		older.UpdatedAt.At, newer.UpdatedAt.At = older.UpdatedAt.At+boolInt(older.Observed), newer.UpdatedAt.At+2*boolInt(newer.Observed)
		if d := cmp.Diff(tt.want, ChangedPaths(&older, &newer)); d != "" {
			t.Errorf("%s → %s: %s", tt.older, tt.newer, d)
		}
		if same := older.ItemHash == newer.ItemHash && older.ModelsHash == newer.ModelsHash; same != (tt.want == nil) {
			t.Errorf("%s → %s: same hashes %t", tt.older, tt.newer, same)
		}
	}
}

// boolInt makes observed times differ, which must not matter.
func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func BenchmarkHash(b *testing.B) {
	row, _, _ := Decode(samples(b)[0].item, acme)
	var sink uint64
	b.ReportAllocs()
	for b.Loop() {
		item, models := row.Rehash()
		sink += binary.BigEndian.Uint64(item[:]) + binary.BigEndian.Uint64(models[:])
	}
	_ = sink
}

func TestDigestCoversWhatDecidesAboutARow(t *testing.T) {
	const item = `{"user_id":"u","email":"e"}`
	d := Defaults{Scope: "acme", Org: Text{"acme", true}, Region: Text{"eu", true}}
	row, _, _ := Decode([]byte(item), d)
	if row.Digest != d.Digest([]byte(item)) || row.Digest == (Hash{}) {
		t.Errorf("a decoded row has the digest %x", row.Digest)
	}
	seen := map[Hash]string{row.Digest: "the item as it was"}
	for _, other := range []struct {
		item string
		d    Defaults
	}{
		{item + " ", d},
		{`{"email":"e","user_id":"u"}`, d},
		{item, Defaults{"acmf", d.Org, d.Region}},
		{item, Defaults{d.Scope, Text{"b", true}, d.Region}},
		{item, Defaults{d.Scope, d.Org, Text{}}},
		{item, Defaults{d.Scope, Text{"acme\x01s\x02eu", true}, Text{}}},
	} {
		sum := other.d.Digest([]byte(other.item))
		if same, ok := seen[sum]; ok {
			t.Errorf("%+v: the digest is that of %s", other, same)
		}
		seen[sum] = fmt.Sprintf("%+v", other)
	}
}
