package rawjson_test

import (
	"fmt"

	"github.com/rollcall-data/rollcall/transform/rawjson"
)

func Example() {
	older := []byte(`{"timezone": "UTC", "limits": {"daily": 9007199254740993}}`)
	newer := []byte(`{"limits":{"daily":9007199254740994},"timezone":"UTC"}`)

	_ = rawjson.Members(older, func(key, value []byte) error {
		fmt.Printf("%s is %s\n", key, value)
		return nil
	})
	fmt.Println("changed:", rawjson.AppendDiff(nil, "$", older, newer))

	clean, exact := rawjson.Sanitize([]byte(`"\ud83d"`))
	fmt.Printf("%s %t\n", clean, exact)
	// Output:
	// "timezone" is "UTC"
	// "limits" is {"daily": 9007199254740993}
	// changed: [$.limits.daily]
	// "\ufffd" false
}
