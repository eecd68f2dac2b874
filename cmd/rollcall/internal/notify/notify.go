package notify

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/load/publish"
)

const (
	perTry   = 15 * time.Second
	between  = time.Second // two tries
	stateTag = "notify.json"
)

// place is where reports go.
type place interface {
	// send sends once. The error has nothing secret in it; it is a *permanentError where another try would end in the same.
	send(ctx context.Context, r Report) error
}

// permanentError is an answer that will not change.
type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// Notifier tells people about the runs of a warehouse.
type Notifier struct {
	on        []string
	places    map[string]place
	ping      place
	warehouse *publish.Warehouse
	pause     time.Duration // between two tries
}

// New makes a Notifier. trust is for servers whose certificates the system does not know; nil: there are none.
func New(c config.Notifications, w *publish.Warehouse, trust *tls.Config) *Notifier {
	n := &Notifier{on: c.On, places: map[string]place{}, warehouse: w, pause: between}
	client := newClient(trust)
	if c.Webhook != "" {
		n.places["webhook"] = &webhook{client, c.Webhook, func(r Report) any { return r }}
	}
	if c.Slack != "" {
		n.places["slack"] = &webhook{client, c.Slack, func(r Report) any { return slackMessage{slackText(r.Text)} }}
	}
	if c.Email.Server != "" {
		n.places["email"] = &email{c, trust}
	}
	if c.Ping != "" {
		n.ping = &ping{client, c.Ping}
	}
	return n
}

// Tell tells whoever wants to know how the run ended, and returns what went wrong with that. It does so also when the context has ended.
func (n *Notifier) Tell(ctx context.Context, r Run) []error {
	if len(n.places) == 0 && n.ping == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*perTry+between)
	defer cancel()
	to := map[string]place{}
	var problems []error
	events, err := n.events(r)
	if err != nil {
		problems = append(problems, err)
	}
	var about Report
	if slices.ContainsFunc(events, n.wanted) {
		to = n.places
		about = report(n.warehouse, r, events)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := func(name string, p place) {
		wg.Go(func() {
			if err := n.deliver(ctx, p, about); err != nil {
				mu.Lock()
				defer mu.Unlock()
				problems = append(problems, fmt.Errorf("notify %s: %w", name, err))
			}
		})
	}
	for name, p := range to {
		begin(name, p)
	}
	if n.ping != nil && r.certified() {
		begin("ping", n.ping)
	}
	wg.Wait()
	return problems
}

func (n *Notifier) wanted(event string) bool { return len(n.on) == 0 || slices.Contains(n.on, event) }

// deliver sends, and if need be once more.
func (n *Notifier) deliver(ctx context.Context, p place, r Report) error {
	try := func() error {
		ctx, cancel := context.WithTimeout(ctx, perTry)
		defer cancel()
		return p.send(ctx, r)
	}
	err := try()
	if permanent := new(permanentError); err == nil || errors.As(err, &permanent) {
		return err
	}
	timer := time.NewTimer(n.pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return err
	case <-timer.C:
	}
	return try()
}

// remembered is what is kept between runs: what was wrong, and since when.
type remembered struct {
	Since  string   `json:"since"` // RFC 3339, UTC
	Events []string `json:"events"`
}

// events are what there is to tell about the run. What was wrong is remembered, and forgotten when a run goes well.
func (n *Notifier) events(r Run) ([]string, error) {
	path := filepath.Join(n.warehouse.Dir(), stateTag)
	troubles := r.troubles()
	raw, err := os.ReadFile(path)
	was := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return troubles, fmt.Errorf("notify: %w", err)
	}
	switch {
	case len(troubles) > 0:
		now := remembered{time.Now().UTC().Format(time.RFC3339), troubles}
		var before remembered
		if was && json.Unmarshal(raw, &before) == nil {
			now.Since = before.Since
		}
		doc, err := json.Marshal(now)
		if err == nil {
			err = publish.WriteFile(path, append(doc, '\n'))
		}
		if err != nil {
			return troubles, fmt.Errorf("notify: %w", err)
		}
		return troubles, nil
	case was && r.good():
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("notify: %w", err)
		}
		return []string{Recovered}, nil
	}
	return nil, nil
}
