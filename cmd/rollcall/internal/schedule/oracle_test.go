package schedule

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// slow finds the times in (from, to] as somebody would who looks at the clock on the wall every minute, and knows nothing of offsets: a minute that the clock
// shows and the schedule names is a time, unless it was shown before; what the clock skipped is one time, at the minute after.
func slow(minutes, hours []int, interval bool, zone *time.Location, from, to time.Time) []time.Time {
	wall := func(t time.Time) time.Time { // what the clock shows, as a number
		t = t.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	matches := func(w time.Time) bool {
		return slices.Contains(minutes, w.Minute()) && slices.Contains(hours, w.Hour())
	}
	var out []time.Time
	begin := from.Add(-48 * time.Hour).Truncate(time.Minute)
	latest := wall(begin) // that was shown so far
	for t := begin.Add(time.Minute); !t.After(to); t = t.Add(time.Minute) {
		now := wall(t)
		due := matches(now) && (interval || now.After(latest))
		for skipped := latest.Add(time.Minute); skipped.Before(now); skipped = skipped.Add(time.Minute) {
			due = due || matches(skipped)
		}
		if now.After(latest) {
			latest = now
		}
		if due && t.After(from) {
			out = append(out, t)
		}
	}
	return out
}

// Around a change of the clock the schedule is what the slow way finds.
func TestAsTheClockOnTheWallShows(t *testing.T) {
	fields := []struct {
		text   string
		values []int
		star   bool
	}{
		{"30", []int{30}, false}, {"0", []int{0}, false}, {"0,15,45", []int{0, 15, 45}, false}, {"*/20", []int{0, 20, 40}, true}, {"59", []int{59}, false}, {"1-3", []int{1, 2, 3}, false},
	}
	all := make([]int, 24)
	for i := range all {
		all[i] = i
	}
	hours := []struct {
		text   string
		values []int
		star   bool
	}{
		{"2", []int{2}, false}, {"0", []int{0}, false}, {"1,2,3", []int{1, 2, 3}, false}, {"23", []int{23}, false}, {"*", all, true}, {"*/2", []int{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22}, true},
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		m, h := rapid.SampledFrom(fields).Draw(t, "minute"), rapid.SampledFrom(hours).Draw(t, "hour")
		s, err := Parse(m.text+" "+h.text+" * * *", z)
		if err != nil {
			t.Fatal(err)
		}
		// From so long before the next change of the clock, where there is one.
		_, change := time.Date(rapid.IntRange(1995, 2035).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")), 1, 0, 0, 0, 0, z).ZoneBounds()
		if change.IsZero() {
			change = time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
		}
		from := change.Add(-time.Duration(rapid.IntRange(0, 300).Draw(t, "before")) * time.Minute)
		if rapid.Bool().Draw(t, "after") {
			from = change.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "later")) * time.Minute)
		}
		to := change.Add(6 * time.Hour)
		want := slow(m.values, h.values, m.star || h.star, z, from, to)
		var got []time.Time
		for at := s.Next(from); !at.After(to); at = s.Next(at) {
			got = append(got, at)
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%s from %s\n got %v\nwant %v", s, from.In(z), got, want)
		}
	})
}
