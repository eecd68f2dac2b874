package amigo_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/sweep"
)

// A key is exchanged for a token, and the first page of the list is read. Its rows are as the server wrote them.
func Example() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/acme/user/signin_with_api_key", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id_token":"a.b.c","expires_at":"2099-01-01T00:00:00Z"}`)
	})
	mux.HandleFunc("GET /v1/acme/user/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"users":[{"user_id":"u-1", "preferences":{"volume":9007199254740993}}],"has_more":true,"continuation_token":1}`)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	client, err := extract.NewClient(extract.Options{
		BaseURL: srv.URL,
		Hosts:   amigo.Hosts(),
		Limits:  amigo.Limits(),
		Auth:    amigo.NewKeyAuth(amigo.Credentials{Key: "key", KeyID: "id", UserID: "caller"}),
	})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	defer client.Close()

	source := amigo.New(client, amigo.Options{Org: "acme"})
	page, err := source.Page(context.Background(), sweep.Query{Limit: 100, Sort: sweep.Ascending})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Printf("%s: %s\n", page.Items[0].Key, page.Items[0].Raw)
	fmt.Println("more:", page.More == sweep.Yes, "from", page.Next)
	// Output:
	// u-1: {"user_id":"u-1", "preferences":{"volume":9007199254740993}}
	// more: true from 1
}
