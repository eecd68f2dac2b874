package status

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
)

func TestCharts(t *testing.T) {
	version := "v"
	run := func(users, added int64, status pipeline.Status) *pipeline.Summary {
		return &pipeline.Summary{Status: status, Version: &version, Users: users, Added: added, Seconds: 1.5}
	}
	// Newest first, as the records come.
	all := charts([]*pipeline.Summary{run(110, 10, pipeline.Certified), run(0, 0, pipeline.Failed), run(100, 0, pipeline.Unchanged), run(100, 20, pipeline.Certified), run(100, 100, pipeline.Certified)})
	byID := map[string]chart{}
	for _, c := range all {
		byID[c.ID] = c
	}
	users := byID["users"]
	if users.Line != "5,98.0 15,98.0 25,98.0 35,2.0" || users.Low != "100" || users.High != "110" || users.Says != "Between 100 and 110 in 4 runs; 110 in the last." {
		t.Errorf("users: %+v", users)
	}
	var heights []float64
	for _, p := range byID["added"].Points {
		heights = append(heights, p.H)
	}
	if d := cmp.Diff([]float64{98, 0, 50}, heights, cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })); d != "" || byID["added"].Low != "0" {
		t.Errorf("added: %s", d)
	}
	if n := len(byID["duration"].Points); n != 5 {
		t.Errorf("durations of %d runs: the failed one took its time too", n)
	}
	if c := charts(nil); len(c) != 0 {
		t.Errorf("of nothing: %d charts", len(c))
	}
	if c := charts([]*pipeline.Summary{run(5, 0, pipeline.Certified)}); c[0].Line == "" || c[1].Points[0].H != 0 {
		t.Errorf("of one run: %+v", c[:2])
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 250 * time.Millisecond: "250 ms", 1500 * time.Millisecond: "1.5 seconds", 42 * time.Second: "42 seconds", time.Minute: "1 minute",
		61 * time.Second: "1 minute 1 second", 2*time.Hour + 3*time.Minute: "2 hours 3 minutes", 24 * time.Hour: "1 day", 49*time.Hour + time.Minute: "2 days 1 hour",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestPathsAreThoseOfColumns(t *testing.T) {
	s := &shape{paths: map[string]bool{"$": true}}
	for _, p := range []string{"$.email", "$.preferences", "$.preferences.timezone", "$.user_models[*].dimensions[*].tags[*]"} {
		s.learn(p)
	}
	for path, want := range map[string]string{
		"$.email": "$.email", "$.preferences.timezone": "$.preferences.timezone", "$.preferences.contacts.ada": "$.preferences (within)", `$.preferences."ada@example.com"`: "$.preferences (within)",
		"$.user_models[3].dimensions[0].tags[1]": "$.user_models[*].dimensions[*].tags[*]", "$.user_models[3].ada": "$.user_models[*] (within)", "$.ada": "$ (within)", "ada": "elsewhere", "": "",
	} {
		if got := s.place(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	got := s.public([]tally{{"$.preferences.ada", 1}, {"$.email", 2}, {"$.preferences.bob", 3}})
	if d := cmp.Diff([]tally{{"$.preferences (within)", 4}, {"$.email", 2}}, got); d != "" {
		t.Error(d)
	}
}
