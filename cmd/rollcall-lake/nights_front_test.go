package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

func newLoopbackServer(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func names(fields []arrow.Field) (out []string) {
	for _, f := range fields {
		out = append(out, f.Name)
	}
	return out
}
