package version

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func TestWidestHoldsBoth(t *testing.T) {
	whole, fraction, text, truth := arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String, arrow.FixedWidthTypes.Boolean
	huge, cents := &arrow.Decimal128Type{Precision: 38}, &arrow.Decimal128Type{Precision: 38, Scale: 20}
	for _, tt := range []struct {
		a, b, want arrow.DataType
		large      bool
	}{
		{arrow.PrimitiveTypes.Int32, whole, whole, false},
		{arrow.PrimitiveTypes.Float32, fraction, fraction, false},
		{whole, huge, huge, true},
		{whole, cents, text, false}, // 19 digits before the point do not fit
		{huge, cents, text, false},
		{whole, fraction, fraction, false},
		{whole, fraction, text, true},
		{huge, fraction, text, false},
		{truth, whole, text, false},
		{text, fraction, text, false},
	} {
		for _, pair := range [][2]arrow.DataType{{tt.a, tt.b}, {tt.b, tt.a}} {
			if got := widest(pair[0], pair[1], tt.large); !arrow.TypeEqual(got, tt.want) {
				t.Errorf("%s and %s (large %t): %s, want %s", pair[0], pair[1], tt.large, got, tt.want)
			}
		}
	}
}

func TestConvertedValues(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	whole := array.NewInt64Builder(mem)
	defer whole.Release()
	whole.AppendValues([]int64{1<<53 + 1, -7, 0}, []bool{true, true, false})
	numbers := whole.NewArray()
	defer numbers.Release()
	fractions := array.NewFloat64Builder(mem)
	defer fractions.Release()
	fractions.AppendValues([]float64{0.1, 1e21}, nil)
	doubles := fractions.NewArray()
	defer doubles.Release()
	huge := array.NewDecimal128Builder(mem, &arrow.Decimal128Type{Precision: 38, Scale: 2})
	defer huge.Release()
	huge.Append(decimal128.FromI64(12345))
	decimals := huge.NewArray()
	defer decimals.Release()
	for _, tt := range []struct {
		a    arrow.Array
		to   arrow.DataType
		want []string
	}{
		{numbers, arrow.BinaryTypes.String, []string{"9007199254740993", "-7", "(null)"}},
		{numbers, &arrow.Decimal128Type{Precision: 38}, []string{"9007199254740993", "-7", "(null)"}},
		{doubles, arrow.BinaryTypes.String, []string{"0.1", "1e+21"}},
		{decimals, arrow.BinaryTypes.String, []string{"123.45"}},
	} {
		got, err := converted(t.Context(), mem, tt.a, tt.to)
		if err != nil {
			t.Errorf("%s to %s: %v", tt.a.DataType(), tt.to, err)
			continue
		}
		for i, want := range tt.want {
			if got.ValueStr(i) != want {
				t.Errorf("%s to %s: %s, want %s", tt.a.DataType(), tt.to, got.ValueStr(i), want)
			}
		}
		got.Release()
	}
	if _, err := converted(t.Context(), mem, numbers, arrow.PrimitiveTypes.Float64); err == nil {
		t.Error("2^53+1 became a double")
	}
}
