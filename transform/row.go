package transform

import (
	"time"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// ModelsState says how a user's context and models are known.
type ModelsState string

// The states, as users_flat._models_state has them.
const (
	Pending   ModelsState = "pending"   // never asked for, or not to be had so far
	Fetched   ModelsState = "fetched"   // by a request of their own
	Listed    ModelsState = "listed"    // the list item carried them
	Forbidden ModelsState = "forbidden" // 403
)

// Text is a text cell; the zero value is NULL.
type Text struct {
	String string
	Valid  bool
}

// Micros is a time in microseconds since 1970, UTC; Valid is false for NULL.
type Micros struct {
	At    int64
	Valid bool
}

// MicrosOf is a time as a cell.
func MicrosOf(t time.Time) Micros { return Micros{t.UnixMicro(), true} }

// Defaults are the values of columns that an item does not give.
type Defaults struct {
	Scope  string // the organization asked, or the connection; with user_id it is a user's identity
	Org    Text   // org_id
	Region Text   // region_name
}

// PriorUser is what a run must know of a user of the version before.
type PriorUser struct {
	Scope  string
	UserID string
	Org    Text

	State       ModelsState
	ModelsAt    Micros
	StatsAtLast StatsHash // user_stats when the models were last fetched
	ItemHash    Hash
	ModelsHash  Hash
	Digest      Hash  // of the list item's bytes; zero: not known
	ExtrasHash  int64 // of the extras and of what was quarantined
}

// Bookkeeping is what users_flat keeps of a user from version to version.
type Bookkeeping struct {
	PriorUser

	UpdatedAt Micros
	Observed  bool // UpdatedAt is when a run first saw this form; the API gave none
	FirstSeen Micros
	ChangedAt Micros
	LastSeen  string // the last run that saw the user
}

// Row is one user: the twelve columns and the bookkeeping that users_flat has beside them.
type Row struct {
	Bookkeeping

	ID        Text // _id
	Email     Text
	FirstName Text
	LastName  Text
	Region    Text
	Role      Text

	// JSON columns, as they are stored; nil is NULL. They may alias the record.
	Preferences, Context, Models []byte

	Extras Extras
}

// Extras is what an item carries beside the twelve columns, as JSON; nil where absent.
type Extras struct {
	Stats, Variables, Sensitive, Actions []byte
}

// StatsHash is a hash of user_stats; Valid is false where there were none.
type StatsHash struct {
	Sum   int64
	Valid bool
}

// Issue is a value that no typed column can hold, or a row without an identity.
type Issue struct {
	Row    bool // the whole item; else one cell
	Path   string
	Column string // empty for a row
	Reason string
	Raw    []byte
}

// Decode takes a list item apart. issues are the cells that could not be held. Models that the item does not carry and bookkeeping are left to
// the caller. ok is false where the item has no usable user_id: then it belongs in quarantine whole.
func Decode(item []byte, d Defaults) (row Row, issues []Issue, ok bool) {
	row, _, issues, ok = Outlined(item, d)
	return row, issues, ok
}

// Outlined is Decode, with what Reread need not find out again.
func Outlined(item []byte, d Defaults) (row Row, o Outline, issues []Issue, ok bool) {
	f := split(item)
	o = f.outline(item)
	row, issues, ok = Reread(item, o, d)
	if !ok {
		return row, o, issues, false
	}
	if row.State == Listed {
		row.SetModels(row.Context, row.Models)
	}
	row.ItemHash = row.hashItem()
	row.ExtrasHash = row.Extras.sum(issues)
	row.Digest = d.Digest(item)
	o.Digest, o.exact = row.Digest, len(issues) == 0
	return row, o, issues, true
}

// Reread is Decode without the hashes, for an item whose hashes are known. The outline may be the zero one.
func Reread(item []byte, o Outline, d Defaults) (row Row, issues []Issue, ok bool) {
	f := o.fields(item)
	id, exact := rawjson.Unquote(f.userID)
	if rawjson.KindOf(f.userID) != rawjson.String || id == "" || !exact {
		return Row{}, nil, false
	}
	c := cells{report: func(i Issue) { issues = append(issues, i) }, exact: o.exact}
	row = Row{Extras: Extras{f.stats, f.variables, f.sensitive, f.actions}}
	row.Scope, row.UserID = d.Scope, id
	row.ID, row.Email, row.FirstName = c.id(f.id, "_id", in("_id")), c.text(f.email, "email"), c.text(f.first, "first_name")
	row.LastName, row.Org, row.Region = c.text(f.last, "last_name"), c.text(f.org, "org_id"), c.text(f.region, "region_name")
	row.Role, row.Preferences = c.text(f.role, "role"), c.json(f.preferences, "preferences")
	if absent(f.org) {
		row.Org = d.Org
	}
	if absent(f.region) {
		row.Region = d.Region
	}
	row.UpdatedAt = c.time(f.updated, "updated_at", in("updated_at"))
	row.Observed = absent(f.updated)
	if absent(f.context) { // null is not [], which says that there is none (CONTRACT §3)
		f.context = nil
	}
	if absent(f.models) {
		f.models = nil
	}
	if f.context != nil || f.models != nil {
		row.State = Listed
		row.Context, row.Models = c.json(f.context, "additional_context"), c.json(f.models, "user_models")
	}
	return row, issues, true
}

// StatsOf is the hash of an item's user_stats.
func StatsOf(item []byte) StatsHash { return Extras{Stats: split(item).stats}.StatsSum() }

// DecodeModels takes the answer to a user_model request apart: its context and models as they are stored, nil where absent.
func DecodeModels(answer []byte, report func(Issue)) (context, models []byte) {
	c := cells{report: report}
	_ = rawjson.Members(answer, func(key, value []byte) error { // the answer was validated when it came
		switch string(rawjson.Plain(key)) {
		case `"additional_context"`:
			context = c.json(value, "additional_context")
		case `"user_models"`:
			models = c.json(value, "user_models")
		}
		return nil
	})
	return context, models
}

func absent(v []byte) bool { return v == nil || rawjson.KindOf(v) == rawjson.Null }

// fields are the members of a list item that have a place in the tables. Of a name that comes twice, the last counts.
type fields struct {
	id, context, email, first, last, org, preferences, region, role, updated, userID, models []byte
	stats, variables, sensitive, actions                                                     []byte
}

func split(item []byte) fields {
	var f fields
	var plainID []byte
	_ = rawjson.Members(item, func(key, value []byte) error { // the item was validated when it came; what is no object has no fields
		name := string(rawjson.Plain(key))
		if dst := f.place(name); dst != nil {
			*dst = value
		} else if name == `"id"` {
			plainID = value
		}
		return nil
	})
	if absent(f.id) {
		f.id = plainID
	}
	return f
}

func (f *fields) place(key string) *[]byte {
	switch key {
	case `"_id"`:
		return &f.id
	case `"additional_context"`:
		return &f.context
	case `"email"`:
		return &f.email
	case `"first_name"`:
		return &f.first
	case `"last_name"`:
		return &f.last
	case `"org_id"`:
		return &f.org
	case `"preferences"`:
		return &f.preferences
	case `"region_name"`:
		return &f.region
	case `"role"`:
		return &f.role
	case `"updated_at"`:
		return &f.updated
	case `"user_id"`:
		return &f.userID
	case `"user_models"`:
		return &f.models
	case `"user_stats"`:
		return &f.stats
	case `"nonsensitive_variables"`:
		return &f.variables
	case `"sensitive_variables"`:
		return &f.sensitive
	case `"enable_actions_access"`:
		return &f.actions
	}
	return nil
}

// column is the row's value of a column of users but updated_at, for code that goes column by column.
func (r *Row) column(c schema.Column) (v []byte, valid bool) {
	text := func(t Text) ([]byte, bool) { return []byte(t.String), t.Valid }
	switch c.Name {
	case "_id":
		return text(r.ID)
	case "additional_context":
		return r.Context, r.Context != nil
	case "email":
		return text(r.Email)
	case "first_name":
		return text(r.FirstName)
	case "last_name":
		return text(r.LastName)
	case "org_id":
		return text(r.Org)
	case "preferences":
		return r.Preferences, r.Preferences != nil
	case "region_name":
		return text(r.Region)
	case "role":
		return text(r.Role)
	case "user_id":
		return []byte(r.UserID), true
	case "user_models":
		return r.Models, r.Models != nil
	}
	panic("transform: users has no column " + c.Name)
}
