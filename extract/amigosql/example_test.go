package amigosql_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/amigosql"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// The table is read whole and certified by counting. A column of JSON that comes as text is the JSON in it.
func Example() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var query strings.Builder
		if err := r.Write(&query); err != nil {
			return
		}
		if strings.Contains(query.String(), "count(*)") {
			fmt.Fprint(w, `{"execution_time_ms":1,"result":[[1]],"truncated":false,"columns":[{"name":"n","type":"BIGINT"}]}`)
			return
		}
		fmt.Fprint(w, `{"execution_time_ms":2,"truncated":false,"columns":[{"name":"_id"},{"name":"additional_context"},{"name":"email"},{"name":"first_name"},
			{"name":"last_name"},{"name":"org_id"},{"name":"preferences"},{"name":"region_name"},{"name":"role"},{"name":"updated_at"},{"name":"user_id"},{"name":"user_models"}],
			"result":[["67a1","[\"Age: 5\"]","jane@example.com","Jane",null,"acme","{\"volume\": 9007199254740993}","us-east-1","r1","2025-01-20T12:34:56Z","u-1",[]]]}`)
	}))
	defer srv.Close()

	client, err := extract.NewClient(extract.Options{BaseURL: srv.URL, Auth: extract.Bearer("token"), RPM: extract.RPMNone, Limits: amigo.Limits()})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	defer client.Close()

	source := amigosql.New(client, amigosql.Options{Org: "acme"})
	result, err := source.Sweep(context.Background(), func(item sweep.Item) error {
		fmt.Printf("%s: %s\n", item.Key, item.Raw)
		return nil
	})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(result.Certificate.Certified, result.Certificate.Proof, result.Certificate.Users)
	// Output:
	// u-1: {"_id":"67a1","additional_context":["Age: 5"],"email":"jane@example.com","first_name":"Jane","org_id":"acme","preferences":{"volume": 9007199254740993},"region_name":"us-east-1","role":"r1","updated_at":"2025-01-20T12:34:56Z","user_id":"u-1","user_models":[]}
	// true count 1
}
