package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// Bounds on a user's variables (api/amigo.md §3.1 and §3.5).
const (
	maxPlainAtCreation  = 19
	maxSecretAtCreation = 20
	maxPlain            = 20
	maxKeyterms         = 20
	maxVariableValue    = 255
)

// noContent is the 204 of a write that says nothing.
func noContent() answer { return answer{status: http.StatusNoContent} }

func noUser() answer { return *refuse(http.StatusNotFound, "User not found") }

// createUser is POST user/ (api/amigo.md §3.1). The new user stands last in the unsorted list.
func (s *Sandbox) createUser(c *call) answer {
	body, bad := readBody(c)
	who := &person{}
	who.first, _ = body.text("first_name", required, atLeast(1))
	who.last, _ = body.text("last_name", required, atLeast(1))
	who.email = body.email("email", required)
	roleName, _ := body.text("role_name", required)
	body.link("login_link", nullable)
	who.variables = body.dictionary("nonsensitive_user_variables", maxPlainAtCreation, isVariableName)
	for _, v := range body.dictionary("sensitive_user_variables", maxSecretAtCreation, isVariableName) {
		who.secrets = append(who.secrets, v.key)
	}
	who.preferences = body.newPreferences()
	if bad.any() {
		return bad.answer()
	}
	s.population.Lock()
	defer s.population.Unlock()
	role, found := s.people.make.roleNamed(roleName)
	switch _, taken := s.people.byEmail(who.email); {
	case !found:
		return *refuse(http.StatusNotFound, "Role not found")
	case role.outranks:
		return *refuse(http.StatusForbidden, "Missing permission User:InviteUser")
	case taken:
		return *refuse(http.StatusConflict, "A user with this email already exists")
	}
	who.role = role.id
	s.people.add(who, len(s.people.list.order))
	return answer{status: http.StatusCreated, body: append(appendString([]byte(`{"user_id":`), who.id), `,"verify_link":null}`...)}
}

// newPreferences reads user_preferences and fills in the documented defaults (api/amigo.md §2.3).
func (b *requestBody) newPreferences() object {
	in, _ := b.within("user_preferences", nullable)
	flag := func(name string, otherwise bool) member {
		v, given := in.flag(name, optional)
		if !given {
			v = otherwise
		}
		return member{name, strconv.FormatBool(v)}
	}
	text := func(name string, checks ...check) member {
		if v, given := in.text(name, nullable, checks...); given {
			return member{name, quoted(v)}
		}
		return member{name, "null"}
	}
	terms, _ := in.texts("audio_keyterms", optional, -1)
	return object{
		flag("enable_response_recommendation", false),
		text("preferred_language", atLeast(2), atMost(3)),
		flag("conversations_visible_to_admins", true),
		flag("user_model_visible_to_admins", true),
		text("timezone", atLeast(1)),
		{"audio_keyterms", string(appendStrings(nil, terms))},
	}
}

// updateUser is POST user/{id} (api/amigo.md §3.2): what is given changes, and additional_context is replaced.
func (s *Sandbox) updateUser(c *call) answer {
	body, bad := readBody(c)
	var edits []func(*person)
	edit := func(given bool, e func(*person)) {
		if given {
			edits = append(edits, e)
		}
	}
	prefer := func(given bool, key, value string) {
		edit(given, func(p *person) { p.preferences = p.preferences.with(key, value) })
	}
	first, given := body.text("first_name", nullable, atLeast(1))
	edit(given, func(p *person) { p.first = first })
	last, given := body.text("last_name", nullable, atLeast(1))
	edit(given, func(p *person) { p.last = last })
	for _, key := range []string{"enable_response_recommendation", "conversations_visible_to_admins", "user_model_visible_to_admins"} {
		v, given := body.flag(key, nullable)
		prefer(given, key, strconv.FormatBool(v))
	}
	language, given := body.settable("preferred_language", atLeast(3), atMost(3))
	prefer(given, "preferred_language", language)
	zone, given := body.settable("timezone", atLeast(1))
	prefer(given, "timezone", zone)
	context, given := body.texts("additional_context", nullable, -1, atLeast(1))
	edit(given, func(p *person) { p.context = context })
	terms, given := body.texts("audio_keyterms", nullable, maxKeyterms, isKeyterm)
	prefer(given, "audio_keyterms", string(appendStrings(nil, terms)))
	if bad.any() {
		return bad.answer()
	}
	return s.edit(c, func(p *person) {
		for _, e := range edits {
			e(p)
		}
	})
}

// settable reads a field that {} or absence leave as it is and null erases: its JSON text, and whether to set it.
func (b *requestBody) settable(name string, checks ...check) (string, bool) {
	raw, there := b.fields[name]
	if there && string(raw) == "null" {
		return "null", true
	}
	if there && raw[0] == '{' {
		return "", false
	}
	v, given := b.text(name, optional, checks...)
	return quoted(v), given
}

// edit changes the user whom the path names.
func (s *Sandbox) edit(c *call, change func(*person)) answer {
	s.population.Lock()
	defer s.population.Unlock()
	h, ok := s.people.byID(c.path[2])
	if !ok {
		return noUser()
	}
	s.people.change(h, change)
	return noContent()
}

// deleteUser is DELETE user/{id} (api/amigo.md §3.3): the user is in no list afterwards.
func (s *Sandbox) deleteUser(c *call) answer {
	s.population.Lock()
	defer s.population.Unlock()
	h, ok := s.people.byID(c.path[2])
	if !ok {
		return noUser()
	}
	s.people.remove(h)
	return noContent()
}

// modifyVariables is POST user/{id}/variable (api/amigo.md §3.5). Deletions come before upserts.
func (s *Sandbox) modifyVariables(c *call) answer {
	body, bad := readBody(c)
	type upsert struct {
		name, value string
		secret      bool
	}
	var upserts []upsert
	for _, item := range body.list("upserts") {
		name, _ := item.text("name", required, isVariableName)
		value, _ := item.text("value", required, atLeast(1), atMost(maxVariableValue))
		secret, _ := item.flag("is_secret", required)
		upserts = append(upserts, upsert{name, value, secret})
	}
	var deletes []string
	for _, item := range body.list("deletes") {
		name, _ := item.text("name", required, isVariableName)
		deletes = append(deletes, name)
	}
	if bad.any() {
		return bad.answer()
	}
	s.population.Lock()
	defer s.population.Unlock()
	h, ok := s.people.byID(c.path[2])
	if !ok {
		return noUser()
	}
	who := s.people.list.at(h)
	plain, secrets := who.variables, who.secrets
	for _, name := range deletes {
		if plain.get(name) == "" && !slices.Contains(secrets, name) {
			return *refuse(http.StatusBadRequest, fmt.Sprintf("Variable %q does not exist", name))
		}
		plain, secrets = plain.without(name), without(secrets, name)
	}
	for _, u := range upserts {
		if u.secret {
			plain, secrets = plain.without(u.name), append(without(secrets, u.name), u.name)
		} else {
			plain, secrets = plain.with(u.name, quoted(u.value)), without(secrets, u.name)
		}
	}
	if len(plain) > maxPlain {
		return *refuse(http.StatusBadRequest, fmt.Sprintf("A user has at most %d nonsensitive variables", maxPlain))
	}
	s.people.change(h, func(p *person) { p.variables, p.secrets = plain, secrets })
	return noContent()
}

// assignRole is POST role/{name}/assign (api/amigo.md §3.10).
func (s *Sandbox) assignRole(c *call) answer {
	body, bad := readBody(c)
	id, _ := body.text("user_id", required)
	if bad.any() {
		return bad.answer()
	}
	s.population.Lock()
	defer s.population.Unlock()
	role, found := s.people.make.roleNamed(c.path[2])
	h, known := s.people.byID(id)
	switch {
	case !found:
		return *refuse(http.StatusNotFound, "Role not found")
	case role.outranks:
		return *refuse(http.StatusForbidden, "Missing permission Role:AssignRole")
	case !known:
		return noUser()
	}
	s.people.change(h, func(p *person) { p.role = role.id })
	return success(append(appendString([]byte(`{"role_id":`), role.id), '}'))
}
