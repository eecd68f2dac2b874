package extract_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

// A source describes a request and says what a usable answer is. The server is under maintenance when it is asked first.
func Example() {
	maintenance := true
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if maintenance {
			maintenance = false
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<h1>Back soon</h1>")
			return
		}
		fmt.Fprint(w, `{"roles":[{"name":"DefaultUserRole"}]}`)
	}))
	defer srv.Close()

	client, err := extract.NewClient(extract.Options{
		BaseURL: srv.URL,
		Auth:    extract.Bearer("a token"),
		Hooks: extract.Hooks{OnRetry: func(kind extract.Kind, org, reason string, _ time.Duration) {
			fmt.Println("asking again for a", kind, "of", org, "because of", reason)
		}},
	})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	defer client.Close()

	var page struct{ Roles []struct{ Name string } }
	call := extract.Call{Org: "acme", Kind: extract.KindRole, Method: http.MethodGet, Path: "/v1/acme/role/"}
	_, err = client.Do(context.Background(), call, func(a extract.Answer) error {
		if json.Unmarshal(a.Body, &page) != nil || page.Roles == nil {
			return errors.New("no roles")
		}
		return nil
	})
	fmt.Println(page.Roles[0].Name, err)
	// Output:
	// asking again for a role of acme because of content type
	// DefaultUserRole <nil>
}
