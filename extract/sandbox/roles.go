package sandbox

// role is one of the organization's roles (api/amigo.md §3.10).
type role struct {
	id, name, description, view string
	grants                      []string // permission names
	outranks                    bool     // ranks above the caller, who may neither assign it nor create users with it
}

const (
	userRole       = "DefaultUserRole"
	adminRole      = "DefaultAdministratorRole"
	superAdminRole = "DefaultSuperAdministratorRole"
)

func makeRoles(key uint64) []role {
	roles := []role{
		{name: userRole, description: "An ordinary user.", view: "client", grants: []string{"User:GetUserInfo"}},
		{name: adminRole, description: "Runs the organization.", view: "admin", grants: []string{"User:GetUserInfo", "User:InviteUser", "User:UpdateUserInfo", "User.DeleteUser"}},
		{name: "DefaultAmigoAdministratorRole", description: "Amigo's own staff.", view: "admin", grants: []string{"User:GetUserInfo", "User:GetUserModel"}},
		{name: superAdminRole, description: "May do everything.", view: "admin", grants: []string{"User:GetUserInfo", "User:GetUserModel", "Role:GetRole"}, outranks: true},
		{name: "CareCoach", description: "Custom: coaches, with a \"quote\" in the text.", view: "client", grants: []string{"User:GetUserInfo"}},
		{name: "Bénévole", description: "Custom: volunteers, outside the clinic.", view: "client"},
	}
	for i := range roles {
		d := roll(key, hashOf("role"), uint64(i))
		roles[i].id = "68" + d.hex(22)
	}
	return roles
}

// pickRole is an ordinary user's role for most, any other for the rest.
func (g *generator) pickRole(d *dice) string {
	if d.percent(90) {
		return g.roles[0].id
	}
	return pick(d, g.roles[1:]).id
}

// roleNamed finds a role by its name.
func (g *generator) roleNamed(name string) (role, bool) {
	for _, r := range g.roles {
		if r.name == name {
			return r, true
		}
	}
	return role{}, false
}

// append appends the role as get-roles gives it. Grants come only where they are asked for; each is conditioned on the
// organization, so that a client meets a condition.
func (r role) append(b []byte, org string, withGrants bool) []byte {
	b = appendString(append(b, `{"id":`...), r.id)
	b = appendString(append(b, `,"name":`...), r.name)
	b = appendString(append(b, `,"description":`...), r.description)
	b = appendString(append(b, `,"frontend_view":`...), r.view)
	grants := r.grants
	if !withGrants {
		grants = nil
	}
	b = appendList(append(b, `,"permission_grants":`...), grants, func(b []byte, permission string) []byte {
		b = appendString(append(b, `{"permission_name":`...), permission)
		b = appendString(append(b, `,"conditions":{"org_id":{"type":"Equals","value":`...), org)
		return append(b, `}}}`...)
	})
	return append(b, '}')
}
