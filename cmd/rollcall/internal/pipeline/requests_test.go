package pipeline

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sandbox"
)

// Every answer is counted by what it was, those that led to another try included; a snapshot stays as it was.
func TestRequestsByStatus(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 150, Limits: "none", Scenario: &sandbox.Scenario{Steps: []sandbox.Step{
		{Endpoint: sandbox.KindList, At: []int{2}, Do: sandbox.DoStatus, Status: 503},
	}}})
	got := night(t, c).Requests
	total := 0
	for _, byStatus := range got.ByStatus {
		for _, n := range byStatus {
			total += n
		}
	}
	if want := got.List + got.Model + got.SignIn + got.Lookup + got.Role + got.Memory + got.SQL + got.Other; total != want || got.ByStatus["list"]["503"] != 1 || got.ByStatus["list"]["200"] != got.List-1 {
		t.Errorf("%d answers of %d requests: %v", total, want, got.ByStatus)
	}

	var r Requests
	r.answered(extract.KindList, 200)
	before := r.clone()
	r.answered(extract.KindList, 200)
	r.answered(extract.KindModel, 403)
	if d := cmp.Diff(map[string]map[string]int{"list": {"200": 1}}, before.ByStatus); d != "" {
		t.Error(d)
	}
	doc, err := json.Marshal(Requests{}.clone())
	if err != nil || cmp.Diff(`{"list":0,"model":0,"signin":0,"lookup":0,"role":0,"memory":0,"sql":0,"other":0,"retried":0,"throttled":0,"replayed":0}`, string(doc)) != "" {
		t.Errorf("%s, %v", doc, err)
	}
}
