package sandbox

import (
	"math"
	"strconv"
	"time"
)

// person is one user of the organization, with everything any endpoint says of them.
type person struct {
	identity
	mongoID     string // _id: 24 hex digits, in the table only
	role        string // the role's id
	stats       stats
	preferences object
	variables   object   // name → JSON string
	secrets     []string // the names of sensitive variables; their values never leave
	actions     bool     // enable_actions_access
	updatedAt   string   // RFC 3339, in the table only
	context     []string
	models      []userModel
	bare        bool // the table holds null where the list gives empty preferences, and insight ids as {"$oid":…}
}

// identity is what the list can be filtered and sorted by without making the whole person.
type identity struct{ id, first, last, email string }

type stats struct {
	conversations, messages int64
	last                    string // RFC 3339; "": never talked
}

type userModel struct {
	content    string
	insights   []string // 24 hex digits each
	dimensions []dimension
}

type dimension struct {
	description string
	tags        []string
}

type memory struct{ id, createdAt, conversation, reference, content, context string }

// forbidden says whether the person's models answer 403: api/amigo.md §3.6 ties it to a grant that stock roles lack for
// ordinary users; here the person's own preference decides.
func (p *person) forbidden() bool {
	return p.preferences.get("user_model_visible_to_admins") == "false"
}

// shape is which fields an item of the list carries.
type shape int

const (
	shapeList   shape = iota // api/amigo.md §2.2
	shapeSearch              // the same without enable_actions_access (§3.4)
	shapeFull                // the same and the columns that only the table has
)

// appendItem appends the person as an item of the list, of a search or of a list whose items are full.
func (p *person) appendItem(b []byte, org string, s shape) []byte {
	b = append(b, '{')
	if s == shapeFull {
		b = append(appendString(append(b, `"_id":`...), p.mongoID), ',')
	}
	b = appendString(append(b, `"org_id":`...), org)
	b = appendString(append(b, `,"user_id":`...), p.id)
	b = appendString(append(b, `,"first_name":`...), p.first)
	b = appendString(append(b, `,"last_name":`...), p.last)
	b = appendString(append(b, `,"email":`...), p.email)
	b = p.stats.append(append(b, `,"user_stats":`...))
	b = appendString(append(b, `,"role":`...), p.role)
	b = p.appendPreferences(append(b, `,"preferences":`...), s == shapeFull)
	b = p.variables.append(append(b, `,"nonsensitive_variables":`...))
	b = appendStrings(append(b, `,"sensitive_variables":`...), p.secrets)
	if s != shapeSearch {
		b = appendBool(append(b, `,"enable_actions_access":`...), p.actions)
	}
	if s == shapeFull {
		b = appendString(append(b, `,"region_name":`...), regionName)
		b = appendString(append(b, `,"updated_at":`...), p.updatedAt)
		b = appendStrings(append(b, `,"additional_context":`...), p.context)
		b = p.appendModels(append(b, `,"user_models":`...), true)
	}
	return append(b, '}')
}

// appendPreferences appends the preferences. As the table has them, a person who never set any has null.
func (p *person) appendPreferences(b []byte, table bool) []byte {
	if table && p.bare && len(p.preferences) == 0 {
		return append(b, "null"...)
	}
	return p.preferences.append(b)
}

func (s stats) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"num_conversations":`...), s.conversations, 10)
	b = strconv.AppendInt(append(b, `,"num_messages":`...), s.messages, 10)
	b = appendOptional(append(b, `,"last_message_time":`...), s.last)
	return append(b, '}')
}

// appendModels appends the array of models. As the table has them, a bare person's insight ids are objects in MongoDB's
// extended JSON (api/amigo.md §6.2); the REST endpoint gives strings.
func (p *person) appendModels(b []byte, table bool) []byte {
	insight := appendString
	if table && p.bare {
		insight = func(b []byte, id string) []byte {
			return append(appendString(append(b, `{"$oid":`...), id), '}')
		}
	}
	return appendList(b, p.models, func(b []byte, m userModel) []byte {
		b = appendString(append(b, `{"content":`...), m.content)
		b = appendList(append(b, `,"insight_ids":`...), m.insights, insight)
		b = appendList(append(b, `,"dimensions":`...), m.dimensions, appendDimension)
		return append(b, '}')
	})
}

func appendDimension(b []byte, d dimension) []byte {
	b = appendString(append(b, `{"description":`...), d.description)
	b = appendStrings(append(b, `,"tags":`...), d.tags)
	return append(b, '}')
}

// talked is the time of the last message for sorting, in nanoseconds; the least of all for one who never talked.
func (s stats) talked() int64 {
	at, err := time.Parse(time.RFC3339Nano, s.last)
	if err != nil {
		return math.MinInt64
	}
	return at.UnixNano()
}
