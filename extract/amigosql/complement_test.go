package amigosql

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/rollcall-data/rollcall/extract/sweep"
)

// TestComplement: everybody's three columns, in as many queries as there are pages, and not one to count them.
func TestComplement(t *testing.T) {
	var ids []string
	for i := range 2500 {
		ids = append(ids, fmt.Sprintf("u%04d", i))
	}
	e := newEngine(ids...)
	seen := map[string]string{}
	err := newSource(t, e, Options{Complement: true}).Complement(t.Context(), func(i sweep.Item) error {
		seen[i.Key] = string(i.Raw)
		return nil
	})
	if err != nil || len(seen) != 2500 {
		t.Fatalf("%d users, %v", len(seen), err)
	}
	if want := `{"_id":"_id of u1234","region_name":"region_name of u1234","updated_at":"2025-01-20T12:34:56.000000Z","user_id":"u1234"}`; seen["u1234"] != want {
		t.Errorf("%s\nwant %s", seen["u1234"], want)
	}
	const page = "SELECT _id, region_name, updated_at, user_id FROM users"
	want := []string{
		page + " ORDER BY user_id LIMIT 1000", page + " WHERE user_id > 'u0999' ORDER BY user_id LIMIT 1000",
		page + " WHERE user_id > 'u1999' ORDER BY user_id LIMIT 1000",
	}
	if !slices.Equal(e.log, want) {
		t.Errorf("sent %q", e.log)
	}
}

// TestComplementRefused: whatever says that there is nothing to be had is one error.
func TestComplementRefused(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound} {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"detail":"no"}`, status) })
		err := newSource(t, h, Options{Complement: true}).Complement(t.Context(), func(sweep.Item) error { return nil })
		var refused *QueryError
		if !errors.As(err, &refused) || refused.Status != status || len(refused.Hints()) == 0 {
			t.Errorf("%d: %v", status, err)
		}
	}
}
