package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bar is a bound that a run should keep.
type Bar struct {
	Run      string  `json:"run"`
	What     string  `json:"what"`
	Allowed  float64 `json:"allowed"`
	Measured float64 `json:"measured"`
	Unit     string  `json:"unit"` // " MB"; empty: a ratio
	Kept     bool    `json:"kept"`
}

const megabyte = 1e6

// bars compares a size with the bars. What the download costs, which a replay is to do without, is what the socket's floor says of the bytes
// that the full load received.
func bars(s *Size) []Bar {
	runs := map[string]Run{}
	for _, r := range s.Runs {
		runs[r.Name] = r
	}
	full := runs[runFull]
	download := s.Socket.CPU * float64(full.Summary.Received) / float64(s.Socket.Bytes)
	out := []Bar{
		{Run: runFull, What: "CPU by that of DuckDB's SQL", Allowed: 1.2, Measured: full.CPU / s.SQL.CPU},
		{Run: runUnchanged, What: "CPU by that of the full load", Allowed: 0.3, Measured: runs[runUnchanged].CPU / full.CPU},
		{Run: runUnchanged, What: "bytes of tables", Allowed: 0, Measured: float64(runs[runUnchanged].TableBytes) / megabyte, Unit: " MB"},
		{Run: runChanged, What: "CPU by that of the full load", Allowed: 0.6, Measured: runs[runChanged].CPU / full.CPU},
		{Run: runReplay, What: "CPU by that of the full load without the download", Allowed: 1, Measured: runs[runReplay].CPU / (full.CPU - download)},
	}
	for _, r := range s.Runs {
		allowed := 800.0
		if r.Name == runUnchanged {
			allowed = 200
		}
		out = append(out, Bar{Run: r.Name, What: "peak memory", Allowed: allowed, Measured: float64(r.Peak) / megabyte, Unit: " MB"})
	}
	for i := range out {
		out[i].Kept = out[i].Measured <= out[i].Allowed
	}
	return out
}

// markdown is the report for people.
func markdown(r Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d processors, %s. CPU is user and system time of the whole process; MB are 10⁶ bytes.\n", r.Machine.System, r.Machine.CPUs, r.Machine.Go)
	for _, s := range r.Sizes {
		order := ""
		if s.Shuffled {
			order = ", listed in no order of their ids"
		}
		if s.Rounds > 1 {
			order += fmt.Sprintf(" (medians of %d rounds; of memory the highest)", s.Rounds)
		}
		fmt.Fprintf(&b, "\n### %s users of %s bytes%s\n\n", thousands(int64(s.Users)), thousands(s.RecordBytes/int64(s.Users)), order)
		s.measurements(&b)
		fmt.Fprintf(&b, "\nDuckDB %s with `memory_limit = %s`, %d thread for the tables and %d for Parquet; it made what rollcall made, row by row. rollcall receives the list twice, for the proof.\n\nThe bars are meant for 200,000 users and more: of fewer, what every run costs is a larger part.\n\n",
			s.DuckDB.DuckDB, s.DuckDB.Memory, s.DuckDB.TableThreads, s.DuckDB.CopyThreads)
		table(&b, []string{"bar", "", "allowed", "measured", ""}, func(row func(...string)) {
			for _, bar := range s.Bars {
				kept := "kept"
				if !bar.Kept {
					kept = "**missed**"
				}
				row(bar.Run, bar.What, "≤ "+number(bar.Allowed)+bar.Unit, number(bar.Measured)+bar.Unit, kept)
			}
		})
		s.byStage(&b)
	}
	return b.String()
}

func (s *Size) measurements(b *strings.Builder) {
	header := []string{"", "users/s", "wall s", "CPU s", "× socket", "× SQL", "peak MB", "received MB", "written MB", "tables MB"}
	table(b, header, func(row func(...string)) {
		line := func(name string, u Usage, receivedBytes, tableBytes int64) {
			row(name, thousands(int64(float64(s.Users)/u.Wall)), number(u.Wall), number(u.CPU), number(u.CPU/s.Socket.CPU), number(u.CPU/s.SQL.CPU),
				megabytes(u.Peak), megabytes(receivedBytes), megabytes(u.Written), megabytes(tableBytes))
		}
		line(s.Socket.Name, s.Socket.Usage, s.Socket.Bytes, 0)
		line(s.SQL.Name, s.SQL.Usage, 0, s.SQL.Bytes)
		for _, r := range s.Runs {
			line("rollcall, "+r.Name, r.Usage, r.Summary.Received, r.TableBytes)
		}
	})
}

func (s *Size) byStage(b *strings.Builder) {
	if s.Stages == nil {
		return
	}
	b.WriteString("\nCPU seconds by stage, from profiles of further runs:\n\n")
	header := []string{"stage", ""}
	for _, r := range s.Runs {
		header = append(header, r.Name)
	}
	table(b, header, func(row func(...string)) {
		sums := make([]float64, len(s.Runs))
		for _, st := range stages {
			cells := []string{st.name, st.what}
			for i, r := range s.Runs {
				sums[i] += s.Stages[r.Name][st.name]
				cells = append(cells, number(s.Stages[r.Name][st.name]))
			}
			row(cells...)
		}
		cells := []string{"all", ""}
		for _, sum := range sums {
			cells = append(cells, number(sum))
		}
		row(cells...)
	})
}

// table writes a Markdown table. A column is of numbers where its header is not the first.
func table(b *strings.Builder, header []string, rows func(row func(cells ...string))) {
	line := func(cells ...string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(header...)
	rule := make([]string, len(header))
	for i := range rule {
		rule[i] = "---:"
		if i == 0 || header[i] == "" {
			rule[i] = "---"
		}
	}
	line(rule...)
	rows(line)
}

// number shows three digits that count.
func number(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v) && a < 1e6:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func megabytes(n int64) string {
	if n < 0 {
		return "?"
	}
	return number(float64(n) / megabyte)
}

// thousands separates them by commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
