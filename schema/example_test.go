package schema_test

import (
	"fmt"

	"github.com/rollcall-data/rollcall/schema"
)

func Example() {
	fmt.Println(schema.Roles.DDL())
	for _, c := range schema.Roles.Columns {
		fmt.Printf("%-11s %s, from %s: %s\n", c.Name, c.Type, c.Origin, c.Comment)
	}
	// Output:
	// CREATE TABLE "roles" ("org_id" VARCHAR, "role_id" VARCHAR, "name" VARCHAR, "description" VARCHAR)
	// org_id      VARCHAR, from source: The organization asked
	// role_id     VARCHAR, from role: users.role refers to it
	// name        VARCHAR, from role: Name
	// description VARCHAR, from role: Description
}
