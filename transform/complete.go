package transform

import (
	"slices"

	"github.com/rollcall-data/rollcall/transform/rawjson"
)

// Completed are the columns that Complete fills in.
var Completed = []string{"_id", "region_name", "updated_at"}

// Complete gives a list item the columns that it does not carry and the SQL endpoint has (api/amigo.md §0): what it lacks or has as null, and columns,
// a row of that endpoint as a record, does not. What it carries stays, as do its bytes. filled are the columns that were added; without any the
// record is the item itself. Both are valid JSON objects, the item one with a member at least.
func Complete(item, columns []byte) (record []byte, filled []string) {
	has, more := split(item), split(columns)
	item = rawjson.Trim(item)
	record = slices.Clip(item[:len(item)-1])
	for i, m := range []struct{ has, more []byte }{{has.id, more.id}, {has.region, more.region}, {has.updated, more.updated}} {
		if absent(m.has) && !absent(m.more) {
			record = append(append(append(record, `,"`...), Completed[i]...), `":`...)
			record = append(record, m.more...)
			filled = append(filled, Completed[i])
		}
	}
	if filled == nil {
		return item, nil
	}
	return append(record, '}'), filled
}
