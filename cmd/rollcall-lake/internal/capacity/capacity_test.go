package capacity

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
)

var update = flag.Bool("update", false, "write the goldens anew")

var scales = []Scale{
	{Orgs: 200, Users: 2e6, Slots: 32, Hours: 8, Publisher: 64 << 30},
	{Orgs: 1_000, Users: 1e8, Slots: 600, Hours: 8, Publisher: 64 << 30},
	{Orgs: 10_000, Users: 1e9, Slots: 6_000, Hours: 8, Publisher: 64 << 30},
}

// TestThePlan writes the plan: go test -update, and read what changed.
func TestThePlan(t *testing.T) {
	got := plan()
	if *update {
		if err := os.WriteFile("testdata/plan.txt", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/plan.txt")
	if err != nil || string(want) != got {
		t.Errorf("%v; got\n%s", err, got)
	}
}

func plan() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	var all []Forecast
	for _, s := range scales {
		all = append(all, Simulate(Measured, s))
	}
	row := func(what string, f func(Scale, Forecast) string) {
		fmt.Fprint(w, what)
		for i, s := range scales {
			fmt.Fprintf(w, "\t%s", f(s, all[i]))
		}
		fmt.Fprintln(w)
	}
	row("organizations", func(s Scale, _ Forecast) string { return short(float64(s.Orgs)) })
	row("users", func(s Scale, _ Forecast) string { return short(s.Users) })
	row("largest organization, users", func(_ Scale, f Forecast) string { return short(f.Largest) })
	row("sweep longer than the night of 8 h: organizations (their users)", func(_ Scale, f Forecast) string {
		return fmt.Sprintf("%d (%s)", f.TooLarge, short(f.TooLargeUsers))
	})
	row("slots needed for the others in 8 h", func(_ Scale, f Forecast) string { return short(f.SlotsNeeded) })
	row("slots simulated", func(s Scale, _ Forecast) string { return short(float64(s.Slots)) })
	row("hours until the last of the others is in", func(_ Scale, f Forecast) string { return fmt.Sprintf("%.1f", f.HoursFitting) })
	row("hours until the last of all is in", func(_ Scale, f Forecast) string { return fmt.Sprintf("%.1f", f.Hours) })
	row("cores, memory for the slots needed", func(_ Scale, f Forecast) string { return fmt.Sprintf("%.0f, %sB", f.Cores, short(f.Memory)) })
	row("requests a night", func(_ Scale, f Forecast) string { return short(f.Requests) })
	row("nights until all models are in: mean, largest organization", func(_ Scale, f Forecast) string {
		return fmt.Sprintf("%.0f, %.0f", f.BackfillDays, f.BackfillLast)
	})
	row("organizations whose models stay older than 30 days", func(_ Scale, f Forecast) string { return short(float64(f.Stale)) })
	row("begin the night, seconds", func(_ Scale, f Forecast) string { return fmt.Sprintf("%.1f", f.Enqueue) })
	row("publish: core hours, memory, passes over the largest table", func(_ Scale, f Forecast) string {
		return fmt.Sprintf("%.1f, %sB, %.0f", f.PublishHours, short(f.PublishMemory), f.Passes)
	})
	row("commits a night", func(_ Scale, f Forecast) string { return fmt.Sprint(f.Commits) })
	row("data files, 16 buckets, compacted", func(_ Scale, f Forecast) string { return fmt.Sprint(f.Files) })
	row("written to the lake a night", func(_ Scale, f Forecast) string { return short(f.NightBytes) + "B" })
	row("lake, 7 nights of snapshots", func(_ Scale, f Forecast) string { return short(f.Lake) + "B" })
	row("warehouses, 7 versions and journals", func(_ Scale, f Forecast) string { return short(f.Warehouses) + "B" })
	row("dollars a month: storage, processors with their memory", func(_ Scale, f Forecast) string { return short(f.Dollars) })
	_ = w.Flush()
	s := scales[len(scales)-1]
	fmt.Fprintf(&b, "\nwhat breaks first, with %s organizations and a publisher of 64 GiB:\n", short(float64(s.Orgs)))
	for _, l := range Limits(Measured, s) {
		fmt.Fprintf(&b, "  from %s users: %s\n", short(l.Users), l.What)
	}
	return b.String()
}

// short is a number in three digits or so.
func short(v float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e4, " k"}} {
		if v >= u.of {
			if u.of == 1e4 {
				u.of = 1e3
			}
			return fmt.Sprintf("%.3g%s", v/u.of, u.name)
		}
	}
	return fmt.Sprintf("%.0f", v)
}

func TestMakespan(t *testing.T) {
	for _, tt := range []struct {
		jobs  []float64
		slots int
		want  float64
	}{{[]float64{1, 1, 1}, 1, 3}, {[]float64{1, 1, 3}, 2, 4}, {[]float64{3, 1, 1}, 2, 3}, {nil, 4, 0}} {
		if got := makespan(tt.jobs, tt.slots); got != tt.want {
			t.Errorf("%v over %d: %v, want %v", tt.jobs, tt.slots, got, tt.want)
		}
	}
}

// What is foretold of a limit is where the simulation passes it.
func TestLimitsAreWhereTheSimulationPassesThem(t *testing.T) {
	s := scales[2]
	for _, l := range Limits(Measured, s) {
		below, above := s, s
		below.Users, above.Users = 0.99*l.Users, 1.01*l.Users
		b, a := Simulate(Measured, below), Simulate(Measured, above)
		var passed bool
		switch {
		case strings.Contains(l.What, "largest organization's models"):
			passed = b.Stale == 0 && a.Stale > 0
		case strings.Contains(l.What, "largest organization's sweep"):
			passed = b.TooLarge == 0 && a.TooLarge > 0
		case strings.Contains(l.What, "memory"):
			passed = b.Passes == 1 && a.Passes == 2
		case strings.Contains(l.What, "publisher's time"):
			passed = b.PublishHours < s.Hours && a.PublishHours > s.Hours
		case strings.Contains(l.What, "mean"):
			list, _ := Measured.hours(l.Users / float64(s.Orgs))
			passed = math.Abs(list-s.Hours) < 0.01
		}
		if !passed {
			t.Errorf("%+v: below %+v, above %+v", l, b, a)
		}
	}
}

func TestSizesAddUp(t *testing.T) {
	sum := 0.0
	for _, n := range sizes(10_000, 1e9) {
		sum += n
	}
	if math.Abs(sum-1e9) > 1 {
		t.Error(sum)
	}
}
