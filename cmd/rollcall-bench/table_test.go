package main

import (
	"strings"
	"testing"
)

func sizeWith(full, unchanged, replay, changed, sql float64) *Size {
	run := func(name string, cpu float64, tables, peak int64) Run {
		return Run{Name: name, Usage: Usage{Wall: 1, CPU: cpu, Peak: peak, Written: -1}, TableBytes: tables, Summary: Summary{Received: 2000}}
	}
	return &Size{
		Users: 1000, RecordBytes: 1_300_000, Socket: Floor{Usage: Usage{Wall: 1, CPU: 0.5}, Bytes: 1000}, SQL: Floor{Usage: Usage{Wall: 2, CPU: sql}},
		Runs: []Run{run(runFull, full, 9e6, 800e6), run(runUnchanged, unchanged, 0, 150e6), run(runReplay, replay, 9e6, 801e6), run(runChanged, changed, 9e6, 1)},
	}
}

// missed lists the bars that are not kept.
func missed(s *Size) string {
	var out []string
	for _, b := range bars(s) {
		if !b.Kept {
			out = append(out, b.Run+" "+b.What)
		}
	}
	return strings.Join(out, "; ")
}

func TestBars(t *testing.T) {
	const memory = "replay peak memory"
	for _, tt := range []struct {
		name string
		size *Size
		want string
	}{
		{"all kept but for the memory", sizeWith(12, 3.6, 11, 7.2, 10), memory},
		{"slow", sizeWith(12.1, 3.6, 11, 7.2, 10), "full load CPU by that of DuckDB's SQL; " + memory},
		{"the download, twice the floor's, is not the replay's", sizeWith(12, 3.6, 11.1, 7.2, 10), "replay CPU by that of the full load without the download; " + memory},
		{"nothing new", sizeWith(12, 3.7, 11, 7.2, 10), "unchanged CPU by that of the full load; " + memory},
		{"changed", sizeWith(12, 3.6, 11, 7.3, 10), "1 % changed CPU by that of the full load; " + memory},
	} {
		if got := missed(tt.size); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	s := sizeWith(12, 3.6, 11, 7.2, 10)
	s.Runs[1].TableBytes = 1
	if got := missed(s); !strings.HasPrefix(got, "unchanged bytes of tables") {
		t.Errorf("a byte of tables: %q", got)
	}
}

// TestMedians: each thing measured has the round in which it took the middling CPU time, and the highest peak of all rounds.
func TestMedians(t *testing.T) {
	a, b, c := sizeWith(12, 3, 11, 7, 10), sizeWith(14, 2, 12, 6, 11), sizeWith(13, 4, 10, 8, 9)
	b.Runs[0].Peak, c.Socket.CPU, c.Runs[0].Summary.Received = 900, 0.4, 3000
	c.Runs[0].Peak = 1
	got := medians([]*Size{a, b, c})
	if got.Rounds != 3 || got.Socket.CPU != 0.5 || got.SQL.CPU != 10 || got.Users != 1000 {
		t.Errorf("%+v", got)
	}
	for i, want := range []float64{13, 3, 11, 7} {
		if got.Runs[i].CPU != want || got.Runs[i].Name != a.Runs[i].Name {
			t.Errorf("%s: %g, not %g", got.Runs[i].Name, got.Runs[i].CPU, want)
		}
	}
	if full := got.Runs[0]; full.Peak != 800e6 || full.Summary.Received != 3000 {
		t.Errorf("full load: %+v", full)
	}
	if one := medians([]*Size{sizeWith(12, 3, 11, 7, 10)}); one.Runs[0].CPU != 12 || one.Runs[3].CPU != 7 {
		t.Errorf("of one round: %+v", one)
	}
}

func TestMarkdown(t *testing.T) {
	s := sizeWith(12, 3.6, 11, 7.2, 10)
	s.Bars = bars(s)
	text := markdown(Report{Sizes: []*Size{s}})
	for _, want := range []string{
		"### 1,000 users of 1,300 bytes\n",
		"| rollcall, full load | 1,000 | 1 | 12 | 24 | 1.20 | 800 | 0.00 | ? | 9 |\n",
		"| replay | peak memory | ≤ 800 MB | 801 MB | **missed** |\n",
		"| unchanged | CPU by that of the full load | ≤ 0.30 | 0.30 | kept |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "by stage") {
		t.Error("stages that were not measured")
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.034: "0.03", 1.2: "1.20", 9.999: "10.00", 12.34: "12.3", 123.4: "123", 5: "5"} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
