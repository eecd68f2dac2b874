package pipeline

import (
	"context"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// learnKept takes in the preferences of users who are kept though they were not seen: their columns are typed for them too, or what others bring
// might leave theirs a type that their values do not fit.
func (r *run) learnKept(ctx context.Context, d *decisions) error {
	keep := d.keptKeys()
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
