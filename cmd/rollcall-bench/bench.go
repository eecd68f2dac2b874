package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Machine is what the figures were measured on.
type Machine struct {
	System string `json:"system"`
	CPUs   int    `json:"cpus"`
	Go     string `json:"go"`
}

// Report is everything that was measured.
type Report struct {
	Machine Machine `json:"machine"`
	Sizes   []*Size `json:"sizes"`
}

// Floor is what was done without rollcall.
type Floor struct {
	Name  string `json:"name"`
	Usage `json:"usage"`
	Bytes int64 `json:"bytes"` // received; of the tables
}

// Size is an organization of one size: the floors, rollcall's runs, and how these compare.
type Size struct {
	Users       int              `json:"users"`
	RecordBytes int64            `json:"record_bytes"` // of all records together
	Shuffled    bool             `json:"shuffled"`     // the list is in no order of ids
	Rounds      int              `json:"rounds"`       // that everything was measured; the figures are medians
	Socket      Floor            `json:"socket"`
	SQL         Floor            `json:"sql"`
	DuckDB      sqlFloor         `json:"duckdb"`
	Rows        map[string]int64 `json:"rows"` // of each table, the same in the floor
	Runs        []Run            `json:"runs"`
	Bars        []Bar            `json:"bars"`
	// Stages are CPU seconds by run and stage, of further runs with a profile.
	Stages map[string]map[string]float64 `json:"stages,omitempty"`
}

// bench measures organizations.
type bench struct {
	rollcall string // the program, an absolute path
	dir      string // for everything that is written
	shuffled bool
	stages   bool
	rounds   int // how often everything is measured; what counts is the median
	progress io.Writer
}

func (b bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, format+"\n", args...) // who measures does not fail for want of a terminal
}

func machine() Machine {
	return Machine{System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
}

// measure measures an organization of so many users.
func (b bench) measure(ctx context.Context, users int) (_ *Size, err error) {
	b.say("%s users: making and serving them", thousands(int64(users)))
	s, err := startServer(ctx, users, b.shuffled)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	var rounds []*Size
	for range b.rounds {
		size, err := b.measureOnce(ctx, s, users)
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, size)
	}
	size := medians(rounds)
	size.Bars = bars(size)
	if b.stages {
		dir, err := os.MkdirTemp(b.dir, "stages-")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		if size.Stages, err = b.profiled(ctx, dir, s.URL, users, allRuns); err != nil {
			return nil, err
		}
	}
	return size, nil
}

// measureOnce measures everything once.
func (b bench) measureOnce(ctx context.Context, s *server, users int) (_ *Size, err error) {
	size := &Size{Users: users, RecordBytes: s.Bytes, Shuffled: b.shuffled}
	dir, err := os.MkdirTemp(b.dir, "size-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := choose(ctx, s.URL, 0); err != nil { // the round before left the last one
		return nil, err
	}
	if err := b.floors(ctx, size, s.URL, dir); err != nil {
		return nil, err
	}
	compared := func(w warehouse, name string) error {
		if name != runFull {
			return nil
		}
		return b.compare(ctx, size, w.dir, filepath.Join(dir, floorName))
	}
	size.Runs, err = b.runs(ctx, warehouse{b.rollcall, filepath.Join(dir, "warehouse"), s.URL}, users, allRuns, nil, compared)
	return size, err
}

// medians are those of rounds: of each thing measured, the round in which it took the CPU time that as many rounds exceed as stay below, but the
// peak of memory is the highest of all.
func medians(rounds []*Size) *Size {
	out := *rounds[0]
	out.Rounds = len(rounds)
	pick := func(usage func(*Size) *Usage) *Size {
		sorted := slices.SortedFunc(slices.Values(rounds), func(a, b *Size) int { return cmp.Compare(usage(a).CPU, usage(b).CPU) })
		picked, peak := sorted[len(sorted)/2], int64(0)
		for _, s := range rounds {
			peak = max(peak, usage(s).Peak)
		}
		usage(picked).Peak = peak
		return picked
	}
	out.Socket = pick(func(s *Size) *Usage { return &s.Socket.Usage }).Socket
	out.SQL = pick(func(s *Size) *Usage { return &s.SQL.Usage }).SQL
	out.Runs = slices.Clone(out.Runs)
	for i := range out.Runs {
		out.Runs[i] = pick(func(s *Size) *Usage { return &s.Runs[i].Usage }).Runs[i]
	}
	return &out
}

const floorName = "floor"

// floors measures what any program would have to do: receive the bytes, and write the tables.
func (b bench) floors(ctx context.Context, size *Size, source, dir string) error {
	b.say("floor: bytes down the socket")
	var r received
	u, err := self(ctx, &r, partSocket, "--url="+source, fmt.Sprintf("--users=%d", size.Users))
	if err != nil {
		return err
	}
	size.Socket = Floor{"bytes down the socket, once", u, r.Bytes}
	size.SQL, size.DuckDB, err = b.sqlFloor(ctx, source, size.Users, dir)
	return err
}

func (b bench) sqlFloor(ctx context.Context, source string, users int, dir string) (Floor, sqlFloor, error) {
	b.say("floor: DuckDB's SQL")
	pages := filepath.Join(dir, "pages")
	if err := os.Mkdir(pages, 0o700); err != nil {
		return Floor{}, sqlFloor{}, err
	}
	var saved received
	if _, err := self(ctx, &saved, partSave, "--url="+source, fmt.Sprintf("--users=%d", users), "--to="+pages); err != nil {
		return Floor{}, sqlFloor{}, err
	}
	var f sqlFloor
	u, err := self(ctx, &f, partSQL, "--pages="+pages, "--to="+filepath.Join(dir, floorName), fmt.Sprintf("--threads=%d", runtime.NumCPU()))
	if err != nil {
		return Floor{}, sqlFloor{}, err
	}
	return Floor{"DuckDB's SQL, the same tables", u, f.TableBytes}, f, os.RemoveAll(pages)
}

// compare makes sure that the floor is one: that it made what rollcall made.
func (b bench) compare(ctx context.Context, size *Size, warehouse, floor string) error {
	version, err := filepath.EvalSymlinks(filepath.Join(warehouse, "current"))
	if err != nil {
		return err
	}
	var c comparison
	if _, err := self(ctx, &c, partCompare, "--version="+version, "--floor="+floor); err != nil {
		return err
	}
	if len(c.Differences) > 0 {
		return fmt.Errorf("the floor is none, it has other tables than rollcall:\n%s", strings.Join(c.Differences, "\n"))
	}
	size.Rows = c.Tables
	return os.RemoveAll(floor)
}

// runs runs rollcall on a new warehouse, the runs named one upon the other. flags are further ones by run; after is called after each.
func (b bench) runs(ctx context.Context, w warehouse, users int, names []string, flags func(name string) []string, after func(w warehouse, name string) error) ([]Run, error) {
	var out []Run
	for _, name := range names {
		b.say("rollcall: %s", name)
		g := 0
		if name == runChanged {
			g = 1
		}
		if err := choose(ctx, w.source, g); err != nil {
			return nil, err
		}
		var more []string
		if flags != nil {
			more = flags(name)
		}
		r, err := w.run(ctx, name, more...)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(r.check(users), after(w, name)); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// choose has the server serve a generation.
func choose(ctx context.Context, source string, g int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, source+generationPath+"?is="+strconv.Itoa(g), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("generation %d: %s", g, resp.Status)
	}
	return nil
}

// profiled does the runs again with a CPU profile, which costs some percent, and so counts for nothing else.
func (b bench) profiled(ctx context.Context, dir, source string, users int, names []string) (map[string]map[string]float64, error) {
	b.say("once more, with profiles")
	file := func(name string) string { return filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".pprof") }
	out := map[string]map[string]float64{}
	_, err := b.runs(ctx, warehouse{b.rollcall, filepath.Join(dir, "profiled"), source}, users, names,
		func(name string) []string { return []string{"--pprof=" + file(name)} },
		func(_ warehouse, name string) (err error) {
			out[name], err = readStages(file(name))
			return err
		})
	return out, err
}

// all measures one size after another and prints what came of it.
func (b bench) all(ctx context.Context, sizes []int, out io.Writer, asJSON bool) error {
	report := Report{Machine: machine()}
	for _, users := range sizes {
		s, err := b.measure(ctx, users)
		if err != nil {
			return fmt.Errorf("%d users: %w", users, err)
		}
		report.Sizes = append(report.Sizes, s)
	}
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	_, err := io.WriteString(out, markdown(report))
	return err
}

// sizeOf is how many bytes the files below dir have.
func sizeOf(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		n += i.Size()
		return nil
	})
	return n, err
}
