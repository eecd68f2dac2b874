package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// freddy is the second source: Aitronos Freddy's users (api/freddy.md), over a population of the same make.
type freddy struct {
	key  uint64
	orgs []string
	list roster[freddyUser]
	now  func() time.Time
}

// freddyUser is the documented object of nineteen fields (api/freddy.md §4): a nil field is null or absent.
type freddyUser struct {
	id, email                              string
	username, fullName, first, last        *string
	birthday, gender, image, zone, country *string
	postCode, org, role                    *string
	lastVerified, lastLogin                *string
	createdAt, updatedAt                   string
	active                                 bool
	sparse                                 bool // what is nil is left out where the specification lets it be
}

func newFreddy(o Options) *freddy {
	key := roll(o.Seed, hashOf("freddy"))
	f := &freddy{key: key.next(), now: o.Now}
	for range 2 {
		f.orgs = append(f.orgs, "org_"+key.hex(24))
	}
	f.list = newRoster(o.Freddy, f.user)
	return f
}

// FreddyOrg is the id of the organization that most of Freddy's users belong to.
func (s *Sandbox) FreddyOrg() string { return s.freddy.orgs[0] }

// freddyPrefix begins every id (api/freddy.md §4).
const freddyPrefix = "usr_"

func (f *freddy) user(h handle) *freddyUser {
	d := roll(f.key, uint64(h))
	first, last := pick(&d, firstNames), pick(&d, lastNames)
	u := &freddyUser{id: freddyPrefix + makeID(&d, h)}
	local := first.plain + "." + last.plain + "." + strconv.FormatUint(uint64(mailNumbers.hide(h)), 36)
	u.email = local + "@" + pick(&d, mailDomains)
	but := func(missing int, text string) *string {
		if d.percent(missing) {
			return nil
		}
		return &text
	}
	u.first, u.last = but(10, first.written), but(10, last.written)
	if d.percent(15) { // who signs up by themselves gives a full name only
		u.first, u.last = nil, nil
	}
	u.fullName = but(5, first.written+" "+last.written)
	u.username = but(15, local)
	u.birthday = but(30, epoch.AddDate(-d.between(20, 90), 0, d.below(365)).Format(time.DateOnly))
	u.gender = but(30, pick(&d, []string{"female", "male", "other"}))
	u.image = but(50, "https://cdn.example.com/profiles/"+u.id+".jpg")
	u.zone = but(20, pick(&d, zones))
	u.country = but(20, pick(&d, []string{"US", "CH", "NP", "country_0a1b2c3d"}))
	u.postCode = but(30, pick(&d, []string{"10001", "8001", "007", "SW1A 1AA"}))
	u.org = but(5, f.orgs[0])
	if u.org != nil && d.percent(15) {
		u.org = &f.orgs[1]
	}
	u.role = but(60, pick(&d, []string{"role_admin", "role_user"}))
	u.lastVerified, u.lastLogin = but(20, moment(&d)), but(25, moment(&d))
	u.createdAt, u.updatedAt = moment(&d), moment(&d)
	u.active, u.sparse = d.percent(90), d.percent(25)
	return u
}

// byID finds a living user.
func (f *freddy) byID(id string) (handle, bool) {
	h, ok := numberOf(strings.TrimPrefix(id, freddyPrefix))
	if !ok || !f.list.living(h) || f.list.at(h).id != id {
		return 0, false
	}
	return h, true
}

// field appends one field; a nil one is null, or left out where both the user is sparse and the field may be.
func (u *freddyUser) field(b []byte, name string, value *string, mayBeAbsent bool) []byte {
	if value == nil && mayBeAbsent && u.sparse {
		return b
	}
	b = append(appendString(append(b, ','), name), ':')
	if value == nil {
		return append(b, "null"...)
	}
	return appendString(b, *value)
}

// appendThin appends the nine fields of a list item (api/freddy.md §3).
func (u *freddyUser) appendThin(b []byte) []byte {
	b = appendString(append(b, `{"id":`...), u.id)
	b = appendString(append(b, `,"email":`...), u.email)
	b = u.field(b, "first_name", u.first, true)
	b = u.field(b, "last_name", u.last, true)
	b = appendBool(append(b, `,"is_active":`...), u.active)
	b = u.field(b, "last_verified", u.lastVerified, false)
	b = u.field(b, "global_role_id", u.role, false)
	b = u.field(b, "created_at", &u.createdAt, false)
	b = u.field(b, "updated_at", &u.updatedAt, false)
	return append(b, '}')
}

// appendProfile appends the eighteen fields of a profile, which lacks global_role_id (api/freddy.md §4).
func (u *freddyUser) appendProfile(b []byte) []byte {
	b = appendString(append(b, `{"id":`...), u.id)
	b = appendString(append(b, `,"email":`...), u.email)
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"username", u.username}, {"full_name", u.fullName}, {"first_name", u.first}, {"last_name", u.last}, {"birthday", u.birthday},
		{"profile_image", u.image}, {"timezone", u.zone}, {"country_id", u.country}, {"post_code", u.postCode}, {"gender", u.gender},
	} {
		b = u.field(b, f.name, f.value, true)
	}
	b = appendBool(append(b, `,"is_active":`...), u.active)
	b = u.field(b, "last_verified", u.lastVerified, true)
	b = u.field(b, "last_login", u.lastLogin, true)
	b = u.field(b, "created_at", &u.createdAt, false)
	b = u.field(b, "updated_at", &u.updatedAt, false)
	b = u.field(b, "current_organization_id", u.org, true)
	return append(b, '}')
}

// appendMember appends a user as a member of their organization (api/freddy.md §6): the dates are the membership's.
func (u *freddyUser) appendMember(b []byte) []byte {
	b = appendString(append(b, `{"id":`...), "orgusr_"+strings.TrimPrefix(u.id, freddyPrefix))
	b = appendString(append(b, `,"user_id":`...), u.id)
	b = u.field(b, "organization_id", u.org, false)
	b = u.field(b, "full_name", u.fullName, true)
	b = appendString(append(b, `,"email":`...), u.email)
	b = u.field(b, "username", u.username, true)
	b = u.field(b, "profile_image", u.image, true)
	b = append(b, `,"role":{"id":"orgrole_member","name":"Member"},"status":{"id":"status_`...)
	if u.active {
		b = append(b, `active","name":"Active","selectable_in_ui":true}`...)
	} else {
		b = append(b, `inactive","name":"Inactive","selectable_in_ui":false}`...)
	}
	for _, name := range []string{"joined_at", "created_at", "last_modified_at"} {
		b = u.field(b, name, &u.createdAt, false)
	}
	return append(b, '}')
}

// freddyCrowd is Freddy's list as a scenario changes it. It is never sorted: it stands in the order in which users came.
type freddyCrowd struct{ *freddy }

func (c freddyCrowd) rows() []handle { return c.list.order }

func (c freddyCrowd) insert(beside handle, _ bool, _ *dice) {
	u := c.user(c.list.next)
	u.createdAt, u.updatedAt = c.stamp(), c.stamp()
	c.list.add(u, slices.Index(c.list.order, beside))
}

func (c freddyCrowd) remove(gone ...handle) {
	set := make(map[handle]struct{}, len(gone))
	for _, h := range gone {
		set[h] = struct{}{}
	}
	c.list.remove(set)
}

func (c freddyCrowd) alter(h handle, d *dice) {
	u := *c.list.at(h)
	zone := pick(d, zones)
	u.zone, u.updatedAt = &zone, c.stamp()
	c.list.put(h, &u)
}

func (c freddyCrowd) move(h, beside handle, _ *dice) { c.list.move(h, beside) }

func (f *freddy) stamp() string { return f.now().UTC().Format("2006-01-02T15:04:05.000000Z") }

// freddyRefusal is an error as Freddy shapes it (api/freddy.md §8).
func (s *Sandbox) freddyRefusal(status int, code, message string) answer {
	b := appendString([]byte(`{"success":false,"error":{"code":`), code)
	b = appendString(append(b, `,"message":`...), message)
	b = appendString(append(b, `,"system_message":`...), message)
	b = strconv.AppendInt(append(b, `,"type":"client_error","status":`...), int64(status), 10)
	b = appendString(append(b, `,"trace_id":"00000000-0000-4000-8000-000000000000","timestamp":`...), s.freddy.stamp())
	return answer{status: status, header: make(http.Header), body: append(b, "}}"...)}
}
