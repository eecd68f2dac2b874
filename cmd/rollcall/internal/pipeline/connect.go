package pipeline

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/amigosql"
	"github.com/rollcall-data/rollcall/extract/freddy"
	"github.com/rollcall-data/rollcall/extract/sweep"
	"github.com/rollcall-data/rollcall/transform"
)

// source is one organization of an API, or a connection to one without organizations. What else a source can do is told by the interfaces
// below.
type source interface {
	Lookup(ctx context.Context, ids []string) ([]sweep.Item, error)
}

// pager is a source whose list is paged: package sweep walks it.
type pager interface {
	Page(ctx context.Context, q sweep.Query) (sweep.Page, error)
}

// sweeper is a source that walks its list itself.
type sweeper interface {
	Sweep(ctx context.Context, seen func(sweep.Item) error) (*amigosql.Result, error)
}

// modeller is a source that has models at a request each.
type modeller interface {
	Model(ctx context.Context, userID string) (amigo.Model, error)
}

// roleLister is a source that has names for roles.
type roleLister interface {
	Roles(ctx context.Context) ([]json.RawMessage, error)
}

// rememberer is a source that has memories.
type rememberer interface {
	Memories(ctx context.Context, userID string) ([]json.RawMessage, error)
}

// profiler is a source whose list is thin: an item becomes a record when it is merged with the user's profile.
type profiler interface {
	Profiles(ctx context.Context, ids []string) (map[string][]byte, error)
	Merge(item, profile []byte) ([]byte, error)
}

// target is an organization to extract.
type target struct {
	name    string
	source  source
	columns complementer // has what the source's list lacks; nil: it is not asked
}

// connect makes the client and a source for each organization.
func (r *run) connect() (*extract.Client, []target, error) {
	o := ClientOptions(r.cfg, r.creds)
	o.Offline, o.Concurrency, o.Hooks, o.MaxBody = r.offline, modelWorkers+1, r.tally.hooks(r), r.o.maxBody
	if r.journal != nil { // a plan has none
		o.Recorder = r.journal
	}
	if r.offline {
		o.Auth = nil
	}
	client, err := extract.NewClient(o)
	if err != nil {
		return nil, nil, err
	}
	if r.cfg.Source == config.Freddy && len(r.cfg.Orgs) == 0 {
		return client, []target{{name: freddy.Connection, source: freddy.New(client, freddy.Options{})}}, nil
	}
	var targets []target
	for _, org := range r.cfg.Orgs {
		t := target{name: org, source: r.source(client, org)}
		if r.cfg.Source == config.Amigo && r.rules.SQLColumns.Asked() {
			t.columns = amigosql.New(client, amigosql.Options{Org: org, Complement: true, Hooks: r.columnHooks(org)})
		}
		targets = append(targets, t)
	}
	return client, targets, nil
}

// source is an organization of the configured API.
func (r *run) source(c *extract.Client, org string) source {
	switch r.cfg.Source {
	case config.Freddy:
		return freddy.New(c, freddy.Options{Org: org})
	case config.AmigoSQL:
		return amigosql.New(c, amigosql.Options{Org: org, AllowEmpty: r.rules.AllowEmpty, Hooks: r.sweepHooks(org)})
	}
	return amigo.New(c, amigo.Options{Org: org, Paging: dialect(r.cfg.Paging)})
}

// sweepHooks report an organization's sweep.
func (r *run) sweepHooks(org string) sweep.Hooks {
	before := int64(r.prior.scope(org).users.Len())
	return sweep.Hooks{
		OnPage: func(_, _, users int) { r.progress("sweep", int64(users), before) },
		OnPass: func(p sweep.PassReport) {
			r.o.Log.Info().Str("org", org).Int("pass", p.Pass).Int("pages", p.Pages).Int("users", p.Users).Int("shifts", p.Shifts).Msg("pass over the list")
		},
	}
}

// columnHooks report how far the SQL endpoint was read.
func (r *run) columnHooks(org string) sweep.Hooks {
	before := int64(r.prior.scope(org).users.Len())
	return sweep.Hooks{OnPage: func(_, _, users int) { r.progress("columns", int64(users), before) }}
}

// identity is who asks: the user signed in as, or whom a token names.
func (r *run) identity() string { return Identity(r.cfg, r.creds) }

func dialect(p config.Paging) sweep.Dialect {
	switch p {
	case config.PagingToken:
		return sweep.Token
	case config.PagingOffset:
		return sweep.Offset
	}
	return sweep.Auto
}

// defaults are what an organization's items do not say themselves.
func (r *run) defaults(org string) transform.Defaults {
	if r.cfg.Source == config.Freddy { // region_name is the user's country, org_id the organization that is active
		return transform.Defaults{Scope: org}
	}
	region := amigo.Region(r.cfg.BaseURL)
	return transform.Defaults{Scope: org, Org: transform.Text{String: org, Valid: true}, Region: transform.Text{String: region, Valid: region != ""}}
}

// tally counts requests as they are made.
type tally struct {
	mu       sync.Mutex
	requests Requests
	bytes    int64
}

func (t *tally) hooks(r *run) extract.Hooks {
	count := func(field func() *int) {
		t.mu.Lock()
		defer t.mu.Unlock()
		*field()++
	}
	return extract.Hooks{
		OnRequest: func(k extract.Kind, _ string) { count(func() *int { return t.requests.of(k) }) },
		OnAnswer: func(k extract.Kind, org string, status, bytes int, took time.Duration, replayed bool) {
			t.mu.Lock()
			if replayed {
				t.requests.Replayed++
			} else {
				t.bytes += int64(bytes)
				t.requests.answered(k, status)
			}
			t.mu.Unlock()
			r.o.Log.Debug().Str("endpoint", string(k)).Str("org", org).Int("status", status).Int("bytes", bytes).Dur("took", took).Bool("replayed", replayed).
				Msg("answer")
		},
		OnRetry: func(k extract.Kind, org, reason string, wait time.Duration) {
			count(func() *int { return &t.requests.Retried })
			r.o.Log.Warn().Str("endpoint", string(k)).Str("org", org).Str("reason", reason).Dur("wait", wait).Msg("asking again")
		},
		OnThrottle: func(k extract.Kind, org string, wait time.Duration) {
			count(func() *int { return &t.requests.Throttled })
			r.o.Log.Warn().Str("endpoint", string(k)).Str("org", org).Dur("wait", wait).Msg("throttled by the server")
		},
		OnWait: func(k extract.Kind, org string, wait time.Duration) { r.waiting(wait) },
	}
}

func (t *tally) snapshot() (Requests, int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests.clone(), t.bytes
}
