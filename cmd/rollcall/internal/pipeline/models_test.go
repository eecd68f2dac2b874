package pipeline

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/transform"
)

// TestYearOfNights simulates 365 nightly runs over 100,000 users with the default budget: 4 hours at 60 requests a minute. Every night one user in
// fifty has talked. Once everybody was asked for, no row's models may ever be older than --model-max-age, the day until the next run included.
func TestYearOfNights(t *testing.T) {
	const night, maxAge = 24 * time.Hour, 720 * time.Hour
	users, budget := 100_000, 4*60*60
	if testing.Short() { // under the race detector a tenth of both does
		users, budget = users/10, budget/10
	}
	rng := rand.New(rand.NewPCG(1, 2))
	names := make([]string, users)
	fetched := make([]int64, users) // microseconds; 0: never
	for i := range names {
		names[i] = fmt.Sprintf("user-%06d", i)
	}
	place := make(map[string]int, users)
	for i, n := range names {
		place[n] = i
	}
	clock := time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)
	filled, most := 0, 0
	var oldest time.Duration
	for n := range 365 {
		policy := modelPolicy{mode: config.ModelsAuto, clock: clock, maxAge: maxAge, interval: night}
		left := budget
		ask := func(i int) {
			if left > 0 {
				fetched[i] = clock.UnixMicro()
				left--
			}
		}
		never := 0
		for i := range fetched {
			if fetched[i] == 0 {
				if policy.now(&entry{}, transform.PriorUser{}) != NeverAsked {
					t.Fatal("a user who was never asked for is not asked for")
				}
				never++
				ask(i)
			}
		}
		for range users / 50 {
			if i := rng.IntN(users); fetched[i] != 0 {
				before := transform.PriorUser{State: transform.Fetched, StatsAtLast: transform.StatsHash{Sum: 1, Valid: true}}
				if policy.now(&entry{stats: transform.StatsHash{Sum: 2, Valid: true}}, before) != StatsMoved {
					t.Fatal("a user who talked is not asked for")
				}
				ask(i)
			}
		}
		var known []candidate
		for i := range fetched {
			if fetched[i] != 0 {
				known = append(known, candidate{names[i], fetched[i]})
			}
		}
		for _, c := range policy.aged(known) {
			ask(place[c.user])
		}
		most = max(most, budget-left)
		clock = clock.Add(night)
		if never > 0 {
			filled = n + 1
			continue
		}
		for i := range fetched {
			oldest = max(oldest, clock.Sub(time.UnixMicro(fetched[i])))
		}
	}
	t.Logf("%d users: everybody asked for after %d nights; then the oldest models ever were %s old; at most %d requests a night of %d", users, filled, oldest, most, budget)
	if oldest > maxAge {
		t.Errorf("models were %s old; %s is allowed", oldest, maxAge)
	}
	if filled > users/budget+2 {
		t.Errorf("it took %d nights until everybody was asked for", filled)
	}
}

func TestForbiddenUsersAreAskedOnceInEveryGreatestAge(t *testing.T) {
	const maxAge, night = 720 * time.Hour, 24 * time.Hour
	clock := time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)
	for u := range 200 {
		asked := 0
		for n := range 60 {
			p := modelPolicy{clock: clock.Add(time.Duration(n) * night), maxAge: maxAge, interval: night}
			if p.forbiddenDue(fmt.Sprintf("user-%d", u)) {
				asked++
			}
		}
		if asked != 2 {
			t.Errorf("user %d was asked for %d times in two greatest ages", u, asked)
		}
	}
}

func TestModelReasons(t *testing.T) {
	moved := transform.StatsHash{Sum: 7, Valid: true}
	for _, c := range []struct {
		name   string
		mode   config.Models
		e      entry
		before transform.PriorUser
		want   Reason
	}{
		{"a new user", config.ModelsAuto, entry{}, transform.PriorUser{}, NeverAsked},
		{"pending", config.ModelsAuto, entry{}, transform.PriorUser{State: transform.Pending}, NeverAsked},
		{"listed before, and no more", config.ModelsAuto, entry{}, transform.PriorUser{State: transform.Listed}, NeverAsked},
		{"listed", config.ModelsAll, entry{listed: true}, transform.PriorUser{}, NotNeeded},
		{"stats as they were", config.ModelsAuto, entry{stats: moved}, transform.PriorUser{State: transform.Fetched, StatsAtLast: moved}, NotNeeded},
		{"stats moved", config.ModelsAuto, entry{stats: moved}, transform.PriorUser{State: transform.Fetched}, StatsMoved},
		{"forbidden, stats moved", config.ModelsAuto, entry{stats: moved}, transform.PriorUser{State: transform.Forbidden}, StatsMoved},
		{"all", config.ModelsAll, entry{stats: moved}, transform.PriorUser{State: transform.Fetched, StatsAtLast: moved}, AskedForAll},
		{"none", config.ModelsNone, entry{}, transform.PriorUser{}, NotNeeded},
	} {
		if got := (modelPolicy{mode: c.mode}).now(&c.e, c.before); got != c.want {
			t.Errorf("%s: reason %d, want %d", c.name, got, c.want)
		}
	}
}
