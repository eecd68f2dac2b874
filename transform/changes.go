package transform

import (
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// ChangedPaths names what differs between two forms of one user among the twelve columns: $.email, $.preferences.timezone. An observed
// updated_at never differs.
func ChangedPaths(older, newer *Row) []string {
	var paths []string
	for _, c := range schema.Users.Columns {
		path := "$." + c.Name
		if c.Name == "updated_at" {
			if a, b := older.sourceTime(), newer.sourceTime(); a != b {
				paths = append(paths, path)
			}
			continue
		}
		a, okA := older.column(c)
		b, okB := newer.column(c)
		switch {
		case okA != okB:
			paths = append(paths, path)
		case !okA:
		case c.Type.Kind == schema.JSON:
			paths = rawjson.AppendDiff(paths, path, a, b)
		case string(a) != string(b):
			paths = append(paths, path)
		}
	}
	return paths
}

func (r *Row) sourceTime() Micros {
	if r.Observed {
		return Micros{}
	}
	return r.UpdatedAt
}
