package freddy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// Lookup asks for users by id and returns those who are there, or of whom that cannot be excluded, each once, in the order of ids. Only who
// is missing from it is gone.
//
// What it returns is a sign of life and no list item. Raw is the profile, which has no global_role_id (api/freddy.md §4), or an object of
// nothing but the id; of an organization's member it is the member (§6). [Source.Merge] takes it as the item, with the same bytes or none
// as the profile, and leaves out what it lacks.
func (s *Source) Lookup(ctx context.Context, ids []string) ([]sweep.Item, error) {
	ids = distinct(ids)
	find, name := s.find, "id"
	if s.org != "" {
		find, name = s.findMembers, "user_id"
	}
	found, err := find(ctx, ids)
	if err != nil {
		return nil, err
	}
	var items []sweep.Item
	for _, id := range ids {
		switch f := found[id]; {
		case f.profile != nil:
			items = append(items, sweep.Item{Key: id, Raw: f.profile})
		case f.unclear:
			raw, err := json.Marshal(map[string]string{name: id})
			if err != nil {
				return nil, fmt.Errorf("encode an id: %w", err)
			}
			items = append(items, sweep.Item{Key: id, Raw: raw})
		}
	}
	return items, nil
}

// findMembers finds members of the organization one by one (api/freddy.md §6): somebody who left it is still known by id elsewhere.
func (s *Source) findMembers(ctx context.Context, ids []string) (map[string]finding, error) {
	found := make(map[string]finding, len(ids))
	for _, id := range ids {
		a, err := s.get(ctx, "/v1/organizations/"+segment(s.org)+"/users/"+segment(id))
		if err != nil {
			return nil, err
		}
		found[id] = judge(a, "user_id", id)
	}
	return found, nil
}
