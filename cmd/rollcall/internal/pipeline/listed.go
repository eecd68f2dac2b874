package pipeline

import (
	"context"
	"encoding/json"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/load/publish"
)

// stillListed asks the source by look-ups whether it still has the users. It asks only where it is certain whom to ask: the base URL was
// given, or is the one that the last run asked; credentials go nowhere else. What it is told goes into no journal.
func (o ForgetOptions) stillListed(ctx context.Context, users []identity) Listing {
	c := *o.Config
	if c.Origin("base_url").Place == config.FromDefault && lastBaseURL(publish.Open(c.Warehouse)) != c.BaseURL {
		return NotAsked
	}
	creds, err := c.Credentials(ctx)
	if err != nil {
		return NotAsked
	}
	ids := map[string][]string{}
	c.Orgs = nil
	for _, id := range users {
		if ids[id.scope] == nil {
			c.Orgs = append(c.Orgs, id.scope)
		}
		ids[id.scope] = append(ids[id.scope], id.user)
	}
	r := &run{o: Options{Config: &c, Command: Sync, Log: o.Log, Now: time.Now}, cfg: &c, creds: creds, mem: memory.DefaultAllocator}
	client, targets, err := r.connect()
	if err != nil {
		return Unanswered
	}
	defer client.Close()
	for _, t := range targets {
		found, err := t.source.Lookup(ctx, ids[t.name])
		if err != nil {
			o.Log.Warn().Str("org", t.name).Err(err).Msg("the source cannot be asked whether it still has them")
			return Unanswered
		}
		if len(found) > 0 {
			return StillListed
		}
	}
	return NotListed
}

// lastBaseURL is where the newest run that has a journal asked; empty where that cannot be told.
func lastBaseURL(wh *publish.Warehouse) string {
	runs, err := journal.List(wh.Journal())
	if err != nil || len(runs) == 0 {
		return ""
	}
	var s settings
	if err := json.Unmarshal(runs[len(runs)-1].Config, &s); err != nil {
		return ""
	}
	return s.BaseURL
}
