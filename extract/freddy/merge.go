package freddy

import (
	"errors"
	"maps"
	"slices"

	"github.com/rollcall-data/rollcall/extract/internal/jsontext"
)

// remainder are the fields without a column of their own, in the order in which additional_context has them (api/freddy.md §10).
var remainder = []string{
	"username", "full_name", "birthday", "gender", "is_active", "last_verified", "last_login", "profile_image", "country_id", "post_code", "created_at",
}

// documented are all nineteen (freddy_user.json).
var documented = append([]string{
	"id", "email", "first_name", "last_name", "timezone", "current_organization_id", "global_role_id", "updated_at",
}, remainder...)

// shared are the fields that a membership and a user both have. The other fields of a membership, its dates above all, are its own.
var shared = []string{"email", "full_name", "username", "profile_image"}

// Merge joins a list item and the profile of the same user (nil: there is none) into one record with the columns of users (api/freddy.md §10):
//
//	_id, user_id        id; _id of a member is the membership's id
//	email, first_name, last_name, updated_at   as they are
//	org_id              current_organization_id; of a member, organization_id
//	region_name         country_id
//	role                global_role_id; of a member, the role's name
//	preferences         {"timezone": …}, {} without one
//	additional_context  the other fields of the nineteen, null where they are null or absent. _extra holds what is not documented; of
//	                    a member, membership holds what else the membership says
//
// user_models is never there. Values are copied byte for byte, and the keys of a record come in alphabetical order. Where item and profile
// both have a field, the profile, which was asked for later, has the say. A key is left out where it was not fetched: org_id (but of a
// member), region_name, preferences and additional_context without a profile, and role where the item is none of the list.
//
// It is an error if either is no JSON object, if the item has no usable id, or if the profile is somebody else's.
func (s *Source) Merge(item, profile []byte) ([]byte, error) {
	r, err := s.record(item, profile)
	if err != nil {
		return nil, err
	}
	b := appendMember([]byte("{"), "_id", r.docID)
	if profile != nil {
		b = appendMember(b, "additional_context", r.context(s.org != ""))
	}
	for _, name := range []string{"email", "first_name", "last_name"} {
		b = appendMember(b, name, r.user[name].value)
	}
	b = appendMember(b, "org_id", r.org)
	if profile != nil {
		b = appendMember(b, "preferences", r.preferences())
		b = appendMember(b, "region_name", orNull(r.user["country_id"].value))
	}
	for _, m := range []struct {
		name  string
		value []byte
	}{{"role", r.role}, {"updated_at", r.user["updated_at"].value}, {"user_id", r.id}} {
		b = appendMember(b, m.name, m.value)
	}
	return append(b, '}'), nil
}

// record is a user on the way from the API's fields to the table's columns. Values are as they are written; nil was not fetched.
type record struct {
	id, docID, org, role []byte
	user                 map[string]field // the user's fields by name
	membership           []byte
}

// field is a member of an object, both parts as they are written.
type field struct{ key, value []byte }

// record takes item and profile apart and lays the one over the other.
func (s *Source) record(item, profile []byte) (record, error) {
	idName := "id"
	if s.org != "" {
		idName = "user_id"
	}
	if err := checkObject(item); err != nil {
		return record{}, errors.New("merge a user: the item is no JSON object")
	}
	key, ok := idOf(item, idName)
	if !ok {
		return record{}, errors.New("merge a user: the item has no usable id")
	}
	thin := fieldsOf(item)
	r := record{id: thin[idName].value, docID: thin["id"].value, user: thin}
	if s.org != "" {
		r.org, r.role, r.membership = thin["organization_id"].value, memberRole(thin), membershipOf(item)
		r.user = map[string]field{}
		for _, name := range shared {
			if f, ok := thin[name]; ok {
				r.user[name] = f
			}
		}
	}
	if profile != nil {
		if err := checkObject(profile); err != nil {
			return record{}, errors.New("merge a user: the profile is no JSON object")
		}
		if got, _ := idOf(profile, "id"); got != key {
			return record{}, errors.New("merge a user: the profile is another user's")
		}
		maps.Copy(r.user, fieldsOf(profile))
	}
	if s.org == "" {
		r.role = r.user["global_role_id"].value
		if profile != nil {
			r.org = orNull(r.user["current_organization_id"].value)
		}
	}
	return r, nil
}

// fieldsOf is the members of an object by name. Of a name that comes twice the last counts.
func fieldsOf(object []byte) map[string]field {
	fields := make(map[string]field, 24)
	jsontext.Members(object, func(key, value []byte) { fields[nameOf(key)] = field{key, value} })
	return fields
}

// nameOf is the name that a key stands for; one that is no text stands for itself, as it is written.
func nameOf(key []byte) string {
	if name, ok := jsontext.Text(key); ok {
		return name
	}
	return string(key)
}

// context is additional_context.
func (r record) context(member bool) []byte {
	b := []byte("{")
	for _, name := range remainder {
		b = appendMember(b, name, orNull(r.user[name].value))
	}
	if member {
		b = appendMember(b, "current_organization_id", orNull(r.user["current_organization_id"].value))
		b = appendMember(b, "membership", r.membership)
	}
	var extra []string
	for name := range r.user {
		if !slices.Contains(documented, name) {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		slices.Sort(extra)
		inner := []byte("{")
		for _, name := range extra {
			inner = appendRaw(inner, r.user[name].key, r.user[name].value)
		}
		b = appendMember(b, "_extra", append(inner, '}'))
	}
	return append(b, '}')
}

// preferences are the one field that is a preference (api/freddy.md §10).
func (r record) preferences() []byte {
	zone := r.user["timezone"].value
	if zone == nil || jsontext.IsNull(zone) {
		return []byte("{}")
	}
	return append(appendMember([]byte("{"), "timezone", zone), '}')
}

// memberRole is the name of a member's role: {"role": {"name": …}}, or flat in another generation (api/freddy.md §6).
func memberRole(member map[string]field) []byte {
	role := member["role"].value
	switch {
	case jsontext.IsObject(role):
		return fieldsOf(role)["name"].value
	case role == nil:
		return member["role_name"].value
	}
	return role
}

// membershipOf is what a member's item says beside what has a place elsewhere, in its own order.
func membershipOf(item []byte) []byte {
	b := []byte("{")
	jsontext.Members(item, func(key, value []byte) {
		name := nameOf(key)
		if name == "id" || name == "user_id" || name == "organization_id" || slices.Contains(shared, name) {
			return
		}
		b = appendRaw(b, key, value)
	})
	return append(b, '}')
}

func orNull(v []byte) []byte {
	if v == nil {
		return []byte("null")
	}
	return v
}

// appendMember appends a member, whose name needs no escapes, to an object that is open; nothing where the value was not fetched.
func appendMember(b []byte, name string, value []byte) []byte {
	if value == nil {
		return b
	}
	return appendRaw(b, []byte(`"`+name+`"`), value)
}

func appendRaw(b, key, value []byte) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, key...)
	return append(append(b, ':'), value...)
}
