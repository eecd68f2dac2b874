package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/amigosql"
	"github.com/rollcall-data/rollcall/extract/freddy"
	"github.com/rollcall-data/rollcall/extract/sweep"
	"github.com/rollcall-data/rollcall/schema"
)

// sample is how many users are looked at.
const sample = 2

// lister is a source whose list is paged.
type lister interface {
	Page(ctx context.Context, q sweep.Query) (sweep.Page, error)
}

// api checks the credentials, and what each organization grants them.
func (e *examination) api(ctx context.Context) {
	creds, err := e.c.Credentials(ctx)
	if err != nil {
		e.failed(ctx, "credentials", "", err)
		return
	}
	e.credentials(creds)
	o := pipeline.ClientOptions(e.c, creds)
	o.Hooks, o.Retry = e.hooks(), extract.Retry{Attempts: 2, Failing: e.patience / 2, MaxWait: e.patience / 2} // a person waits
	client, err := extract.NewClient(o)
	if err != nil {
		e.failed(ctx, "base url", "", err)
		return
	}
	defer client.Close()
	e.region(client.Host())
	if e.c.Source == config.Freddy && len(e.c.Orgs) == 0 {
		e.freddy(ctx, freddy.New(client, freddy.Options{}), "")
	}
	for _, org := range e.c.Orgs {
		switch e.c.Source {
		case config.Freddy:
			e.freddy(ctx, freddy.New(client, freddy.Options{Org: org}), org)
		case config.AmigoSQL:
			if e.signIn(ctx, client, o, org, creds) {
				e.sqlSource(ctx, client, org)
			}
		case config.Amigo:
			if e.signIn(ctx, client, o, org, creds) {
				e.amigo(ctx, client, org)
			}
		}
	}
}

// soon is when a token that cannot be renewed runs out too early for the next night.
const soon = 48 * time.Hour

// credentials says what there is, and until when where that is known.
func (e *examination) credentials(creds config.Credentials) {
	switch {
	case e.c.Source == config.Freddy:
		e.say("credentials", OK, "an API key", "")
	case creds.AmigoToken == "":
		e.say("credentials", OK, "an API key, signing in as "+creds.AmigoUserID+"; the API does not say when it expires: after 90 days at most", "")
	default:
		_, expires := pipeline.TokenClaims(creds.AmigoToken)
		left := expires.Sub(e.now())
		found := "a bearer token, used as it is, of " + pipeline.Identity(e.c, creds)
		switch mend := "set AMIGO_API_KEY, AMIGO_API_KEY_ID and AMIGO_USER_ID instead of AMIGO_TOKEN: tokens are renewed then"; {
		case expires.IsZero():
			e.say("credentials", Warn, found+"; it does not say until when it is good", mend)
		case left <= 0:
			e.say("credentials", Fail, found+"; it expired at "+expires.Format(time.RFC3339), mend)
		case left < soon:
			e.say("credentials", Warn, found+"; it expires at "+expires.Format(time.RFC3339), mend)
		default:
			e.say("credentials", OK, found+"; it expires at "+expires.Format(time.RFC3339), "")
		}
	}
}

// region says which of the API's regions is asked. Whether the organization lives there, its list tells.
func (e *examination) region(host string) {
	switch region := amigo.Region(e.c.BaseURL); {
	case e.c.Source == config.Freddy:
		e.say("region", OK, host, "")
	case region == "":
		e.say("region", OK, host+" is none of Amigo's regions: region_name is NULL where the API does not give it", "")
	default:
		e.say("region", OK, region+", "+host, "")
	}
}

// signIn exchanges the key; a token has nothing to exchange, and is tried by the list.
func (e *examination) signIn(ctx context.Context, c *extract.Client, o extract.Options, org string, creds config.Credentials) bool {
	key, ok := o.Auth.(*amigo.KeyAuth)
	if !ok {
		return true
	}
	within, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	if _, err := key.Authorize(within, c, org, http.Header{}); err != nil {
		e.failed(ctx, "sign-in", org, err)
		return false
	}
	found := "as " + pipeline.Identity(e.c, creds)
	if expires, ok := key.Expires(org); ok {
		found += fmt.Sprintf("; the token is good for %s, and renewed before", expires.Sub(e.now()).Round(time.Minute))
	}
	e.add(Result{Check: "sign-in", Org: org, Status: OK, Found: found})
	return true
}

// amigo checks the list, and what a user's row lacks without further permissions.
func (e *examination) amigo(ctx context.Context, c *extract.Client, org string) {
	source := amigo.New(c, amigo.Options{Org: org})
	page, ok := e.list(ctx, source, org)
	if !ok {
		return
	}
	e.paging(page, org)
	has := fields(page)
	models := e.models(ctx, source, org, page, has)
	roles := e.roles(ctx, source, org)
	rest := false
	if e.c.SQLColumns.Asked() {
		rest = e.sqlColumns(ctx, c, org, page)
	}
	e.columns(org, has, models, roles, rest)
}

// list asks for the first users.
func (e *examination) list(ctx context.Context, source lister, org string) (sweep.Page, bool) {
	within, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	page, err := source.Page(within, sweep.Query{Limit: sample})
	if err != nil {
		e.failed(ctx, "list", org, err)
		return page, false
	}
	r := Result{Check: "list", Org: org, Status: OK, Found: "granted; it shows only whom this identity may see"}
	if len(page.Items) == 0 {
		r.Status, r.Found = Warn, "empty: nobody is there, or nobody whom this identity may see"
		r.Mend = "sign in as a user who may see everybody (User:GetUserInfo); if nobody is there, --allow-empty"
	}
	e.add(r)
	return page, true
}

// paging compares the dialect that the server speaks with the one that is configured.
func (e *examination) paging(page sweep.Page, org string) {
	spoken := config.PagingOffset
	if page.Dialect == sweep.Token {
		spoken = config.PagingToken
	}
	r := Result{Check: "paging", Org: org, Status: OK, Found: "the server speaks " + string(spoken)}
	if e.c.Paging != config.PagingAuto && e.c.Paging != spoken {
		r.Status, r.Found, r.Mend = Warn, r.Found+", and the configuration says "+string(e.c.Paging), "paging: auto"
	}
	e.add(r)
}

// fields are the keys of a list's first item.
func fields(page sweep.Page) map[string]bool {
	has := map[string]bool{}
	for _, item := range page.Items[:min(1, len(page.Items))] {
		var members map[string]json.RawMessage
		if json.Unmarshal(item.Raw, &members) == nil {
			for name := range members {
				has[name] = true
			}
		}
	}
	return has
}

// models asks for a user's model, and for the next one's where the first is that user's own secret.
func (e *examination) models(ctx context.Context, source *amigo.Source, org string, page sweep.Page, has map[string]bool) (granted bool) {
	r := Result{Check: "models", Org: org, Status: Skip}
	switch {
	case has["additional_context"] || has["user_models"]:
		r.Status, r.Found, granted = OK, "the list has them", true
	case e.c.Models == config.ModelsNone:
		r.Found = "not asked for: models: none"
	case len(page.Items) == 0:
		r.Found = "there is nobody to ask for"
	}
	if r.Found != "" {
		e.add(r)
		return granted
	}
	within, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	asked := 0
	for _, item := range page.Items {
		if !item.Keyed() {
			continue
		}
		asked++
		m, err := source.Model(within, item.Key)
		switch {
		case err != nil:
			e.failed(ctx, "models", org, err)
			return false
		case m.State == amigo.Fetched:
			r.Status, r.Found = OK, "granted"
			if asked > 1 {
				r.Found = fmt.Sprintf("granted, but not for %d of the %d users asked for: theirs stay NULL", asked-1, asked)
			}
			e.add(r)
			return true
		}
	}
	r.Status, r.Found = Warn, fmt.Sprintf("not granted for %d of %d users asked for", asked, asked)
	r.Mend = "sign in as a user with User:GetUserModel, or set models: none to ask for none"
	e.add(r)
	return false
}

func (e *examination) roles(ctx context.Context, source *amigo.Source, org string) (granted bool) {
	within, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	roles, err := source.Roles(within)
	switch {
	case errors.Is(err, amigo.ErrForbidden):
		e.add(Result{Check: "roles", Org: org, Status: Warn, Found: "not granted", Mend: "sign in as a user who may read roles"})
	case errors.Is(err, amigo.ErrGone):
		e.add(Result{Check: "roles", Org: org, Status: Warn, Found: "the API has no list of roles"})
	case err != nil:
		e.failed(ctx, "roles", org, err)
	default:
		e.add(Result{Check: "roles", Org: org, Status: OK, Found: fmt.Sprintf("granted, %d of them", len(roles))})
	}
	return err == nil
}

// sqlColumns looks up one user by SQL, as sql_columns would.
func (e *examination) sqlColumns(ctx context.Context, c *extract.Client, org string, page sweep.Page) (granted bool) {
	within, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	_, err := amigosql.New(c, amigosql.Options{Org: org, Complement: true}).Lookup(within, ids(page))
	switch {
	case err == nil:
		e.add(Result{Check: "sql", Org: org, Status: OK, Found: "granted, for " + strings.Join(beyond, ", ")})
	case e.c.SQLColumns == config.SQLColumnsAuto:
		e.trouble(ctx, Warn, "sql", org, err)
	default:
		e.failed(ctx, "sql", org, err)
	}
	return err == nil
}

// nobody is an id to look up where no other is known: that there is an answer is what counts.
const nobody = "rollcall-doctor"

func ids(page sweep.Page) []string {
	for _, item := range page.Items {
		if item.Keyed() {
			return []string{item.Key}
		}
	}
	return []string{nobody}
}

// sqlSource checks the source amigo-sql, which has everything from one endpoint.
func (e *examination) sqlSource(ctx context.Context, c *extract.Client, org string) {
	within, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	if _, err := amigosql.New(c, amigosql.Options{Org: org}).Lookup(within, []string{nobody}); err != nil {
		e.failed(ctx, "sql", org, err)
		return
	}
	e.add(Result{Check: "sql", Org: org, Status: OK, Found: "granted"})
}

// freddy checks the list and the profiles, which every user needs.
func (e *examination) freddy(ctx context.Context, source *freddy.Source, org string) {
	page, ok := e.list(ctx, source, org)
	if !ok || len(page.Items) == 0 {
		return
	}
	within, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	if _, err := source.Profiles(within, ids(page)); err != nil {
		e.failed(ctx, "profiles", org, err)
		return
	}
	e.add(Result{Check: "profiles", Org: org, Status: OK, Found: "granted"})
}

// beyond are the columns that the list of Amigo lacks and the SQL endpoint has.
var beyond = []string{"_id", "region_name", "updated_at"}

// columns says in words what the tables will lack.
func (e *examination) columns(org string, has map[string]bool, models, roles, sql bool) {
	if len(has) == 0 {
		e.add(Result{Check: "columns", Org: org, Status: Skip, Found: "there is no user to see them by"})
		return
	}
	var lacks []string
	r := Result{Check: "columns", Org: org, Status: OK, Found: "all twelve"}
	for _, c := range schema.Users.Columns {
		switch given := has[c.Name]; {
		case given, c.Name == "_id" && has["id"], c.Name == "org_id":
		case (c.Name == "additional_context" || c.Name == "user_models") && models:
		case c.Name == "additional_context", c.Name == "user_models":
			lacks = append(lacks, c.Name+" is NULL without the models")
		case sql && (c.Name == "_id" || c.Name == "region_name" || c.Name == "updated_at"):
		case c.Name == "updated_at":
			lacks = append(lacks, "updated_at is when a run first saw the user so")
		case c.Name == "region_name" && amigo.Region(e.c.BaseURL) != "":
		default:
			lacks = append(lacks, c.Name+" is NULL")
		}
	}
	if !e.c.SQLColumns.Asked() && !has["_id"] && !has["id"] {
		r.Mend = "sql_columns: auto takes " + strings.Join(beyond, ", ") + " from the SQL endpoint where the organization has that"
	}
	if !roles {
		lacks = append(lacks, "users_flat.role_name and the table roles know no role that they did not know before")
	}
	if lacks != nil {
		r.Found = strings.Join(lacks, "; ")
	}
	e.add(r)
}
