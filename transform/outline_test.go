package transform

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzOutline: an item is read alike with its outline and without.
func FuzzOutline(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.item)
	}
	f.Add([]byte(`{"id":"a","user_id":"u","user_id":"v","_id":null,"preferences":{"a":"\ud800"},"additional_context":[],"user\u005fmodels":[{}]}`))
	f.Add([]byte(" {\t\"user_id\" : \"u\" , \"user_models\": null, \"org_id\":{\"$oid\":\"o\"}, \"user_stats\":{} } "))
	f.Fuzz(func(t *testing.T, item []byte) {
		_, outline, found, ok := Outlined(item, acme)
		if !ok {
			return
		}
		kept := append(outline.Append(nil), item...)
		o, rest := CutOutline(kept)
		if o != outline || string(rest) != string(item) {
			t.Fatalf("%+v, of %q; want %+v", o, rest, outline)
		}
		if o.Digest != acme.Digest(item) {
			t.Error("the digest is another item's")
		}
		want, issues, _ := Reread(item, Outline{}, acme)
		got, again, _ := Reread(rest, o, acme)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(issues, again); d != "" || len(again) != len(found) {
			t.Error(d)
		}
	})
}

// TestAnOutlineOfNothing: of an item that was not taken apart, the digest alone may be known.
func TestAnOutlineOfNothing(t *testing.T) {
	for _, want := range []Outline{{}, {Digest: acme.Digest([]byte("{}"))}} {
		if got, rest := CutOutline(append(want.Append(nil), "{}"...)); got != want || string(rest) != "{}" {
			t.Errorf("%+v, %q; want %+v", got, rest, want)
		}
	}
}
