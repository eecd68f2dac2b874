package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	base := map[string]Cost{runFull: {CPU: 1, Allocations: 100, Bytes: 10_000}, runUnchanged: {CPU: 0.2, Allocations: 10, Bytes: 1000}}
	for _, tt := range []struct {
		name   string
		now    Cost // of the unchanged run; the full load is as it was
		ok     bool
		remark string
	}{
		{"as it was", Cost{0.2, 10, 1000}, true, ""},
		{"noise", Cost{0.299, 11.4, 1149}, true, ""},
		{"CPU", Cost{0.31, 10, 1000}, false, "unchanged, CPU by that of DuckDB's SQL: 0.31, baseline 0.20 (+55 %): more than +50 %"},
		{"allocations", Cost{0.2, 11.6, 1000}, false, "unchanged, allocations a user: 11.6, baseline 10 (+16 %): more than +15 %"},
		{"bytes", Cost{0.2, 10, 1160}, false, "unchanged, allocated bytes a user: 1160, baseline 1000 (+16 %): more than +15 %"},
		{"better", Cost{0.2, 5, 1000}, true, "unchanged, allocations a user: 5, baseline 10 (-50 %): better; record it"},
	} {
		text, ok := judge(base, map[string]Cost{runFull: base[runFull], runUnchanged: tt.now})
		if ok != tt.ok || !strings.Contains(text, tt.remark) || strings.Count(text, "\n") != 6 {
			t.Errorf("%s: %t\n%s", tt.name, ok, text)
		}
	}
	if text, ok := judge(nil, base); ok {
		t.Errorf("nothing was recorded, and all is well:\n%s", text)
	}
}

// TestTheBaselineIsRecorded reads the file that CI compares with.
func TestTheBaselineIsRecorded(t *testing.T) {
	base, err := readBaseline(filepath.Join("..", "..", filepath.FromSlash(baselinePath)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range gated {
		if c := base.Runs[name]; c.CPU <= 0 || c.Allocations <= 0 || c.Bytes <= 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if base.Users < 10_000 {
		t.Errorf("%d users: the cost of a run without any would hide that of the users", base.Users)
	}
}

func TestMedian(t *testing.T) {
	cpu := func(c Cost) float64 { return c.CPU }
	if m := median([]Cost{{CPU: 3}, {CPU: 9}, {CPU: 1}}, cpu); m != 3 {
		t.Error(m)
	}
	if m := median([]Cost{{CPU: 3}, {CPU: 1}}, cpu); m != 2 {
		t.Error(m)
	}
}
