package transform

import (
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// counts are the numbers of context entries and models, -1 for NULL.
type counts struct{ context, models int64 }

func (b *Builder) flat(r *Row, n counts, report func(Issue)) error {
	t := b.tables[schema.NameUsersFlat]
	t.text(r.ID)
	t.text(r.Email)
	t.text(r.FirstName)
	t.text(r.LastName)
	t.text(r.Org)
	t.text(r.Region)
	t.text(r.Role)
	t.text(b.roleName(r))
	t.time(r.UpdatedAt)
	t.str(r.UserID)
	b.preferences(t, r, report)
	stats(t, r.Extras.Stats, report)
	c := cells{report: report}
	t.bool(c.bool(r.Extras.Actions, "enable_actions_access", in("enable_actions_access")))
	t.int(n.context, n.context >= 0)
	t.int(n.models, n.models >= 0)
	t.str(string(r.State))
	t.time(r.ModelsAt)
	if r.Observed {
		t.str("observed")
	} else {
		t.str("source")
	}
	t.time(r.FirstSeen)
	t.time(r.ChangedAt)
	t.str(b.run)
	t.str(r.Scope)
	t.blob(r.ItemHash[:])
	t.blob(r.ModelsHash[:])
	t.blob(r.Digest[:])
	t.int(r.ExtrasHash, true)
	t.int(r.StatsAtLast.Sum, r.StatsAtLast.Valid)
	t.str(r.LastSeen)
	return t.end()
}

// roleName is the name of a user's role, NULL where the user has none or the roles do not.
func (b *Builder) roleName(r *Row) Text {
	if !r.Role.Valid {
		return Text{}
	}
	return b.roles[r.Scope][r.Role.String]
}

func stats(t *batcher, raw []byte, report func(Issue)) {
	c := cells{report: report}
	var conversations, messages, last []byte
	if rawjson.KindOf(raw) == rawjson.Object {
		_ = rawjson.Members(raw, func(key, value []byte) error { // validated when it came
			switch string(rawjson.Plain(key)) {
			case `"num_conversations"`:
				conversations = value
			case `"num_messages"`:
				messages = value
			case `"last_message_time"`:
				last = value
			}
			return nil
		})
	} else if !absent(raw) {
		c.issue("num_conversations", in("user_stats"), "not an object", raw)
	}
	at := in("user_stats")
	t.int(c.int(conversations, "num_conversations", at.child("num_conversations")))
	t.int(c.int(messages, "num_messages", at.child("num_messages")))
	t.time(c.time(last, "last_message_time", at.child("last_message_time")))
}

func (b *Builder) preferences(t *batcher, r *Row, report func(Issue)) {
	clear(b.cells)
	b.prefs.cells(r.Preferences, b.cells)
	for i, c := range b.prefs.columns {
		v := b.cells[i]
		if !c.barred {
			b.preference(t, c.Column, v, report)
		} else if !absent(v) {
			report(Issue{Path: c.Path, Column: c.Name, Reason: "a new path, which schema.contract quarantines", Raw: v})
		}
	}
}

// preference appends one typed cell. A learned column holds whatever was learned; a documented one may meet what it cannot hold.
func (b *Builder) preference(t *batcher, col schema.Column, v []byte, report func(Issue)) {
	if absent(v) {
		t.null()
		return
	}
	kind := rawjson.KindOf(v)
	switch {
	case col.Type.Kind == schema.JSON:
		t.json(v)
		return
	case col.Type.Kind == schema.String && kind == rawjson.String:
		t.quoted(v)
		return
	case col.Type.Kind == schema.Bool && kind == rawjson.Bool:
		t.bool(v[0] == 't', true)
		return
	case col.Type.Kind == schema.StringList && isTextList(v):
		t.quotedList(v)
		return
	case kind == rawjson.Number:
		if b.numeric(t, col.Type, number{v}) {
			return
		}
	}
	report(Issue{Path: col.Path, Column: col.Name, Reason: "not a " + col.Type.String(), Raw: v})
	t.null()
}

func (b *Builder) numeric(t *batcher, typ schema.Type, n number) bool {
	switch typ.Kind {
	case schema.Int:
		if v, ok := n.int(); ok {
			t.int(v, true)
			return true
		}
	case schema.Double:
		if v, ok := n.double(); ok {
			t.double(v)
			return true
		}
	case schema.Decimal:
		if v, ok := n.decimal(typ.Scale); ok {
			t.decimal(v)
			return true
		}
	}
	return false
}
