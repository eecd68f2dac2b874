package extract_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-data/rollcall/extract"
)

// tape is a recorder in memory.
type tape struct {
	log  []string // what was recorded: kind, status, usable
	held map[string][]extract.Answer
	fail error
}

func (p *tape) Recorded(c extract.Call) (extract.Answer, bool) {
	q := p.held[c.ID()]
	if len(q) == 0 {
		return extract.Answer{}, false
	}
	p.held[c.ID()] = q[1:]
	return q[0], true
}

func (p *tape) Record(_ context.Context, c extract.Call, a extract.Answer, usable bool) error {
	p.log = append(p.log, fmt.Sprintf("%s %d %q %v", c.Kind, a.Status, a.Body, usable))
	return p.fail
}

func (p *tape) hold(c extract.Call, bodies ...string) {
	if p.held == nil {
		p.held = make(map[string][]extract.Answer)
	}
	for _, b := range bodies {
		p.held[c.ID()] = append(p.held[c.ID()], extract.Answer{Status: 200, Body: []byte(b), At: time.Unix(1700000000, 0).UTC()})
	}
}

// TestRecorded: every whole answer is recorded, in order, before it is used, with whether it was usable.
func TestRecorded(t *testing.T) {
	answers := []*http.Response{
		reply(500, "boom"), reply(429, "slow", "Retry-After: 0"), reply(200, "<html>", "Content-Type: text/html"), reply(200, "bad"), reply(200, "good"),
	}
	p := &tape{}
	s := &script{f: func(n int, _ *http.Request) (*http.Response, error) {
		if n > len(answers) {
			return nil, errors.New("network is down")
		}
		return answers[n-1], nil
	}}
	c := newClient(t, extract.Options{RPM: extract.RPMNone, Transport: s, Recorder: p, Retry: extract.Retry{Jitter: instantly}})
	_, err := c.Do(t.Context(), listCall(), func(a extract.Answer) error {
		if string(a.Body) != "good" {
			return errors.New("not good")
		}
		return nil
	})
	want := `list 500 "boom" false; list 429 "slow" false; list 200 "<html>" false; list 200 "bad" false; list 200 "good" true`
	if got := strings.Join(p.log, "; "); err != nil || got != want {
		t.Errorf("recorded %s, error %v", got, err)
	}

	answers, p.log, s.sent = []*http.Response{reply(403, "no"), reply(404, "who")}, nil, nil
	for range 2 {
		if _, err := c.Do(t.Context(), modelCall(), nil); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(p.log, "; "); got != `model 403 "no" true; model 404 "who" true` {
		t.Errorf("recorded %s", got)
	}
}

// TestReplayed: what is recorded is not asked for again, in the order recorded; then the server is.
func TestReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &tape{}
		p.hold(listCall(), "first", "second")
		var seen events
		s := &script{f: func(int, *http.Request) (*http.Response, error) { return reply(200, "third"), nil }}
		auth := &renewable{}
		c := newClient(t, extract.Options{RPM: 1, Transport: s, Recorder: p, Hooks: seen.hooks(), Auth: auth})
		start := time.Now()
		for _, want := range []string{"first", "second", "third"} {
			accepted := ""
			a, err := c.Do(t.Context(), listCall(), func(a extract.Answer) error { accepted = string(a.Body); return nil })
			if err != nil || string(a.Body) != want || accepted != want || a.Replayed != (want != "third") {
				t.Errorf("%+v, accepted %q, error %v", a, accepted, err)
			}
			if a.Replayed && (a.At.Unix() != 1700000000 || auth.authorized != 0) {
				t.Errorf("%+v, authorized %d times", a, auth.authorized)
			}
		}
		if len(s.sent) != 1 || seen.requests[extract.KindList] != 1 || seen.replayed != 2 || seen.answers[200] != 3 || len(p.log) != 1 {
			t.Errorf("%d sent, hooks %+v, recorded %v", len(s.sent), &seen, p.log)
		}
		if time.Since(start) != 0 {
			t.Errorf("replaying waited for %v", time.Since(start))
		}
	})
}

// TestReplayedIsJudgedAgain: a recorded answer that the caller no longer takes is passed over.
func TestReplayedIsJudgedAgain(t *testing.T) {
	p := &tape{}
	p.hold(listCall(), "old form", "new form")
	c := newClient(t, extract.Options{Recorder: p, Offline: true})
	accept := func(a extract.Answer) error {
		if string(a.Body) != "new form" {
			return errors.New("no")
		}
		return nil
	}
	if a, err := c.Do(t.Context(), listCall(), accept); err != nil || string(a.Body) != "new form" {
		t.Errorf("%q, %v", a.Body, err)
	}
}

// TestOffline: what was not recorded cannot be had, and nobody is asked.
func TestOffline(t *testing.T) {
	s := &script{f: func(int, *http.Request) (*http.Response, error) { return reply(200, ""), nil }}
	auth := &renewable{}
	c := newClient(t, extract.Options{Recorder: &tape{}, Offline: true, Transport: s, Auth: auth})
	_, err := c.Do(t.Context(), listCall(), nil)
	if !errors.Is(err, extract.ErrNotRecorded) || len(s.sent) != 0 || auth.authorized != 0 {
		t.Errorf("error %v, %d requests", err, len(s.sent))
	}
	if _, err := extract.NewClient(extract.Options{BaseURL: loopback, Offline: true}); err == nil {
		t.Error("an offline client without a recorder was made")
	}
}

// TestRecorderFails: what cannot be kept is not used, usable or not.
func TestRecorderFails(t *testing.T) {
	full := errors.New("no space left on device")
	for _, status := range []int{200, 500} {
		s := &script{f: func(int, *http.Request) (*http.Response, error) { return reply(status, "{}"), nil }}
		c := newClient(t, extract.Options{Transport: s, Recorder: &tape{fail: full}})
		if _, err := c.Do(t.Context(), listCall(), nil); !errors.Is(err, full) || len(s.sent) != 1 {
			t.Errorf("%d: error %v after %d requests", status, err, len(s.sent))
		}
	}
}
