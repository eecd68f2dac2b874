package amigo

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

func TestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(time.Hour)
		key := NewKeyAuth(Credentials{Key: "key", KeyID: "id", UserID: "who"})
		if _, ok := key.Expires(org); ok {
			t.Error("there is a token before a sign-in")
		}
		if _, err := key.Authorize(t.Context(), newClient(t, extract.Options{Transport: b, Auth: key}), org, http.Header{}); err != nil {
			t.Fatal(err)
		}
		if end, ok := key.Expires(org); !ok || time.Until(end).Round(time.Second) != time.Hour {
			t.Errorf("%v, %t", end, ok)
		}
	})
}
