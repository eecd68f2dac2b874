package lake

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func TestPickedRowsAreThoseOfWhoDiffers(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	s := arrow.NewSchema([]arrow.Field{
		{Name: "user_id", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
	}, nil)
	b, _, err := array.RecordFromJSON(mem, s, strings.NewReader(`[{"user_id":"a","tags":["x",null]},{"user_id":"b","tags":["y"]},{"user_id":null,"tags":[]},{"user_id":"b"}]`))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	of, err := userKeys(b, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx := compute.WithAllocator(t.Context(), mem)
	for want, stale := range map[string]map[key]sum{
		`[{"tags":["y"],"user_id":"b"},{"tags":null,"user_id":"b"}]`:     {of(1): {}},
		`[{"tags":["x",null],"user_id":"a"},{"tags":[],"user_id":null}]`: {of(0): {}, nobody: {}},
	} {
		got, err := (&difference{seed: 1, stale: stale}).pick(ctx, b)
		if err != nil {
			t.Fatal(err)
		}
		if raw, err := got.MarshalJSON(); err != nil || strings.NewReplacer("\n", "", " ", "").Replace(string(raw)) != want {
			t.Errorf("got %s, want %s (%v)", raw, want, err)
		}
		got.Release()
	}
	if none, err := (&difference{seed: 1, stale: map[key]sum{}}).pick(ctx, b); none != nil || err != nil {
		t.Errorf("%v, %v", none, err)
	}
}
