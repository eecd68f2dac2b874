package lake

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/zeebo/xxh3"
)

func TestPickedRowsAreThoseThatAreLacked(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	s := arrow.NewSchema([]arrow.Field{
		{Name: "user_id", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
	}, nil)
	b, _, err := array.RecordFromJSON(mem, s, strings.NewReader(`[{"user_id":"a","tags":["x",null]},{"user_id":"b","tags":["y"]},{"user_id":null,"tags":[]},{"user_id":"b"},{"user_id":"b"}]`))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	ctx := compute.WithAllocator(t.Context(), mem)
	for want, has := range map[string][]int{
		`[{"tags":["x",null],"user_id":"a"},{"tags":["y"],"user_id":"b"},{"tags":[],"user_id":null},{"tags":null,"user_id":"b"},{"tags":null,"user_id":"b"}]`: nil,
		`[{"tags":["y"],"user_id":"b"},{"tags":null,"user_id":"b"}]`:                                                                                          {0, 2, 3},
		`[{"tags":["x",null],"user_id":"a"}]`: {1, 2, 3, 4, 4},
		``:                                    {0, 1, 2, 3, 4},
	} {
		g, err := newDigester(s)
		if err != nil {
			t.Fatal(err)
		}
		c := &comparison{digests: g, passes: 1, users: map[uint64]struct{}{}}
		h := newHeld(2)
		err = g.rows(b, func(row int, of key, hash xxh3.Uint128) {
			for _, i := range has {
				if i == row {
					h.add(heldRow{hash, placeOf(0, int64(row)), of.Lo})
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.pick(ctx, b, h, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got == nil {
			if want != "" {
				t.Errorf("none, want %s", want)
			}
			continue
		}
		if raw, err := got.MarshalJSON(); err != nil || strings.NewReplacer("\n", "", " ", "").Replace(string(raw)) != want {
			t.Errorf("got %s, want %s (%v)", raw, want, err)
		}
		got.Release()
	}
}
