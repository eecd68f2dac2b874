package pipeline

import (
	"context"
	"fmt"
	"iter"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// learnKept takes in the preferences that the sweep did not: those of users who are kept though they were not seen, and, where a column gets
// another type or a contract kept values out of it that it has no more, those of users whose items are what they were. Columns are typed for them too, or
// what others bring might leave theirs a type that their values do not fit.
func (r *run) learnKept(ctx context.Context, d *decisions) error {
	if d.any(kept) {
		if err := r.learnOf(ctx, d, func(x *decision) bool { return x.what == kept }); err != nil {
			return err
		}
	}
	if !r.prior.exists || !r.reuses || !r.prefs.Widens() && !r.prior.barred {
		return nil
	}
	return r.learnOf(ctx, d, func(x *decision) bool { return x.entry != nil && x.entry.reused })
}

// learnOf takes in the preferences that the version before has of these users, whose rows there have the order of the decisions.
func (r *run) learnOf(ctx context.Context, d *decisions, is func(*decision) bool) error {
	next, stop := iter.Pull(d.each())
	defer stop()
	return eachBatch(ctx, r.prior.version, r.mem, schema.NameUsers, []string{"user_id", "preferences"}, func(c transform.Columns) error {
		for i := range c.Rows() {
			x, ok := next()
			for ok && !x.known {
				x, ok = next()
			}
			if !ok || x.id.user != c.Text("user_id", i).String {
				return fmt.Errorf("read the version %s: users and users_flat do not have the same rows", r.prior.version.Run)
			}
			if is(x) {
				r.prefs.Learn(c.JSON("preferences", i))
			}
		}
		return nil
	})
}
