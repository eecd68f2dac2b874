package schedule

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a cron expression in a time zone.
type Schedule struct {
	text     string
	wall     *cron.SpecSchedule // over what the clock on the wall shows, kept as if it were UTC
	zone     *time.Location
	interval bool
	shift    time.Duration
}

// descriptors are the names that expressions have.
var descriptors = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// Parse reads an expression. The error is a phrase about it.
func Parse(text string, zone *time.Location) (*Schedule, error) {
	fields := strings.Fields(text)
	if strings.HasPrefix(text, "@") {
		spec, known := descriptors[strings.ToLower(strings.TrimSpace(text))]
		if !known {
			return nil, errors.New("must be five fields such as 0 2 * * *, or one of @hourly, @daily, @weekly, @monthly, @yearly")
		}
		fields = strings.Fields(spec)
	}
	if len(fields) != 5 || strings.Contains(text, "=") {
		return nil, errors.New("must be five fields such as 0 2 * * *: minute, hour, day of the month, month, day of the week; the time zone is a key of its own")
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("is no cron expression: %w", err)
	}
	wall, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("is no cron expression of five fields")
	}
	wall.Location = time.UTC
	s := &Schedule{text: text, wall: wall, zone: zone, interval: starred(fields[0]) || starred(fields[1])}
	if wall.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, errors.New("names a day that never comes")
	}
	return s, nil
}

// starred tells whether a field is, or lists, every value or every nth: * or */N.
func starred(field string) bool {
	for part := range strings.SplitSeq(field, ",") {
		if strings.HasPrefix(part, "*") || strings.HasPrefix(part, "?") {
			return true
		}
	}
	return false
}

// Shifted is the schedule with every time later by as much as name makes of at most: the same for the same name for ever, so that many warehouses do not
// begin in one instant, and each begins at the same time every night. It is whole seconds.
func (s *Schedule) Shifted(name string, most time.Duration) *Schedule {
	out := *s
	out.shift = 0
	if seconds := uint64(most / time.Second); seconds > 0 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(name)) // a hash takes everything
		out.shift = time.Duration(h.Sum64()%(seconds+1)) * time.Second
	}
	return &out
}

// Shift is by how much every time is later than the expression says.
func (s *Schedule) Shift() time.Duration { return s.shift }

// String is the expression with its time zone.
func (s *Schedule) String() string { return s.text + " " + s.zone.String() }

// Next is the first time after t, in the schedule's zone.
func (s *Schedule) Next(t time.Time) time.Time {
	t = t.Add(-s.shift)
	for at := t; ; {
		next, end := s.within(at, t)
		if !next.IsZero() {
			return next.Add(s.shift).In(s.zone)
		}
		at = end
	}
}

// within finds the first time after t within the stretch of constant offset that at lies in. Where there is none next is zero, and the stretch ends at end.
//
// In such a stretch the clock on the wall is a constant away from UTC, so that the library, which is only ever asked about UTC, need not know of zones.
func (s *Schedule) within(at, t time.Time) (next, end time.Time) {
	start, end := at.In(s.zone).ZoneBounds()
	offset := offsetAt(at, s.zone)
	after := t.UTC().Add(offset) // what the clock shows at t; times are after it
	if !start.IsZero() {
		before := offsetAt(start.Add(-time.Nanosecond), s.zone)
		first := start.UTC().Add(before) // forward: the first time that the clock skips. Back: the first that it did not show before
		if s.interval {
			first = start.UTC().Add(min(before, offset)) // back: the first that it shows now, again
		}
		if just := first.Add(-time.Nanosecond); t.Before(start) || just.After(after) {
			after = just
		}
	}
	next = s.nextOnWall(after).Add(-offset)
	if next.Before(start) { // it does not exist
		next = start
	}
	if !end.IsZero() && !next.Before(end) {
		return time.Time{}, end
	}
	return next, end
}

// nextOnWall is the library's answer. It looks five years ahead, and there are eight from one 29 February to the next where the year 2100 is between.
func (s *Schedule) nextOnWall(after time.Time) time.Time {
	next := s.wall.Next(after)
	for ; next.IsZero(); next = s.wall.Next(after) {
		after = after.AddDate(4, 0, 0)
	}
	return next
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
