package doctor

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/lake"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/objectstore"
)

// journal says what becomes of the API's answers.
func (e *examination) journal() {
	switch e.c.Journal {
	case config.JournalOff:
		e.say("journal", OK, "off: removed once a run is done; nothing can be replayed", "")
	case config.JournalEncrypted:
		found := fmt.Sprintf("encrypted for %d recipients", len(e.c.JournalRecipients))
		if e.c.IdentityOfJournals() == nil {
			e.say("journal", Warn, found+"; this machine has no identity to open it: a run that died begins anew", "journal_identity: file:PATH, for runs that go on, replay, forget and verify")
			return
		}
		e.say("journal", OK, found+", and this machine has an identity to open it", "")
	case config.JournalPlain:
		e.say("journal", OK, "plain, readable by the warehouse's owner alone", "")
	}
}

// arrow is the module of Arrow and Parquet.
const arrow = "github.com/apache/arrow/go/"

// engines says what the tables are made with.
func (e *examination) engines(ctx context.Context) {
	version, err := duckdb.Version(ctx)
	if err != nil {
		e.say("engines", Fail, err.Error(), "")
		return
	}
	found := "DuckDB " + version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if strings.HasPrefix(m.Path, arrow) {
				found += ", Arrow and Parquet " + m.Version
			}
		}
	}
	e.say("engines", OK, found+"; any DuckDB from 1.1.0 on opens the files", "")
}

// copies looks whether object storage answers, where versions are copied to.
func (e *examination) copies(ctx context.Context) {
	if e.c.ObjectStorage().URL == "" {
		e.say("publish", Skip, "versions are copied nowhere", "")
		return
	}
	within, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	store, err := objectstore.Open(within, e.c.ObjectStorage())
	if err != nil {
		e.failed(ctx, "publish", "", err)
		return
	}
	defer store.Close()
	e.report.Requests++
	switch now, err := store.Current(within); {
	case errors.Is(err, objectstore.ErrNoVersion):
		e.say("publish", OK, store.URL()+" can be read, and has no version yet; whether it can be written to, the first one tells", "")
	case err != nil:
		e.failed(ctx, "publish", "", err)
	default:
		e.say("publish", OK, store.URL()+" has version "+now.Run, "")
	}
}

// lake looks whether the lake answers, where versions are published to one. rollcall-lake asks it.
func (e *examination) lake(ctx context.Context) {
	if !e.c.Lake.IsSet() {
		e.say("lake", Skip, "versions are published to no lake", "")
		return
	}
	within, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	access, err := e.c.LakeAccess(within)
	if err != nil {
		e.failed(ctx, "lake", "", err)
		return
	}
	process, err := lake.For(e.c, access, zerolog.Nop())
	if err != nil {
		e.failed(ctx, "lake", "", err)
		return
	}
	var ended *lake.FailedError
	switch err := process.Run(within, "status", "--warehouse", e.c.Warehouse); {
	case errors.As(err, &ended) && ended.Code == cli.ExitNoVersion:
		e.say("lake", OK, access.Location+" has no version yet; whether it can be written to, the first one tells", "")
	case err != nil:
		e.failed(ctx, "lake", "", err)
	default:
		e.say("lake", OK, access.Location+" answers; rollcall lake status says what it shows", "")
	}
}

// news says who is told how runs end. Nobody is told now.
func (e *examination) news(ctx context.Context) {
	n, err := e.c.Notifications(ctx)
	if err != nil {
		e.failed(ctx, "notify", "", err)
		return
	}
	var to []string
	for _, place := range []struct {
		name string
		is   bool
	}{{"webhook", n.Webhook != ""}, {"slack", n.Slack != ""}, {"ping", n.Ping != ""}, {"e-mail", n.Email.Server != ""}} {
		if place.is {
			to = append(to, place.name)
		}
	}
	switch {
	case to == nil && e.c.MetricsFile == "":
		e.say("notify", Skip, "nobody is told how runs end", "notify.webhook, notify.slack, notify.email or notify.ping; or an alert on the metrics")
	case to == nil:
		e.say("notify", OK, "nobody is told; metrics go to "+e.c.MetricsFile, "")
	default:
		e.say("notify", OK, strings.Join(to, ", ")+"; nothing was sent", "")
	}
}
