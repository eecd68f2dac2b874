package night

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

const format = 1 // of the documents

// Plan is what a night is over. It never changes.
type Plan struct {
	Format  int       `json:"format"`
	Night   string    `json:"night"`
	Run     string    `json:"run_id"` // the night as a run: the mark of the tables that it is published to
	Created time.Time `json:"created"`
	Orgs    []string  `json:"orgs"`
}

// ReadOrgs reads organizations, one a line; empty lines and what follows a # are nothing.
func ReadOrgs(r io.Reader) ([]string, error) {
	var orgs []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			orgs = append(orgs, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the organizations: %w", err)
	}
	slices.Sort(orgs)
	if orgs = slices.Compact(orgs); len(orgs) == 0 {
		return nil, &UsageError{Message: "there are no organizations", Advice: []string{"--orgs FILE: one organization a line"}}
	}
	return orgs, nil
}

// Freeze makes the night's plan, or reads the one that it has; made says which. The error is a *UsageError where it has another, and where organizations of the
// latest night before are missing from it and allowRemoved does not say that they are to be: their rows would go from the lake.
func Freeze(ctx context.Context, p *Place, night string, orgs []string, now time.Time, allowRemoved bool) (plan Plan, made bool, err error) {
	if err := CheckDate(night); err != nil {
		return plan, false, err
	}
	there, err := p.isThere(ctx, planName(night), &plan)
	if err != nil {
		return plan, false, err
	}
	if !there {
		if err := checkRemoved(ctx, p, night, orgs, allowRemoved); err != nil {
			return plan, false, err
		}
		now = now.UTC().Truncate(time.Microsecond)
		ours := Plan{Format: format, Night: night, Run: runID(now), Created: now, Orgs: orgs}
		if made, err = p.createDoc(ctx, planName(night), ours); err != nil {
			return plan, false, err
		}
		if plan, err = ReadPlan(ctx, p, night); err != nil {
			return plan, false, err
		}
	}
	if !slices.Equal(plan.Orgs, orgs) {
		return plan, false, &UsageError{
			Message: fmt.Sprintf("night %s has a plan already, of %d organizations, and it is another one", night, len(plan.Orgs)),
			Advice:  []string{"a night's plan never changes: enqueue it with the same organizations, or another night"},
		}
	}
	return plan, made, nil
}

func checkRemoved(ctx context.Context, p *Place, night string, orgs []string, allow bool) error {
	nights, err := Nights(ctx, p)
	if err != nil || allow {
		return err
	}
	nights = slices.DeleteFunc(nights, func(n string) bool { return n >= night })
	if len(nights) == 0 {
		return nil
	}
	before, err := ReadPlan(ctx, p, nights[len(nights)-1])
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(slices.Clone(before.Orgs), func(org string) bool { return slices.Contains(orgs, org) })
	if len(gone) == 0 {
		return nil
	}
	return &UsageError{
		Message: fmt.Sprintf("%d organizations of the night of %s are missing, %q first: their rows would go from the lake", len(gone), before.Night, gone[0]),
		Advice:  []string{"--allow-removed, if they are to go", "name all organizations: what a night publishes is all there is"},
	}
}

// Nights are the nights that have a plan, in their order.
func Nights(ctx context.Context, p *Place) ([]string, error) {
	names, err := p.store.list(ctx, plansRoot)
	if err != nil {
		return nil, fmt.Errorf("list the nights: %w", err)
	}
	var nights []string
	for _, n := range names {
		if night := path.Base(n); CheckDate(night) == nil {
			nights = append(nights, night)
		}
	}
	slices.Sort(nights)
	return nights, nil
}

// ReadPlan is the night's plan; an error wrapping fs.ErrNotExist where it has none.
func ReadPlan(ctx context.Context, p *Place, night string) (plan Plan, err error) {
	if err := CheckDate(night); err != nil {
		return plan, err
	}
	return plan, p.readDoc(ctx, planName(night), &plan)
}
