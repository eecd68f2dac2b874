package schedule

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones are those of this Go, whatever the machine has

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parse(t testing.TB, text, in string) *Schedule {
	t.Helper()
	s, err := Parse(text, zone(t, in))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ticks are the times in (from, to], as the clock on the wall shows them, with the offset.
func ticks(t *testing.T, s *Schedule, from, to string) []string {
	t.Helper()
	begin, err := time.Parse(time.RFC3339, from)
	if err != nil {
		t.Fatal(err)
	}
	end, err := time.Parse(time.RFC3339, to)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for at := s.Next(begin); !at.After(end); at = s.Next(at) {
		out = append(out, at.Format("02T15:04-07:00"))
	}
	return out
}

func TestBothChanges(t *testing.T) {
	for _, tt := range []struct {
		name, spec, zone, from, to string
		want                       []string
	}{
		{"forward: what does not exist is at the gap's end", "30 2 * * *", "America/New_York", "2026-03-07T12:00:00-05:00", "2026-03-09T12:00:00-04:00",
			[]string{"08T03:00-04:00", "09T02:30-04:00"}},
		{"forward: several are one", "0,20,40 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T12:00:00+02:00", []string{"29T03:00+02:00"}},
		{"forward: one with the tick that is there", "30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T12:00:00+02:00",
			[]string{"29T03:00+02:00", "29T03:30+02:00"}},
		{"forward: the gap's end itself", "0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T12:00:00+02:00", []string{"29T03:00+02:00"}},
		{"back: the first of two", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-26T12:00:00+01:00", []string{"25T02:30+02:00", "26T02:30+01:00"}},
		{"back: seen from between the two", "30 2 * * *", "Europe/Berlin", "2026-10-25T02:45:00+02:00", "2026-10-26T12:00:00+01:00", []string{"26T02:30+01:00"}},
		{"back: seen from within the second", "0,45 1,2 * * *", "America/New_York", "2026-11-01T01:10:00-05:00", "2026-11-01T12:00:00-05:00",
			[]string{"01T02:00-05:00", "01T02:45-05:00"}},
		{"back: when it is put back", "0 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-26T00:00:00+01:00", []string{"25T02:00+02:00"}},
		{"an interval ticks on, forward", "*/30 * * * *", "Europe/Berlin", "2026-03-29T00:59:00+01:00", "2026-03-29T04:00:00+02:00",
			[]string{"29T01:00+01:00", "29T01:30+01:00", "29T03:00+02:00", "29T03:30+02:00", "29T04:00+02:00"}},
		{"an interval ticks on, back", "*/30 * * * *", "Europe/Berlin", "2026-10-25T01:59:00+02:00", "2026-10-25T03:00:00+01:00",
			[]string{"25T02:00+02:00", "25T02:30+02:00", "25T02:00+01:00", "25T02:30+01:00", "25T03:00+01:00"}},
		{"hourly is an interval", "@hourly", "America/New_York", "2026-11-01T00:30:00-04:00", "2026-11-01T02:00:00-05:00",
			[]string{"01T01:00-04:00", "01T01:00-05:00", "01T02:00-05:00"}},
		{"half an hour, forward", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", "2026-10-04T12:00:00+11:00", []string{"04T02:30+11:00"}},
		{"half an hour, back", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00+11:00", "2026-04-05T12:00:00+10:30", []string{"05T01:45+11:00"}},
		{"midnight does not exist", "0 0 * * *", "America/Sao_Paulo", "2018-11-02T12:00:00-03:00", "2018-11-05T12:00:00-02:00",
			[]string{"03T00:00-03:00", "04T01:00-02:00", "05T00:00-02:00"}},
		{"midnight comes twice", "@daily", "America/Sao_Paulo", "2018-02-16T12:00:00-02:00", "2018-02-19T12:00:00-03:00",
			[]string{"17T00:00-02:00", "18T00:00-03:00", "19T00:00-03:00"}},
		{"the day before midnight comes twice", "30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00-02:00", "2018-02-18T12:00:00-03:00", []string{"17T23:30-02:00"}},
		{"a day that does not exist", "0 2 * * *", "Pacific/Apia", "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00",
			[]string{"29T02:00-10:00", "31T00:00+14:00", "31T02:00+14:00"}},
		{"forward: seen from just before", "30 2 * * *", "America/New_York", "2026-03-08T01:45:00-05:00", "2026-03-08T12:00:00-04:00", []string{"08T03:00-04:00"}},
		{"no changes", "0 2 * * 1", "UTC", "2026-03-01T00:00:00Z", "2026-03-10T00:00:00Z", []string{"02T02:00+00:00", "09T02:00+00:00"}},
		{"a day of the month or of the week", "0 2 13 * 5", "UTC", "2026-03-01T00:00:00Z", "2026-03-14T00:00:00Z", []string{"06T02:00+00:00", "13T02:00+00:00"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, ticks(t, parse(t, tt.spec, tt.zone), tt.from, tt.to)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestADayOfLeapYearsIsFoundAcross2100(t *testing.T) {
	got := parse(t, "0 0 29 2 *", "UTC").Next(time.Date(2096, 3, 1, 0, 0, 0, 0, time.UTC))
	if want := time.Date(2104, 2, 29, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("%s", got)
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "five fields", "0 2 * *": "five fields", "0 0 2 * * *": "five fields", "CRON_TZ=UTC 0 2 * * *": "time zone", "@every 1h": "five fields", "@reboot": "five fields",
		"61 2 * * *": "no cron expression", "0 2 * * mo": "no cron expression", "0 0 30 2 *": "never comes", "TZ=UTC 2 * * *": "time zone",
	} {
		_, err := Parse(text, time.UTC)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

var zones = []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Kathmandu", "UTC"}

// Times are whole minutes after the time asked about, and nothing lies between two of them.
func TestTimesIncrease(t *testing.T) {
	minutes := rapid.SampledFrom([]string{"*", "*/15", "0", "30", "5,35", "0-10/5", "59"})
	hours := rapid.SampledFrom([]string{"*", "*/2", "0", "1", "2", "3", "0-4", "1,2", "23"})
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(minutes.Draw(t, "minute")+" "+hours.Draw(t, "hour")+" * * *", z)
		if err != nil {
			t.Fatal(err)
		}
		s = s.Shifted(name, time.Duration(rapid.IntRange(0, 7200).Draw(t, "jitter"))*time.Second)
		at := time.Unix(rapid.Int64Range(1_100_000_000, 2_100_000_000).Draw(t, "from"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		shown := map[string]bool{}
		for range 30 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%s: after %s comes %s", s, at, next)
			}
			between := at.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(at))-1).Draw(t, "between")))
			if again := s.Next(between); !again.Equal(next) {
				t.Fatalf("%s: after %s comes %s, but after %s, which is between, %s", s, at, next, between, again)
			}
			wall := next.Add(-s.Shift()).In(z).Format(time.DateTime)
			if !s.interval && shown[wall] {
				t.Fatalf("%s: %s twice", s, wall)
			}
			shown[wall] = true
			at = next
		}
	})
}

// A fixed time of the day is once a day: as many times as days, each on its own, whatever the zone does.
func TestOnceADay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		s, err := Parse(time.Date(2000, 1, 1, hour, minute, 0, 0, time.UTC).Format("4 15")+" * * *", z)
		if err != nil {
			t.Fatal(err)
		}
		year := rapid.IntRange(1990, 2035).Draw(t, "year")
		at := s.Next(time.Date(year, 1, 1, 12, 0, 0, 0, z))
		for day := range 730 {
			next := s.Next(at)
			y, m, d := at.Date()
			if want := time.Date(y, m, d+1, 12, 0, 0, 0, z).Format(time.DateOnly); next.Format(time.DateOnly) != want {
				t.Fatalf("%s, day %d: after %s comes %s", s, day, at, next)
			}
			at = next
		}
	})
}

// An interval is that of the time that passes: a year of quarters of an hour has no other distances, wherever clocks move by whole quarters.
func TestAnIntervalStaysOne(t *testing.T) {
	for _, name := range zones {
		s := parse(t, "*/15 * * * *", name)
		at := s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		for range 365 * 24 * 4 {
			next := s.Next(at)
			if next.Sub(at) != 15*time.Minute {
				t.Fatalf("%s: after %s comes %s", s, at, next)
			}
			at = next
		}
	}
}

func TestShiftIsStable(t *testing.T) {
	s := parse(t, "0 2 * * *", "UTC")
	if got := s.Shifted("/var/lib/rollcall", 0).Shift(); got != 0 {
		t.Errorf("no jitter: %s", got)
	}
	a := s.Shifted("/var/lib/rollcall", time.Hour)
	if a.Shift() != 57*time.Minute+33*time.Second { // for ever: a new release does not move anybody's night
		t.Errorf("%s", a.Shift())
	}
	seen := map[time.Duration]bool{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		d := s.Shifted(name, 90*time.Second).Shift()
		if d < 0 || d > 90*time.Second || d%time.Second != 0 {
			t.Errorf("%s: %s", name, d)
		}
		seen[d] = true
	}
	if len(seen) < 3 {
		t.Errorf("they begin together: %v", seen)
	}
	at := a.Next(time.Date(2026, 5, 1, 2, 0, 0, 0, time.UTC))
	if want := time.Date(2026, 5, 1, 2, 0, 0, 0, time.UTC).Add(a.Shift()); !at.Equal(want) {
		t.Errorf("%s, want %s", at, want)
	}
}
