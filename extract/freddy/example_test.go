package freddy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/freddy"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// A page of the list gives thin items; with the profile an item becomes a whole record.
func Example() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/user/{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `[{"id":"usr_1","email":"jane@example.com","is_active":true,"global_role_id":"role_admin","updated_at":"2025-01-15T14:30:00Z"}]`)
	})
	mux.HandleFunc("POST /v1/user/batch", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"users":[{"id":"usr_1","full_name":"Jane Doe","timezone":"Europe/Zurich","country_id":"CH"}],"total":1,"requested_ids":["usr_1"]}`)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	client, err := extract.NewClient(extract.Options{BaseURL: srv.URL, Auth: freddy.Auth("ak_key"), RPM: extract.RPMAuto, Limits: freddy.Limits()})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	source := freddy.New(client, freddy.Options{})
	page, err := source.Page(ctx, sweep.Query{Limit: 100})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	item := page.Items[0]
	profiles, err := source.Profiles(ctx, []string{item.Key})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	record, err := source.Merge(item.Raw, profiles[item.Key])
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Printf("%s\n", record)
	// Output:
	// {"_id":"usr_1","additional_context":{"username":null,"full_name":"Jane Doe","birthday":null,"gender":null,"is_active":true,"last_verified":null,"last_login":null,"profile_image":null,"country_id":"CH","post_code":null,"created_at":null},"email":"jane@example.com","org_id":null,"preferences":{"timezone":"Europe/Zurich"},"region_name":"CH","role":"role_admin","updated_at":"2025-01-15T14:30:00Z","user_id":"usr_1"}
}
