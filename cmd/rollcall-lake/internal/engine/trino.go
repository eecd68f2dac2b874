package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/trinodb/trino-go-client/trino"

	"github.com/rollcall-data/rollcall/cmd/rollcall-lake/internal/catalog"
)

// TrinoSettings say where Trino is. A password needs https.
type TrinoSettings struct {
	URL      string // of the coordinator
	User     string
	Password catalog.Secret
	Token    catalog.Secret // a JWT, instead of a password
	Catalog  string         // of the lake, in Trino
	Patience time.Duration  // with a coordinator that does not answer
	Every    time.Duration  // between two reports of progress
}

// Validate looks at the settings. Its error is a *catalog.SettingError.
func (s TrinoSettings) Validate() error {
	at, err := url.Parse(s.URL)
	switch {
	case s.URL == "":
		return &catalog.SettingError{Setting: "trino-url", What: "it is missing", Advice: []string{"--trino-url https://HOST:PORT of the coordinator, or ROLLCALL_LAKE_TRINO_URL"}}
	case err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https":
		return &catalog.SettingError{Setting: "trino-url", What: "it is no http or https address"}
	case at.User != nil:
		return &catalog.SettingError{Setting: "trino-url", What: "it has a user in it", Advice: []string{"--trino-user, and ROLLCALL_LAKE_TRINO_PASSWORD"}}
	case s.User == "":
		return &catalog.SettingError{Setting: "trino-user", What: "it is missing"}
	case s.Catalog == "":
		return &catalog.SettingError{Setting: "trino-catalog", What: "it is missing"}
	case at.Scheme == "http" && (s.Password != "" || s.Token != ""):
		return &catalog.SettingError{Setting: "trino-url", What: "a password or token is sent over https only"}
	}
	return nil
}

// TrinoEngine runs statements on Trino.
type TrinoEngine struct{ settings TrinoSettings }

// NewTrino is the engine of the settings. Nothing is asked of it yet.
func NewTrino(s TrinoSettings) (*TrinoEngine, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return &TrinoEngine{s}, nil
}

// Run runs statements one after the other.
func (e *TrinoEngine) Run(ctx context.Context, statements []Statement, h Hooks) error {
	db, err := e.open()
	if err != nil {
		return err
	}
	err = e.runAll(ctx, db, statements, h)
	return errors.Join(err, db.Close())
}

func (e *TrinoEngine) open() (*sql.DB, error) {
	at, err := url.Parse(e.settings.URL)
	if err != nil {
		return nil, fmt.Errorf("trino-url: %w", err)
	}
	at.User = url.User(e.settings.User)
	if e.settings.Password != "" {
		at.User = url.UserPassword(e.settings.User, e.settings.Password.Reveal())
	}
	attempts := 100
	c, err := trino.NewConnector(&trino.Config{
		ServerURI: at.String(), Source: "rollcall-lake", Catalog: e.settings.Catalog, AccessToken: e.settings.Token.Reveal(), TimeZone: "UTC",
		RequestRetryTimeout: &e.settings.Patience, RequestRetryMaxAttempts: &attempts,
	})
	if err != nil {
		return nil, &catalog.SettingError{Setting: "trino-url", What: e.clean(err.Error())}
	}
	return sql.OpenDB(c), nil
}

func (e *TrinoEngine) clean(text string) string {
	return redact(text, e.settings.Password, catalog.Secret(url.QueryEscape(e.settings.Password.Reveal())),
		catalog.Secret(url.PathEscape(e.settings.Password.Reveal())), e.settings.Token)
}

func (e *TrinoEngine) runAll(ctx context.Context, db *sql.DB, statements []Statement, h Hooks) error {
	for _, s := range statements {
		h.Begun(s)
		began := time.Now()
		told := &trinoProgress{tell: func(p Progress) { h.Progress(s, p) }}
		_, err := db.ExecContext(ctx, s.SQL, sql.Named("X-Trino-Progress-Callback", told), sql.Named("X-Trino-Progress-Callback-Period", e.settings.Every))
		if err != nil {
			return e.explain(ctx, s, err)
		}
		done := Outcome{Rows: -1}
		if s.Table != "" {
			if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+s.Table).Scan(&done.Rows); err != nil {
				return e.explain(ctx, s, err)
			}
		}
		done.Seconds = time.Since(began).Seconds()
		h.Done(s, done)
	}
	return nil
}

// explain is what an error of Trino's client means.
func (e *TrinoEngine) explain(ctx context.Context, s Statement, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	what := brief(e.clean(err.Error()))
	said := new(trino.ErrTrino)
	failed := new(trino.ErrQueryFailed)
	switch {
	case errors.As(err, &said):
		what = brief(e.clean(said.ErrorName + ": " + said.Message))
		if said.ErrorName == "PERMISSION_DENIED" {
			return &RefusedError{"Trino", what, []string{"the user " + e.settings.User + " must be allowed to read and write tables in the catalog " + e.settings.Catalog}}
		}
		if said.ErrorName == "CATALOG_NOT_FOUND" || said.ErrorName == "SCHEMA_NOT_FOUND" || said.ErrorName == "TABLE_NOT_FOUND" {
			return &FailedError{"Trino", s.String(), what, []string{"--trino-catalog must be Trino's name for the very catalog that rollcall-lake publishes to; it is " + e.settings.Catalog}}
		}
		return &FailedError{"Trino", s.String(), what, []string{again}}
	case errors.As(err, &failed) && (failed.StatusCode == http.StatusUnauthorized || failed.StatusCode == http.StatusForbidden):
		return &RefusedError{"Trino", what, []string{"check --trino-user and ROLLCALL_LAKE_TRINO_PASSWORD or ROLLCALL_LAKE_TRINO_TOKEN"}}
	}
	return &UnreachableError{"Trino", what, []string{"is the coordinator at --trino-url, and up? " + again}}
}

// trinoProgress is told by the client.
type trinoProgress struct {
	tell func(Progress)
	last float64
}

// Update is called by the client.
func (t *trinoProgress) Update(q trino.QueryProgressInfo) {
	s := q.QueryStats
	p := Progress{Identifier: q.QueryId, Percent: float64(s.ProgressPercentage), Done: s.CompletedSplits, Total: s.TotalSplits, Rows: s.ProcessedRows}
	if p.Percent == t.last {
		return
	}
	t.last = p.Percent
	t.tell(p)
}
