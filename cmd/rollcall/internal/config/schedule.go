package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/schedule"
	"github.com/rollcall-data/rollcall/extract"
)

// Schedule is when the daemon runs a sync, and what it serves.
type Schedule struct {
	Cron          string        // five fields, or @daily and the like
	TimeZone      string        // of Cron: UTC, Local or a name such as Europe/Berlin
	Jitter        time.Duration // the most by which runs begin later; how much depends on the warehouse alone
	CatchUp       bool          // a run that was missed while the daemon was off is made up for, once
	Deadline      time.Duration // a run that takes longer is interrupted; 0: none is
	Retries       int           // of a run that fails, before the next is due
	Listen        string        // HOST:PORT of the status page, metrics and health; empty or off: none
	HealthyWithin time.Duration // age at which the last certified run makes the daemon unhealthy; 0: none does
	SQLToken      Credential    // opens the status page's SQL box; not set: there is none
}

// defaultSchedule is when nothing is said.
func defaultSchedule() Schedule {
	return Schedule{Cron: "0 2 * * *", TimeZone: "UTC", Retries: 3, Listen: "127.0.0.1:9180"}
}

func checkTimeZone(name string) error {
	if _, err := time.LoadLocation(name); err != nil || name == "" {
		return errors.New("must be UTC, Local or a time zone such as Europe/Berlin")
	}
	return nil
}

// checkCron is about the expression alone; its zone may come later.
func checkCron(text string) error {
	_, err := schedule.Parse(text, time.UTC)
	return err
}

func checkListen(address string) error {
	if address == "" || address == listenOff {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n > 65535 {
		return errors.New("must be HOST:PORT such as 127.0.0.1:9180, or off for no server")
	}
	return nil
}

// listenOff is what the environment can say, where an empty variable is as good as none.
const listenOff = "off"

// Address is what to listen on; empty: nothing is served.
func (s Schedule) Address() string {
	if s.Listen == listenOff {
		return ""
	}
	return s.Listen
}

// Times are when runs begin: the expression in its time zone, moved by the warehouse's share of the jitter.
func (c *Config) Times() (*schedule.Schedule, error) {
	zone, err := time.LoadLocation(c.Schedule.TimeZone)
	if err != nil {
		return nil, c.fieldError("schedule.time_zone", "cannot be loaded")
	}
	s, err := schedule.Parse(c.Schedule.Cron, zone)
	if err != nil {
		return nil, c.fieldError("schedule.cron", err.Error())
	}
	name, err := filepath.Abs(c.Warehouse)
	if err != nil {
		name = c.Warehouse
	}
	return s.Shifted(name, c.Schedule.Jitter), nil
}

// Loopback tells whether an address to listen on is reached from this machine alone.
func Loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && loopback(host)
}

// StatusToken is what opens the status page's SQL box; empty: there is no such box.
func (c *Config) StatusToken(ctx context.Context) (extract.Secret, error) {
	if !c.Schedule.SQLToken.IsSet() {
		return "", nil
	}
	token, err := c.Schedule.SQLToken.reveal(ctx)
	if err == nil && len(token.Reveal()) < leastToken {
		err = fmt.Errorf("must have %d characters or more: it is all that is between the network and the users", leastToken)
	}
	if err != nil {
		return "", &FieldError{Key: "schedule.sql_token", Origin: c.origins["schedule.sql_token"], Reason: c.Schedule.SQLToken.where() + err.Error()}
	}
	return token, nil
}

// leastToken is how long a token must be.
const leastToken = 16
