package pipeline

import (
	"context"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// learnKept takes in the preferences that the sweep did not: those of users who are kept though they were not seen, and, where a column gets
// another type, those of users whose items are what they were. Columns are typed for them too, or what others bring might leave theirs a type
// that their values do not fit.
func (r *run) learnKept(ctx context.Context, d *decisions) error {
	if err := r.learnOf(ctx, d.keysOf(func(x *decision) bool { return x.what == kept })); err != nil || !r.prefs.Widens() {
		return err
	}
	return r.learnOf(ctx, d.keysOf(func(x *decision) bool { return x.entry != nil && x.entry.reused }))
}

// learnOf takes in the preferences that the version before has of these users.
func (r *run) learnOf(ctx context.Context, keep map[userKey]identity) error {
	if len(keep) == 0 {
		return nil
	}
	return eachBatch(ctx, r.prior.version, r.mem, schema.NameUsers, []string{"org_id", "user_id", "preferences"}, func(c transform.Columns) error {
		for i := range c.Rows() {
			if _, ok := keep[keyAt(c, i)]; ok {
				r.prefs.Learn(c.JSON("preferences", i))
			}
		}
		return nil
	})
}
