package daemon

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play is a runner whose runs go as the script says; the last line of it goes for all that follow.
type play struct {
	script []act
	began  []string // when each run began, as the clock of the zone shows it
	zone   *time.Location
	runs   int
	busy   bool
	t      *testing.T
}

type act struct {
	exit  int
	takes time.Duration
	err   error
}

func (p *play) Run(ctx context.Context) (Outcome, error) {
	if p.busy {
		p.t.Error("two runs at once")
	}
	p.busy = true
	defer func() { p.busy = false }()
	a := p.script[min(p.runs, len(p.script)-1)]
	p.runs++
	p.began = append(p.began, time.Now().In(p.zone).Format("01-02T15:04"))
	timer := time.NewTimer(a.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return Outcome{Exit: cli.ExitInterrupted}, nil
	}
	return Outcome{Exit: a.exit, Summary: &pipeline.Summary{Status: pipeline.Certified}}, a.err
}

// stage is a daemon on the fake clock, which begins at midnight UTC on the first of January 2000.
type stage struct {
	*Daemon
	play   *play
	gaveUp []string
	drain  chan struct{}
	cancel context.CancelCauseFunc
	ended  chan error
}

func set(t *testing.T, spec, zone string, o Options, script ...act) *stage {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	if o.Schedule, err = schedule.Parse(spec, z); err != nil {
		t.Fatal(err)
	}
	s := &stage{play: &play{t: t, zone: z, script: script}, drain: make(chan struct{}), ended: make(chan error, 1)}
	o.Run, o.Log = s.play, zerolog.Nop()
	o.GaveUp = func(_ context.Context, out Outcome) { s.gaveUp = append(s.gaveUp, out.Status()) }
	s.Daemon = New(o)
	ctx, cancel := context.WithCancelCause(t.Context())
	s.cancel = cancel
	go func() { s.ended <- s.Loop(ctx, s.drain) }()
	return s
}

// stop drains the daemon and waits for it.
func (s *stage) stop(t *testing.T) {
	t.Helper()
	close(s.drain)
	if err := <-s.ended; err != nil {
		t.Errorf("drained: %v", err)
	}
	s.cancel(nil)
}

// nights sleeps for so many days of the fake clock.
func nights(n float64) { time.Sleep(time.Duration(n * float64(24*time.Hour))) }

// A year of nights in zones that do and do not change their clocks: a run each night, at the hour that was said.
func TestAYear(t *testing.T) {
	for _, tt := range []struct {
		zone, spec string
		odd        []string // nights that are not at 02:30
	}{
		{"UTC", "30 2 * * *", nil},
		{"America/New_York", "30 2 * * *", []string{"04-02T03:00"}},
		{"Europe/Berlin", "30 2 * * *", []string{"03-26T03:00"}},
		{"Australia/Lord_Howe", "30 2 * * *", nil}, // its clocks go from 02:00 to 02:30, and at 02:00 back to 01:30
		{"America/Sao_Paulo", "30 2 * * *", nil},   // its clocks go at midnight
	} {
		t.Run(tt.zone, func(t *testing.T) {
			if testing.Short() && tt.zone != "America/New_York" {
				t.Skip("a year is half a million looks at the clock")
			}
			synctest.Test(t, func(t *testing.T) {
				s := set(t, tt.spec, tt.zone, Options{}, act{takes: 40 * time.Minute})
				nights(366) // 2000 is a leap year
				s.stop(t)
				if s.play.runs != 366 {
					t.Errorf("%d runs", s.play.runs)
				}
				var odd []string
				days := map[string]bool{}
				for _, at := range s.play.began {
					days[at[:5]] = true
					if at[6:] != "02:30" {
						odd = append(odd, at)
					}
				}
				if d := cmp.Diff(tt.odd, odd); d != "" || len(days) != 366 {
					t.Errorf("%d days: %s", len(days), d)
				}
				if got := s.State(); got.Missed != 0 || got.Retries != 0 || got.Runs["certified"] != 366 || got.Running {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

func TestWhatComesWhileARunIsOnIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, "*/15 * * * *", "UTC", Options{}, act{takes: 50 * time.Minute}, act{takes: time.Minute})
		time.Sleep(40 * time.Minute) // the run of 00:15 is on, and 00:30 has passed
		synctest.Wait()
		if got := s.State(); got.Missed != 1 || !got.Running || !got.Alive {
			t.Errorf("%+v", got)
		}
		time.Sleep(51 * time.Minute)
		synctest.Wait()
		s.stop(t)
		if d := cmp.Diff([]string{"01-01T00:15", "01-01T01:15", "01-01T01:30"}, s.play.began); d != "" {
			t.Error(d)
		}
		if got := s.State(); got.Missed != 3 {
			t.Errorf("%+v", got)
		}
	})
}

func TestAFailingRunIsTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      Options
		spec   string
		script []act
		want   []string
		gaveUp []string
	}{
		{"until it goes well", Options{Retries: 3}, "0 2 * * *", []act{{exit: 1}, {exit: cli.ExitLocked}, {}}, []string{"01-01T02:00", "01-01T02:05", "01-01T02:15"}, nil},
		{"as often as was said", Options{Retries: 2}, "0 2 * * *", []act{{exit: 1}}, []string{"01-01T02:00", "01-01T02:05", "01-01T02:15"}, []string{"failed"}},
		{"a crash", Options{Retries: 1}, "0 2 * * *", []act{{exit: -1}, {}}, []string{"01-01T02:00", "01-01T02:05"}, nil},
		{"what cannot be begun", Options{Retries: 1}, "0 2 * * *", []act{{err: errors.New("no such program")}}, []string{"01-01T02:00", "01-01T02:05"}, []string{"failed"}},
		{"not credentials", Options{Retries: 3}, "0 2 * * *", []act{{exit: cli.ExitRefused}}, []string{"01-01T02:00"}, []string{"refused"}},
		{"not the configuration", Options{Retries: 3}, "0 2 * * *", []act{{exit: cli.ExitUsage}}, []string{"01-01T02:00"}, []string{"misconfigured"}},
		{"not what a person interrupted", Options{Retries: 3}, "0 2 * * *", []act{{exit: cli.ExitInterrupted}}, []string{"01-01T02:00"}, []string{"interrupted"}},
		{"not what needs a person", Options{Retries: 3}, "0 2 * * *", []act{{exit: cli.ExitAttention}}, []string{"01-01T02:00"}, nil},
		{"not at all", Options{}, "0 2 * * *", []act{{exit: 1}}, []string{"01-01T02:00"}, []string{"failed"}},
		{"not into the next", Options{Retries: 9}, "0,12 2 * * *", []act{{exit: 1}, {exit: 1}, {}}, []string{"01-01T02:00", "01-01T02:05", "01-01T02:12"}, []string{"failed"}},
		{"later and later, and then every two hours", Options{Retries: 7}, "0 2 * * *", []act{{exit: 1}}, []string{"01-01T02:00", "01-01T02:05", "01-01T02:15", "01-01T02:35",
			"01-01T03:15", "01-01T04:35", "01-01T06:35", "01-01T08:35"}, []string{"failed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := set(t, tt.spec, "UTC", tt.o, tt.script...)
				nights(0.5)
				s.stop(t)
				if d := cmp.Diff(tt.want, s.play.began); d != "" {
					t.Error(d)
				}
				if d := cmp.Diff(tt.gaveUp, s.gaveUp); d != "" {
					t.Errorf("gave up: %s", d)
				}
			})
		})
	}
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, "0 2 * * *", "UTC", Options{Deadline: 3 * time.Hour, Retries: 3}, act{takes: 30 * time.Hour}, act{takes: time.Hour})
		nights(0.5)
		synctest.Wait()
		if got := s.State(); got.Running || got.Last == nil || !got.Last.Overdue || got.Last.Ended.Sub(got.Last.Began) != 3*time.Hour || got.Runs["interrupted"] != 1 {
			t.Errorf("%+v", got)
		}
		nights(1)
		s.stop(t)
		if d := cmp.Diff([]string{"01-01T02:00", "01-02T02:00"}, s.play.began); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"interrupted"}, s.gaveUp); d != "" {
			t.Error(d)
		}
	})
}

func TestCatchUp(t *testing.T) {
	begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		o    Options
		want []string
	}{
		{"nothing was missed", Options{CatchUp: true, Last: begin.Add(-21 * time.Hour)}, []string{"01-01T02:00"}},
		{"one for all that was missed", Options{CatchUp: true, Last: begin.Add(-100 * time.Hour)}, []string{"01-01T00:00", "01-01T02:00"}},
		{"a warehouse without a run", Options{CatchUp: true}, []string{"01-01T00:00", "01-01T02:00"}},
		{"not asked for", Options{Last: begin.Add(-100 * time.Hour)}, []string{"01-01T02:00"}},
		{"a run until just before it was due", Options{CatchUp: true, Last: begin.Add(-22*time.Hour - time.Second)}, []string{"01-01T00:00", "01-01T02:00"}},
		{"a run until it was due", Options{CatchUp: true, Last: begin.Add(-22 * time.Hour)}, []string{"01-01T02:00"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := set(t, "0 2 * * *", "UTC", tt.o, act{takes: time.Minute})
				nights(0.5)
				s.stop(t)
				if d := cmp.Diff(tt.want, s.play.began); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

// A machine that sleeps, or whose clock is set, wakes up at another time than was slept for.
func TestAClockThatJumps(t *testing.T) {
	for _, tt := range []struct {
		name    string
		catchUp bool
		jump    time.Duration
		want    int // runs by noon of the third
		missed  uint64
	}{
		{"over two nights", false, 50 * time.Hour, 0, 3},
		{"over two nights, made up for", true, 50 * time.Hour, 1, 2},
		{"over two nights, to when a run is due", false, 49 * time.Hour, 1, 2},
		{"by a little", false, 62 * time.Minute, 3, 0},
		{"back", false, -2 * time.Hour, 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var jump atomic.Int64
				s := set(t, "0 2 * * *", "UTC", Options{CatchUp: tt.catchUp, Last: time.Now(), Now: func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }}, act{})
				time.Sleep(time.Hour + time.Second)
				synctest.Wait()
				jump.Store(int64(tt.jump))
				time.Sleep(60*time.Hour - tt.jump)
				s.stop(t)
				if got := s.State(); s.play.runs != tt.want || got.Missed != tt.missed {
					t.Errorf("%d runs, %d missed", s.play.runs, got.Missed)
				}
			})
		})
	}
}

func TestSignals(t *testing.T) {
	t.Run("the first lets a run finish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := set(t, "0 2 * * *", "UTC", Options{Retries: 3}, act{exit: 1, takes: time.Hour})
			time.Sleep(2*time.Hour + time.Minute)
			close(s.drain)
			began := time.Now()
			if err := <-s.ended; err != nil || time.Since(began) != 59*time.Minute || s.play.runs != 1 || s.gaveUp != nil {
				t.Errorf("%v after %s, %d runs, gave up %v", err, time.Since(began), s.play.runs, s.gaveUp)
			}
			s.cancel(nil)
		})
	})
	t.Run("the second interrupts it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := set(t, "0 2 * * *", "UTC", Options{Retries: 3}, act{takes: time.Hour})
			time.Sleep(2*time.Hour + time.Minute)
			close(s.drain)
			synctest.Wait()
			s.cancel(cli.ErrInterrupted)
			began := time.Now()
			if err := <-s.ended; !errors.Is(err, cli.ErrInterrupted) || time.Since(began) != 0 || s.play.runs != 1 || s.State().Runs["interrupted"] != 1 {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		})
	})
	t.Run("while nothing runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := set(t, "0 2 * * *", "UTC", Options{}, act{})
			time.Sleep(time.Hour)
			began := time.Now()
			s.stop(t)
			if time.Since(began) != 0 || s.play.runs != 0 {
				t.Errorf("after %s", time.Since(began))
			}
		})
	})
}

// A run that is on for long does not make the loop look dead; a loop that hangs does.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, "0 2 * * *", "UTC", Options{}, act{takes: 20 * time.Hour})
		time.Sleep(12*time.Hour + 17*time.Second)
		if !s.State().Alive {
			t.Error("dead in the middle of a run")
		}
		s.cancel(errors.New("over"))
		<-s.ended
		time.Sleep(heartbeat)
		if s.State().Alive {
			t.Error("alive without a loop")
		}
	})
}

func TestStatuses(t *testing.T) {
	summary := &pipeline.Summary{Status: pipeline.Held}
	for _, tt := range []struct {
		o    Outcome
		want string
	}{
		{Outcome{Exit: 3, Summary: summary}, "held"}, {Outcome{Exit: 0, Summary: summary}, "held"}, {Outcome{Exit: 1, Summary: summary}, "failed"}, {Outcome{Exit: 2}, "crashed"},
		{Outcome{Exit: -1, Summary: summary}, "crashed"}, {Outcome{Exit: 11}, "locked"}, {Outcome{Exit: 12}, "refused"}, {Outcome{Exit: 64}, "misconfigured"}, {Outcome{Exit: 130}, "interrupted"},
	} {
		if got := tt.o.Status(); got != tt.want {
			t.Errorf("%+v: %s", tt.o, got)
		}
	}
}
