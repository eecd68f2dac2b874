package transform_test

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// An item becomes rows of several tables. What no typed column can hold is an issue.
func Example() {
	item := []byte(`{"user_id":"u1","email":"jane@example.com","first_name":42,"preferences":{"timezone":"UTC","volume":9007199254740993}}`)
	defaults := transform.Defaults{Scope: "acme", Org: transform.Text{String: "acme", Valid: true}}
	row, issues, ok := transform.Decode(item, defaults)
	if !ok {
		panic("no usable user_id")
	}

	prefs := transform.NewPreferences(nil, transform.Contract{})
	prefs.Learn(row.Preferences) // of every user, before the first row
	var columns []schema.Column
	for _, c := range prefs.Columns() {
		columns = append(columns, c.Column)
	}

	b := transform.NewBuilder(memory.DefaultAllocator, "run-1", prefs, schema.Tables(columns, false), func(table string, batch arrow.Record) error {
		fmt.Println(table, batch.NumRows())
		if table == schema.NameUsersFlat {
			last := columns[len(columns)-1]
			volume, _ := transform.ColumnsOf(batch).Int(last.Name, 0)
			fmt.Println(" ", last.Name, last.Type, volume)
		}
		return nil
	})
	defer b.Release()
	if err := b.User(&row, issues); err != nil {
		panic(err)
	}
	if err := b.Close(); err != nil {
		panic(err)
	}
	fmt.Printf("%s %s: %s\n", issues[0].Path, issues[0].Reason, issues[0].Raw)
	// Output:
	// users 1
	// users_flat 1
	//   pref_volume BIGINT 9007199254740993
	// _issues 1
	// $.first_name not a text: 42
}
