package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

// What a change may cost more than the baseline. CPU time is noisy even as a ratio, more so on machines that others use; allocations are counted.
const (
	cpuTolerance        = 1.5
	allocationTolerance = 1.15
)

// gated are the runs that are compared: the dearest, and the one of most nights.
var gated = []string{runFull, runUnchanged}

const baselinePath = "testdata/bench/baseline.json" // from the top of the repository

// Baseline is what runs cost when it was recorded.
type Baseline struct {
	Users int             `json:"users"`
	Runs  map[string]Cost `json:"runs"`
}

// Cost is what a run costs, on any machine.
type Cost struct {
	CPU         float64 `json:"cpu_to_sql_floor"`     // by that of DuckDB's SQL making the same tables, in the same minute
	Allocations float64 `json:"allocations_per_user"` // of Go
	Bytes       float64 `json:"allocated_bytes_per_user"`
}

func gateCommand(b *bench, out io.Writer) *cobra.Command {
	var path string
	var users, rounds int
	var record bool
	c := &cobra.Command{
		Use: "gate", Short: "Fail where runs cost more than the recorded baseline", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if record {
				return b.prepared(func(b bench) error { return b.record(cmd.Context(), path, users, rounds) })
			}
			return b.prepared(func(b bench) error { return b.gate(cmd.Context(), out, path, rounds) })
		},
	}
	c.Flags().StringVar(&path, "baseline", filepath.FromSlash(baselinePath), "the `file` of the baseline")
	c.Flags().IntVar(&rounds, "rounds", 3, "how often everything is measured; the median counts")
	c.Flags().BoolVar(&record, "record", false, "write the baseline instead of comparing with it")
	c.Flags().IntVar(&users, "users", 20_000, "size of the organization, with --record")
	return c
}

// costs measures the runs that are gated, several times over, and returns the medians.
func (b bench) costs(ctx context.Context, users, rounds int) (_ map[string]Cost, err error) {
	s, err := startServer(ctx, users, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	all := map[string][]Cost{}
	for i := range rounds {
		b.say("round %d of %d", i+1, rounds)
		if err := b.round(ctx, s.URL, users, all); err != nil {
			return nil, err
		}
	}
	out := map[string]Cost{}
	for name, costs := range all {
		out[name] = Cost{
			CPU:         median(costs, func(c Cost) float64 { return c.CPU }),
			Allocations: median(costs, func(c Cost) float64 { return c.Allocations }),
			Bytes:       median(costs, func(c Cost) float64 { return c.Bytes }),
		}
	}
	return out, nil
}

// round measures floor and runs once, in turn: what else the machine does is much the same for them.
func (b bench) round(ctx context.Context, source string, users int, costs map[string][]Cost) (err error) {
	dir, err := os.MkdirTemp(b.dir, "round-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	floor, _, err := b.sqlFloor(ctx, source, users, dir)
	if err != nil {
		return err
	}
	w := warehouse{b.rollcall, filepath.Join(dir, "warehouse"), source}
	for _, name := range gated {
		b.say("rollcall: %s", name)
		r, err := w.run(ctx, name, "--memprofile="+filepath.Join(dir, "allocations.pprof"), "--log-level=info")
		if err != nil {
			return err
		}
		if err := r.check(users); err != nil {
			return err
		}
		if r.Allocations == 0 {
			return fmt.Errorf("%s: rollcall logged no allocations", name)
		}
		costs[name] = append(costs[name], Cost{r.CPU / floor.CPU, float64(r.Allocations) / float64(users), float64(r.AllocatedBytes) / float64(users)})
	}
	return nil
}

func median(costs []Cost, of func(Cost) float64) float64 {
	values := make([]float64, len(costs))
	for i, c := range costs {
		values[i] = of(c)
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

func (b bench) record(ctx context.Context, path string, users, rounds int) error {
	costs, err := b.costs(ctx, users, rounds)
	if err != nil {
		return err
	}
	for name, c := range costs { // no digits that mean nothing
		costs[name] = Cost{math.Round(c.CPU*1000) / 1000, math.Round(c.Allocations*10) / 10, math.Round(c.Bytes)}
	}
	doc, err := json.MarshalIndent(Baseline{users, costs}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(doc, '\n'), 0o644) //nolint:gosec // it is committed
}

// errRegression says that something costs more than it may.
var errRegression = errors.New(`a run costs more than the baseline allows.
hint: rollcall-bench --stages --users 20000 says which stage; go test -bench . in its package, before and after, and benchstat say more
hint: if the cost is meant, rollcall-bench gate --record, and say in the commit what it buys`)

func (b bench) gate(ctx context.Context, out io.Writer, path string, rounds int) error {
	base, err := readBaseline(path)
	if err != nil {
		return err
	}
	costs, err := b.costs(ctx, base.Users, rounds)
	if err != nil {
		return err
	}
	text, ok := judge(base.Runs, costs)
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if !ok {
		return errRegression
	}
	return nil
}

func readBaseline(path string) (base Baseline, err error) {
	doc, err := os.ReadFile(path)
	if err != nil {
		return base, fmt.Errorf("the baseline: %w", err)
	}
	if err := json.Unmarshal(doc, &base); err != nil {
		return base, fmt.Errorf("the baseline %s: %w", path, err)
	}
	return base, nil
}

// judge compares costs with those of the baseline.
func judge(base, now map[string]Cost) (text string, ok bool) {
	ok = true
	for _, name := range gated {
		was, is := base[name], now[name]
		for _, m := range []struct {
			what               string
			was, is, tolerance float64
		}{
			{"CPU by that of DuckDB's SQL", was.CPU, is.CPU, cpuTolerance},
			{"allocations a user", was.Allocations, is.Allocations, allocationTolerance},
			{"allocated bytes a user", was.Bytes, is.Bytes, allocationTolerance},
		} {
			verdict := ""
			switch {
			case m.is > m.was*m.tolerance:
				verdict, ok = fmt.Sprintf(": more than %+.0f %%", 100*(m.tolerance-1)), false
			case m.is < m.was/m.tolerance:
				verdict = ": better; record it, so that it stays (gate --record)"
			}
			text += fmt.Sprintf("%s, %s: %s, baseline %s (%+.0f %%)%s\n", name, m.what, number(m.is), number(m.was), 100*(m.is/m.was-1), verdict)
		}
	}
	return text, ok
}
