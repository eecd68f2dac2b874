package duckdb

import (
	"regexp"
	"testing"
)

func TestVersion(t *testing.T) {
	if v, err := Version(t.Context()); err != nil || !regexp.MustCompile(`^v1\.\d+\.\d+`).MatchString(v) {
		t.Errorf("%q, %v", v, err)
	}
}
