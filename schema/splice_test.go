package schema_test

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
)

// pairs are two columns: a letter each, and NULL for a dot.
func pairs(mem memory.Allocator, names [2]string, columns ...string) arrow.Record {
	b := array.NewRecordBuilder(mem, arrow.NewSchema([]arrow.Field{{Name: names[0], Type: arrow.BinaryTypes.String}, {Name: names[1], Type: arrow.BinaryTypes.String}}, nil))
	defer b.Release()
	for i, letters := range columns {
		for _, r := range letters {
			if r == '.' {
				b.Field(i).AppendNull()
			} else {
				b.Field(i).(*array.StringBuilder).Append(string(r))
			}
		}
	}
	return b.NewRecord()
}

func TestSplice(t *testing.T) {
	old, anew := func(from, to int64) schema.Span { return schema.Span{From: from, To: to} }, func(from, to int64) schema.Span {
		return schema.Span{Fresh: true, From: from, To: to}
	}
	for _, tt := range []struct {
		name          string
		before, fresh [2]string
		spans         []schema.Span
		want          [2]string
		same          [2]bool
	}{
		{"nothing new", [2]string{"abc", "xyz"}, [2]string{}, []schema.Span{old(0, 3)}, [2]string{"abc", "xyz"}, [2]bool{true, true}},
		{"a row anew", [2]string{"abc", "xyz"}, [2]string{"q", "y"}, []schema.Span{old(0, 1), anew(0, 1), old(2, 3)}, [2]string{"aqc", "xyz"}, [2]bool{false, true}},
		{"NULL for a value", [2]string{"abc", "x.z"}, [2]string{".", "."}, []schema.Span{old(0, 1), anew(0, 1), old(2, 3)}, [2]string{"a.c", "x.z"}, [2]bool{false, true}},
		{"as many, elsewhere", [2]string{"abb", "zzz"}, [2]string{"a", "z"}, []schema.Span{anew(0, 1), old(1, 2), old(0, 1)}, [2]string{"aba", "zzz"}, [2]bool{false, true}},
		{"a row more", [2]string{"aaa", "xyz"}, [2]string{"a", "w"}, []schema.Span{old(0, 3), anew(0, 1)}, [2]string{"aaaa", "xyzw"}, [2]bool{}},
		{"a row less", [2]string{"aaa", "xyz"}, [2]string{}, []schema.Span{old(0, 1), old(2, 3)}, [2]string{"aa", "xz"}, [2]bool{}},
		{"no row", [2]string{"aaa", "xyz"}, [2]string{}, nil, [2]string{"", ""}, [2]bool{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			names := [2]string{"one", "two"}
			before, want := pairs(mem, names, tt.before[:]...), pairs(mem, names, tt.want[:]...)
			defer before.Release()
			defer want.Release()
			var fresh arrow.Record
			if tt.fresh[0] != "" {
				fresh = pairs(mem, names, tt.fresh[:]...)
				defer fresh.Release()
			}
			got, err := schema.Splice(mem, before, fresh, tt.spans)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Release()
			if !array.RecordEqual(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			for i, same := range tt.same {
				if (got.Column(i) == before.Column(i)) != same {
					t.Errorf("column %d is before's own: %t", i, !same)
				}
			}
		})
	}
}

func TestSpliceOfOtherColumns(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	before, other := pairs(mem, [2]string{"one", "two"}, "ab", "cd"), pairs(mem, [2]string{"one", "three"}, "ab", "cd")
	defer before.Release()
	defer other.Release()
	if _, err := schema.Splice(mem, before, other, []schema.Span{{Fresh: true, From: 0, To: 2}}); err == nil {
		t.Error("they were spliced")
	}
}
