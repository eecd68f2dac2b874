package pipeline

import (
	"context"
	"math"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/sweep"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/transform"
)

// Plan is what a sync would do.
type Plan struct {
	Version       *string   `json:"version"` // the version it would build upon; null where there is none
	Orgs          []OrgPlan `json:"orgs"`
	Requests      int       `json:"requests"`
	Minutes       float64   `json:"minutes"` // at the rate limits; models run beside the list and what completes it
	Budget        string    `json:"model_budget"`
	SchemaChanges []string  `json:"schema_changes"` // known before the list is read
	Notes         []string  `json:"notes"`
}

// OrgPlan is the plan for one organization.
type OrgPlan struct {
	Org          string      `json:"org"`
	Users        int         `json:"users"` // in the version before, else as the list's length was probed
	Probed       int         `json:"probe_requests"`
	ListRequests int         `json:"list_requests"`
	Models       ModelCounts `json:"model_requests"`
	ModelMinutes float64     `json:"model_minutes"`
	ListMinutes  float64     `json:"list_minutes"`
	SQLRequests  int         `json:"sql_requests"` // for the columns that the list lacks, sql_columns
	SQLMinutes   float64     `json:"sql_minutes"`
	LeftOver     int         `json:"models_left_for_later"`      // beyond the budget
	OldestAfter  float64     `json:"oldest_model_after_seconds"` // of the models that stay
}

// ModelCounts are model requests by reason.
type ModelCounts struct {
	NeverAsked int `json:"never_asked"`
	GrownOld   int `json:"grown_old"`
	Forbidden  int `json:"forbidden_retried"`
	AskedFor   int `json:"all"`
}

func (m ModelCounts) total() int { return m.NeverAsked + m.GrownOld + m.Forbidden + m.AskedFor }

// sweepPasses is how many passes a sweep usually takes: one that sees everybody, one that confirms.
const sweepPasses = 2

// sqlRows is how many users the SQL endpoint tells of at once (api/amigo.md §3.11).
const sqlRows = 1000

// MakePlan says what a sync would do now. It writes nothing; where there is no version yet it asks the API how long the list is, in a few
// requests.
func MakePlan(ctx context.Context, o Options) (*Plan, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	wh := publish.Open(o.Config.Warehouse)
	r := &run{o: o, cfg: o.Config, wh: wh, mem: memory.DefaultAllocator, began: o.Now(), clock: o.Now().UTC()}
	if err := r.loadCurrent(ctx); err != nil {
		return nil, err
	}
	p := &Plan{Version: r.currentVersion(), Budget: r.cfg.ModelBudget.String(), SchemaChanges: []string{}, Notes: []string{}}
	for _, name := range r.cfg.Orgs {
		org := r.planOrg(name)
		if !r.prior.exists {
			var err error
			if org, err = r.probe(ctx, name); err != nil {
				return nil, err
			}
		}
		p.add(org)
	}
	p.Notes = append(p.Notes, "users whose user_stats moved are asked for too; who they are is known when the list is read")
	if r.prior.exists {
		p.Notes = append(p.Notes, "new preference keys show when the list is read; `rollcall schema --diff` tells afterwards")
	}
	return p, nil
}

func (p *Plan) add(o OrgPlan) {
	p.Orgs = append(p.Orgs, o)
	p.Requests += o.Probed + o.ListRequests + o.SQLRequests + o.Models.total() - o.LeftOver + 2 // sign-in and roles
	p.Minutes = max(p.Minutes, o.ListMinutes+o.SQLMinutes, o.ModelMinutes)
}

// planOrg plans from the version before.
func (r *run) planOrg(name string) OrgPlan {
	out := OrgPlan{Org: name}
	policy := r.modelPolicy()
	var fetched []candidate
	for row := range r.prior.scope(name).all() {
		out.Users++
		switch {
		case row.State == transform.Listed || policy.mode == config.ModelsNone:
		case policy.mode == config.ModelsAll:
			out.Models.AskedFor++
		case row.State == transform.Pending:
			out.Models.NeverAsked++
		case row.State == transform.Forbidden:
			if policy.forbiddenDue(row.UserID) {
				out.Models.Forbidden++
			}
		default:
			fetched = append(fetched, candidate{row.UserID, row.ModelsAt.At})
		}
	}
	aged := policy.aged(fetched)
	out.Models.GrownOld = len(aged)
	refreshed := make(map[string]bool, len(aged))
	for _, c := range aged {
		refreshed[c.user] = true
	}
	for _, c := range fetched {
		if !refreshed[c.user] {
			out.OldestAfter = max(out.OldestAfter, r.clock.Sub(time.UnixMicro(c.at)).Seconds())
		}
	}
	r.cost(&out)
	return out
}

// cost turns users and models into requests and minutes.
func (r *run) cost(o *OrgPlan) {
	step := max(1, r.cfg.PageSize-1) // pages overlap by a row
	o.ListRequests = sweepPasses * max(1, int(math.Ceil(float64(o.Users)/float64(step))))
	o.ListMinutes = r.minutes(extract.KindList, o.ListRequests)
	if r.cfg.Source == config.Amigo && r.cfg.SQLColumns.Asked() {
		o.SQLRequests = max(1, int(math.Ceil(float64(o.Users)/sqlRows)))
		o.SQLMinutes = r.minutes(extract.KindSQL, o.SQLRequests)
	}
	o.ModelMinutes = r.minutes(extract.KindModel, o.Models.total())
	if budget := r.cfg.ModelBudget.Minutes(); o.ModelMinutes > budget && budget > 0 {
		o.LeftOver = o.Models.total() - int(float64(o.Models.total())*budget/o.ModelMinutes)
		o.ModelMinutes = budget
	}
}

// minutes is how long so many requests take at the rate limits; 0 where there is none.
func (r *run) minutes(k extract.Kind, requests int) float64 {
	switch r.cfg.RPM {
	case extract.RPMNone:
		return 0
	case extract.RPMAuto:
		return float64(requests) / float64(amigo.Limits()[k])
	}
	return float64(requests) / float64(r.cfg.RPM)
}

// probe finds how long the list is by asking for rows ever further on, where its cursor is a skip count; it takes a few requests.
func (r *run) probe(ctx context.Context, name string) (OrgPlan, error) {
	out := OrgPlan{Org: name}
	var err error
	if r.creds, err = r.cfg.Credentials(ctx); err != nil {
		return out, err
	}
	client, targets, err := r.connect()
	if err != nil {
		return out, err
	}
	defer client.Close()
	for _, t := range targets {
		if t.name != name {
			continue
		}
		list, ok := t.source.(pager)
		if !ok {
			continue
		}
		if out.Users, out.Probed, err = listLength(ctx, list); err != nil {
			return out, err
		}
	}
	if r.cfg.Models != config.ModelsNone {
		out.Models.NeverAsked = out.Users
	}
	r.cost(&out)
	return out, nil
}

// listLength finds the number of rows by galloping and halving. It is an estimate of a live list, and of one whose token is no skip count it
// is the first page's length.
func listLength(ctx context.Context, s pager) (users, requests int, err error) {
	rowsFrom := func(skip int) (int, error) {
		requests++
		page, err := s.Page(ctx, sweep.Query{Limit: maxProbe, Cursor: int64(skip)})
		if err == nil && page.More == sweep.No && len(page.Items) < maxProbe {
			users = skip + len(page.Items)
		}
		return len(page.Items), err
	}
	low, high := 0, maxProbe
	n, err := rowsFrom(0)
	for err == nil && n > 0 && users == 0 {
		low = high
		high *= 4
		n, err = rowsFrom(low)
	}
	high = low
	low /= 4
	for err == nil && users == 0 && high-low > maxProbe {
		mid := (low + high) / 2
		if n, err = rowsFrom(mid); n > 0 {
			low = mid
		} else {
			high = mid
		}
	}
	if users == 0 {
		users = high
	}
	return users, requests, err
}

const maxProbe = 100
