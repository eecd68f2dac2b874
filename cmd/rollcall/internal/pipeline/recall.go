package pipeline

import (
	"context"
	"errors"
	"slices"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/extract/sweep"
	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// lookup asks an organization's source for users by id. A replay asks for others together than the run did once users were erased from the
// journal or from the version before: where it finds no such request, it takes the answers from the look-ups there are.
func (r *run) lookup(o *org) func(context.Context, []string) ([]sweep.Item, error) {
	return func(ctx context.Context, ids []string) ([]sweep.Item, error) {
		items, err := o.source.Lookup(ctx, ids)
		if !r.offline || !errors.Is(err, extract.ErrNotRecorded) {
			return items, err
		}
		if o.recalled == nil {
			o.recalled = map[string][]byte{}
			if err := r.journal.Each(ctx, o.recall); err != nil {
				return nil, err
			}
		}
		items = nil
		for _, id := range ids {
			raw, known := o.recalled[id]
			switch {
			case !known:
				return nil, err
			case raw != nil:
				items = append(items, sweep.Item{Key: id, Raw: raw})
			}
		}
		return items, nil
	}
}

// recall takes in one answer of the journal: whom it was asked for, and who was there.
func (o *org) recall(e journal.Entry) error {
	if e.Call.Kind != extract.KindLookup || e.Call.Org != o.name || !e.Usable || e.SetAside {
		return nil
	}
	if e.Call.Query.Get("continuation_token") == "" && e.Call.Query.Get("offset") == "" {
		for _, id := range e.Call.Query["user_id"] {
			o.recalled[id] = nil
		}
	}
	return rawjson.Members(e.Answer.Body, func(key, value []byte) error {
		if string(key) != `"users"` || rawjson.KindOf(value) != rawjson.Array {
			return nil
		}
		return rawjson.Elements(value, func(item []byte) error {
			if rawjson.KindOf(item) != rawjson.Object {
				return nil
			}
			return rawjson.Members(item, func(key, value []byte) error {
				if string(rawjson.Plain(key)) == `"user_id"` {
					if id, exact := rawjson.Unquote(value); exact && id != "" {
						o.recalled[id] = slices.Clone(item)
					}
				}
				return nil
			})
		})
	})
}
