package transform

import (
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// Memory adds a memory of a user, as the API gives it (api/amigo.md §3.7).
func (b *Builder) Memory(scope string, org Text, user string, raw []byte) error {
	var issues []Issue
	c := cells{report: func(i Issue) { issues = append(issues, i) }}
	var id, created, conversation, references, content, context []byte
	if rawjson.KindOf(raw) == rawjson.Object {
		_ = rawjson.Members(raw, func(key, value []byte) error { // validated when it came
			switch string(rawjson.Plain(key)) {
			case `"id"`:
				id = value
			case `"created_at"`:
				created = value
			case `"conversation_id"`:
				conversation = value
			case `"references"`:
				references = value
			case `"content"`:
				content = value
			case `"context"`:
				context = value
			}
			return nil
		})
	} else {
		c.issue("content", in("memories[*]"), "not an object", raw)
	}
	at := in("memories[*]")
	t := b.tables[schema.NameMemories]
	t.text(org)
	t.str(user)
	c.put(t, id, "id", at.child("id"))
	t.time(c.time(created, "created_at", at.child("created_at")))
	c.put(t, conversation, "conversation_id", at.child("conversation_id"))
	c.putList(t, references, "references", at.child("references"))
	c.put(t, content, "content", at.child("content"))
	c.put(t, context, "context", at.child("context"))
	if err := t.end(); err != nil {
		return err
	}
	return b.Issues(scope, org, Text{user, true}, issues)
}
