package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/rollcall-data/rollcall/extract/sandbox"
)

// A test of a client starts a sandbox, signs in with the made-up key and reads the list. Here the second request is refused,
// as a rehearsal asks for.
func Example() {
	scenario, err := sandbox.ParseScenario(strings.NewReader(`
description: The list has a bad moment.
steps:
  - {endpoint: list, at: [2], do: status, status: 503, retry_after: 2s}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := sandbox.New(sandbox.Options{Users: 250, Scenario: scenario})
	if err != nil {
		fmt.Println(err)
		return
	}
	base, err := s.Start(context.Background(), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()

	get := func(method, path string, header http.Header, into any) string {
		request, err := http.NewRequest(method, base+"/v1/"+s.Org()+"/"+path, nil)
		if err != nil {
			return err.Error()
		}
		request.Header = header
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			return err.Error()
		}
		return answer.Status
	}
	var signedIn struct {
		Token string `json:"id_token"`
	}
	fmt.Println(get(http.MethodPost, "user/signin_with_api_key", http.Header{
		"X-Api-Key": {s.APIKey()}, "X-Api-Key-Id": {s.APIKeyID()}, "X-User-Id": {s.UserID()},
	}, &signedIn))
	for range 3 {
		var page struct {
			Users  []json.RawMessage `json:"users"`
			Detail string            `json:"detail"`
		}
		status := get(http.MethodGet, "user/?limit=10", http.Header{"Authorization": {"Bearer " + signedIn.Token}}, &page)
		fmt.Println(strings.TrimSpace(fmt.Sprint(status, " ", len(page.Users), " ", page.Detail)))
	}
	// Output:
	// 200 OK
	// 200 OK 10
	// 503 Service Unavailable 0 Service Unavailable
	// 200 OK 10
}
