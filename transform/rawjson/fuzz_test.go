package rawjson

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
)

// seeds gives the fuzzer the items of the package above, and what no file can hold.
func seeds(f *testing.F, add func([]byte)) {
	a, err := txtar.ParseFile("../testdata/items.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, item := range a.Files {
		add(bytes.TrimSuffix(item.Data, []byte("\n")))
	}
	for _, s := range []string{"", "[", `{"a`, `"\ud800\"`, "\"\xff\\\"", "[[[[", `{"a":1}}`, "\xff", `{"a":tru}`, "\"\\\xc3\xa9\""} {
		add([]byte(s))
	}
}

// FuzzRead gives every reader arbitrary bytes: none may panic, and of what encoding/json accepts each must say what encoding/json says.
func FuzzRead(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		b = Trim(b)
		members, elements := 0, 0
		errM := Members(b, func(key, value []byte) error {
			members++
			_ = Child("$", key)
			_ = Plain(key)
			return nil
		})
		errE := Elements(b, func([]byte) error { elements++; return nil })
		text, exact := Unquote(b)
		if !utf8.ValidString(text) {
			t.Errorf("the text %q is no UTF-8", text)
		}
		if printable := Printable(b); !utf8.ValidString(printable) {
			t.Errorf("%q is no UTF-8", printable)
		}
		clean, same := Sanitize(b)
		if !utf8.Valid(clean) || same != bytes.Equal(clean, b) {
			t.Errorf("sanitized to %q, exact %t", clean, same)
		}
		if !json.Valid(b) {
			return
		}
		switch KindOf(b) {
		case String:
			var want string
			if err := json.Unmarshal(b, &want); err != nil || want != text && exact {
				t.Errorf("text %q, want %q, %v", text, want, err)
			}
		case Array:
			var want []json.RawMessage
			if err := json.Unmarshal(b, &want); err != nil || errE != nil || elements != len(want) || Len(b) != len(want) {
				t.Errorf("%d elements, want %d, %v, %v", elements, len(want), errE, err)
			}
		case Object:
			var want map[string]json.RawMessage
			if err := json.Unmarshal(b, &want); err != nil || errM != nil || members < len(want) {
				t.Errorf("%d members, want at least %d, %v, %v", members, len(want), errM, err)
			}
		}
		if !json.Valid(clean) {
			t.Errorf("sanitized to what is no JSON: %q", clean)
		}
	})
}

// FuzzCanonical compares two arbitrary texts: the encoding must not depend on white space, and differences must be named if and only if
// there are any.
func FuzzCanonical(f *testing.F) {
	var last []byte
	seeds(f, func(b []byte) { f.Add(b, last); f.Add(b, b); last = b })
	f.Fuzz(func(t *testing.T, a, b []byte) {
		equal, paths := Equal(a, b), AppendDiff(nil, "$", a, b)
		if equal != (len(paths) == 0) || (a == nil) != (b == nil) && equal {
			t.Errorf("equal %t, paths %q", equal, paths)
		}
		if !json.Valid(a) {
			return
		}
		var wide bytes.Buffer
		if err := json.Indent(&wide, a, "\t", " "); err != nil {
			t.Fatal(err)
		}
		if !Equal(a, wide.Bytes()) || AppendDiff(nil, "$", a, wide.Bytes()) != nil {
			t.Errorf("white space counts: %q", a)
		}
		if json.Valid(b) && equal {
			var x, y any
			if err := json.Unmarshal(a, &x); err == nil {
				if err := json.Unmarshal(b, &y); err != nil {
					t.Fatal(err)
				}
				again, _ := json.Marshal(x)
				if other, _ := json.Marshal(y); !bytes.Equal(again, other) {
					t.Errorf("%q and %q are not the same", a, b)
				}
			}
		}
	})
}
