package sandbox

import (
	"net/http"
	"slices"
	"strconv"
)

// userModel is GET user/{id}/user_model (api/amigo.md §3.6). A user who keeps their model from administrators answers 403, and
// so does one who is out of the caller's sight.
func (s *Sandbox) userModel(c *call) answer {
	s.population.RLock()
	defer s.population.RUnlock()
	h, ok := s.people.byID(c.path[2])
	if !ok {
		if s.people.hides(c.path[2]) {
			return noModel()
		}
		return noUser()
	}
	who := s.people.list.at(h)
	if who.forbidden() {
		return noModel()
	}
	b := who.appendModels([]byte(`{"user_models":`), false)
	b = appendStrings(append(b, `,"additional_context":`...), who.context)
	return success(append(b, '}'))
}

func noModel() answer { return *refuse(http.StatusForbidden, "Missing permission User:GetUserModel") }

// maxMemories is the most a page of memories holds, and what it holds unless told otherwise (api/amigo.md §3.7).
const maxMemories = 50

// userMemories is GET user/{id}/memory.
func (s *Sandbox) userMemories(c *call) answer {
	q := parameters{call: c}
	limit := q.number("limit", maxMemories, 0, maxMemories)
	skip := q.number("continuation_token", 0, 0, -1)
	ids, conversations := q.texts("id", isObjectID), q.texts("conversation_id", isObjectID)
	keys := q.sorting([]string{"conversation_id", "created_at"})
	if q.any() {
		return q.answer()
	}
	s.population.RLock()
	defer s.population.RUnlock()
	h, ok := s.people.byID(c.path[2])
	if !ok {
		return noUser()
	}
	list := s.people.memories(h)
	list = slices.DeleteFunc(list, func(m memory) bool {
		return len(ids) > 0 && !slices.Contains(ids, m.id) || len(conversations) > 0 && !slices.Contains(conversations, m.conversation)
	})
	slices.SortStableFunc(list, func(a, b memory) int {
		for _, k := range keys {
			if c := k.compare(a.value(k.field), b.value(k.field)); c != 0 {
				return c
			}
		}
		return 0
	})
	from := min(skip, len(list))
	to := min(from+limit, len(list))
	b := appendList([]byte(`{"memories":`), list[from:to], appendMemory)
	if to < len(list) {
		b = strconv.AppendInt(append(b, `,"has_more":true,"continuation_token":`...), int64(skip+to-from), 10)
		return success(append(b, '}'))
	}
	return success(append(b, `,"has_more":false,"continuation_token":null}`...))
}

// memories are made anew like the rest of a person; people who came later have none.
func (p *people) memories(h handle) []memory {
	if h >= p.born {
		return nil
	}
	return p.make.memories(h)
}

func (m memory) value(field string) sortValue {
	if field == "conversation_id" {
		return sortValue{text: m.conversation}
	}
	return sortValue{number: stats{last: m.createdAt}.talked()}
}

func appendMemory(b []byte, m memory) []byte {
	b = appendString(append(b, `{"id":`...), m.id)
	b = appendString(append(b, `,"created_at":`...), m.createdAt)
	b = appendString(append(b, `,"conversation_id":`...), m.conversation)
	b = appendStrings(append(b, `,"references":`...), []string{m.reference})
	b = appendString(append(b, `,"content":`...), m.content)
	b = appendString(append(b, `,"context":`...), m.context)
	return append(b, '}')
}

// getRoles is GET role/ (api/amigo.md §3.10).
func (s *Sandbox) getRoles(c *call) answer {
	q := parameters{call: c}
	withGrants := q.flag("return_permission_grants")
	ids, names := q.texts("id", isObjectID), q.texts("name")
	if q.any() {
		return q.answer()
	}
	roles := slices.DeleteFunc(slices.Clone(s.people.make.roles), func(r role) bool {
		return len(ids) > 0 && !slices.Contains(ids, r.id) || len(names) > 0 && !slices.Contains(names, r.name)
	})
	b := appendList([]byte(`{"roles":`), roles, func(b []byte, r role) []byte { return r.append(b, s.options.Org, withGrants) })
	return success(append(b, '}'))
}

// getDimensions is GET organization/user_dimensions/ (api/amigo.md §3.6).
func (s *Sandbox) getDimensions(*call) answer {
	return success(append(appendList([]byte(`{"user_dimensions":`), dimensions, appendDimension), '}'))
}
