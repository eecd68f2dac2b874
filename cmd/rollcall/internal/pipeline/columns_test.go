package pipeline

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
	"github.com/rollcall-data/rollcall/transform/pii"
)

// sqlDoor stands before a sandbox and refuses its SQL endpoint at will.
type sqlDoor struct {
	refuse atomic.Int64 // the status; 0: it is open
	from   atomic.Int64 // the first request of a night that is refused, from 1
	asked  atomic.Int64
}

func (d *sqlDoor) shut(status, from int) {
	d.refuse.Store(int64(status))
	d.from.Store(int64(from))
	d.asked.Store(0)
}

// sqlNights starts a sandbox behind a door; models are left out.
func sqlNights(t *testing.T, o sandbox.Options) (*sandbox.Sandbox, *config.Config, *sqlDoor) {
	t.Helper()
	o.Limits = "none"
	s, c := nights(t, o)
	origin, err := url.Parse(c.BaseURL)
	if err != nil {
		t.Fatal(err)
	}
	d := &sqlDoor{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(origin) }}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/admin/sql_query") {
			if n := d.asked.Add(1); d.refuse.Load() != 0 && n >= d.from.Load() {
				http.Error(w, `{"detail":"no"}`, int(d.refuse.Load()))
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	c.BaseURL, c.Models, c.SQLColumns = srv.URL, config.ModelsNone, config.SQLColumnsAuto
	return s, c, d
}

// completed is what a user has in the three columns, with the origin of updated_at.
type completed struct {
	id, region string
	updated    transform.Micros
	origin     string
}

func threeColumns(t *testing.T, c *config.Config) map[string]completed {
	t.Helper()
	out := map[string]completed{}
	err := eachBatch(t.Context(), currentVersion(t, c), memory.DefaultAllocator, schema.NameUsersFlat, nil, func(b transform.Columns) error {
		for i := range b.Rows() {
			text := func(name string) string { return strings.Clone(b.Text(name, i).String) }
			out[text("user_id")] = completed{text("_id"), text("region_name"), b.Micros("updated_at", i), text("_updated_at_origin")}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// origins are those that _columns has of the three columns, in all tables that have them.
func origins(t *testing.T, c *config.Config) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := eachBatch(t.Context(), currentVersion(t, c), memory.DefaultAllocator, schema.NameColumns, nil, func(b transform.Columns) error {
		for i := range b.Rows() {
			switch name := b.Text("column_name", i).String; name {
			case "_id", "region_name", "updated_at":
				out[b.Text("table_name", i).String+"."+name] = strings.Clone(b.Text("origin", i).String)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func originsAre(origin string) map[string]string {
	out := map[string]string{}
	for _, table := range []string{"users", "users_flat", "users_history"} {
		for _, column := range transform.Completed {
			out[table+"."+column] = origin
		}
	}
	return out
}

// replayed replays so many times, what is known of the users being in memory and on disk in turn, and holds that each comes to the users of the current
// version, and to the same bytes.
func replayed(t *testing.T, c *config.Config, times int, want string) {
	t.Helper()
	var before map[string]string
	for n := range times {
		s, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop(), spaceAfter: n % 2})
		if err != nil {
			t.Fatal(err)
		}
		if s.Certificate.UsersSHA256 != want || s.Requests.SQL+s.Requests.List != 0 {
			t.Errorf("a replay came to %s, the run to %s; requests %+v", s.Certificate.UsersSHA256, want, s.Requests)
		}
		v, err := publish.Open(c.Warehouse).Version(s.RunID)
		if err != nil {
			t.Fatal(err)
		}
		parts := map[string]string{}
		for _, f := range v.Manifest.Files {
			if strings.HasSuffix(f.Path, ".parquet") {
				parts[f.Path] = f.SHA256
			}
		}
		if before != nil {
			if d := cmp.Diff(before, parts); d != "" {
				t.Errorf("two replays differ: %s", d)
			}
		}
		before = parts
	}
}

func TestSQLColumns(t *testing.T) {
	_, c, d := sqlNights(t, sandbox.Options{Users: 1010})
	c.SQLColumns = config.SQLColumnsOff
	bare := night(t, c)
	if diff := cmp.Diff(originsAre("list"), origins(t, c)); diff != "" || bare.Requests.SQL != 0 || d.asked.Load() != 0 {
		t.Errorf("off: %d SQL requests; %s", d.asked.Load(), diff)
	}
	c.SQLColumns = config.SQLColumnsOn
	first := night(t, c)
	if first.Status != Certified || first.Changed != first.Users || first.Requests.SQL != 2 {
		t.Errorf("first night with SQL: %s, %d of %d changed, %d SQL requests", first.Status, first.Changed, first.Users, first.Requests.SQL)
	}
	for user, u := range threeColumns(t, c) {
		if len(u.id) != 24 || u.region == "" || u.origin != "source" || !u.updated.Valid {
			t.Fatalf("user %s: %+v", user, u)
		}
	}
	if diff := cmp.Diff(originsAre("sql"), origins(t, c)); diff != "" {
		t.Error(diff)
	}
	if second := night(t, c); second.Status != Unchanged || second.Certificate.UsersSHA256 != first.Certificate.UsersSHA256 {
		t.Errorf("second night: %s, %d changed", second.Status, second.Changed)
	}
	proveVerified(t, c)
	replayed(t, c, 1, first.Certificate.UsersSHA256)
}

func TestSQLColumnsRefused(t *testing.T) {
	_, c, d := sqlNights(t, sandbox.Options{Users: 30})
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound} {
		d.shut(status, 1)
		c.Warehouse, c.SQLColumns = t.TempDir(), config.SQLColumnsOn
		_, err := Run(t.Context(), Options{Config: c, Command: Sync, Log: zerolog.Nop()})
		var columns *ColumnsRefusedError
		var refused *extract.RefusedError // exit 12
		if !errors.As(err, &columns) || !errors.As(err, &refused) || len(columns.Hints()) != 2 {
			t.Errorf("%d, on: %v", status, err)
		}
		c.SQLColumns = config.SQLColumnsAuto
		var log bytes.Buffer
		s, err := Run(t.Context(), Options{Config: c, Command: Sync, Log: zerolog.New(&log)})
		warned := strings.Count(log.String(), `"level":"warn"`) == 1 && strings.Contains(log.String(), "SQL endpoint")
		if err != nil || s.Status != Certified || s.Users != 30 || !warned {
			t.Errorf("%d, auto: %+v, %v, log %s", status, s, err, log.String())
		}
		if diff := cmp.Diff(originsAre("list"), origins(t, c)); diff != "" {
			t.Error(diff)
		}
		replayed(t, c, 1, s.Certificate.UsersSHA256)
	}
}

// TestNightsWithoutSQL: what the endpoint once told is kept, for all whom nothing else has changed.
func TestNightsWithoutSQL(t *testing.T) {
	s, c, d := sqlNights(t, sandbox.Options{Users: 40})
	first := night(t, c)
	known := threeColumns(t, c)
	unchanged := func(why string) {
		t.Helper()
		if n := night(t, c); n.Status != Unchanged || n.Certificate.UsersSHA256 != first.Certificate.UsersSHA256 {
			t.Errorf("%s: %s, %d changed", why, n.Status, n.Changed)
		}
	}
	d.shut(http.StatusForbidden, 1)
	unchanged("refused")
	c.SQLColumns = config.SQLColumnsOff
	unchanged("off")
	c.SQLColumns = config.SQLColumnsAuto

	id, _ := userAt(t, c, 11)
	write(t, s, c, http.MethodPost, "user/"+url.PathEscape(id), `{"last_name":"Another"}`)
	refused := night(t, c)
	now := threeColumns(t, c)
	want := known[id]
	want.origin, want.updated = "observed", now[id].updated
	if refused.Changed != 1 || now[id] != want || now[id].updated.At <= known[id].updated.At {
		t.Errorf("%d changed; the user is %+v, was %+v", refused.Changed, now[id], known[id])
	}
	known[id] = now[id]
	if diff := cmp.Diff(known, now, cmp.AllowUnexported(completed{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(originsAre("sql"), origins(t, c)); diff != "" {
		t.Error(diff)
	}
	replayed(t, c, 2, refused.Certificate.UsersSHA256)

	d.shut(0, 0)
	again := night(t, c)
	if now := threeColumns(t, c); again.Changed != 1 || now[id].origin != "source" {
		t.Errorf("with SQL again: %d changed, the user is %+v", again.Changed, now[id])
	}
}

// TestSQLRefusedInTheMiddle: what came is used, by a replay too.
func TestSQLRefusedInTheMiddle(t *testing.T) {
	_, c, d := sqlNights(t, sandbox.Options{Users: 1030})
	d.shut(http.StatusForbidden, 2)
	s := night(t, c)
	with := 0
	for _, u := range threeColumns(t, c) {
		if u.id != "" {
			with++
		}
	}
	if with != 1000 {
		t.Errorf("%d users with an _id, want the first page's 1000", with)
	}
	replayed(t, c, 1, s.Certificate.UsersSHA256)
}

// TestTheListComesFirst: what an item carries is never overridden, and comes from the list.
func TestTheListComesFirst(t *testing.T) {
	_, c, _ := sqlNights(t, sandbox.Options{Users: 20, Items: sandbox.ItemsFull})
	full := night(t, c)
	if diff := cmp.Diff(originsAre("list"), origins(t, c)); diff != "" {
		t.Error(diff)
	}
	c.SQLColumns = config.SQLColumnsOff
	if off := night(t, c); off.Certificate.UsersSHA256 != full.Certificate.UsersSHA256 {
		t.Error("the SQL endpoint had a say in what the list carries")
	}

	_, c, _ = sqlNights(t, sandbox.Options{Users: 20})
	through(t, c, func(_ string, body []byte) []byte {
		return bytes.ReplaceAll(body, []byte(`"preferences":{`), []byte(`"region_name":"listed","preferences":{`))
	})
	night(t, c)
	listed := 0
	for _, u := range threeColumns(t, c) {
		if u.region == "listed" {
			listed++
		}
		if len(u.id) != 24 {
			t.Errorf("a user with the _id %q", u.id)
		}
	}
	if listed < 15 {
		t.Errorf("%d users have the region that their item carries", listed)
	}
}

// TestRulesAboutSQLColumns: the rules are about the columns, wherever they come from, and kept values are not hidden twice.
func TestRulesAboutSQLColumns(t *testing.T) {
	_, c, d := sqlNights(t, sandbox.Options{Users: 25})
	night(t, c)
	plain := threeColumns(t, c)
	c.PII = []pii.Rule{{Path: "_id", Action: pii.Hash}, {Path: "region_name", Action: pii.Drop}, {Path: "updated_at", Action: pii.Mask}}
	c.PIIKey = config.Given(extract.Secret("a key for tests, long enough"))
	first := night(t, c)
	hidden := threeColumns(t, c)
	for user, u := range hidden {
		if u.id == "" || u.id == plain[user].id || u.region == plain[user].region || u.updated.At != 0 {
			t.Fatalf("a user with %+v was %+v", u, plain[user])
		}
	}
	d.shut(http.StatusForbidden, 1)
	if second := night(t, c); second.Status != Unchanged || second.Certificate.UsersSHA256 != first.Certificate.UsersSHA256 {
		t.Errorf("the night after: %s, %d changed", second.Status, second.Changed)
	}

	// Without SQL, a rule that is new leaves nothing of what was there before.
	_, c, d = sqlNights(t, sandbox.Options{Users: 25})
	night(t, c)
	d.shut(http.StatusForbidden, 1)
	c.PII = []pii.Rule{{Path: "_id", Action: pii.Drop}}
	night(t, c)
	for _, u := range threeColumns(t, c) {
		if u.id != "" || u.origin != "source" {
			t.Fatalf("a user with %+v", u)
		}
	}
}

// TestReplayFromThinnedJournals: neither the version nor the whole journal of the night with SQL is left, and a replay comes to the present.
func TestReplayFromThinnedJournals(t *testing.T) {
	s, c, d := sqlNights(t, sandbox.Options{Users: 30})
	c.KeepVersions, c.KeepFor, c.KeepJournal = 1, 0, 0
	night(t, c)
	known := threeColumns(t, c)
	var last *Summary
	d.shut(http.StatusForbidden, 1)
	for _, name := range []string{"One", "Two", "Three"} {
		id, _ := userAt(t, c, 5)
		write(t, s, c, http.MethodPost, "user/"+url.PathEscape(id), `{"last_name":"`+name+`"}`)
		last = night(t, c)
		delete(known, id)
	}
	if _, err := CollectGarbage(t.Context(), c, publish.Open(c.Warehouse), time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, after := range []int{0, 1} { // what the journals have of each user is in memory, and on disk
		again, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop(), spaceAfter: after})
		if err != nil || again.Users != last.Users {
			t.Fatalf("%+v, %v", again, err)
		}
		now := threeColumns(t, c)
		for user, u := range known {
			if now[user] != u {
				t.Errorf("user %s is %+v, was %+v", user, now[user], u)
			}
		}
	}
}

// TestForgottenWithSQLColumns: the one whom the second page is asked for behind is erased from there too, and a replay still finds that page.
func TestForgottenWithSQLColumns(t *testing.T) {
	_, c, _ := sqlNights(t, sandbox.Options{Users: 1010})
	first := night(t, c)
	id, _ := userAt(t, c, 999)
	document := threeColumns(t, c)[id].id
	if before := places(t, c.Warehouse, id, document); len(before) < 3 {
		t.Fatalf("%d places only", len(before))
	}
	forget(t, c, ForgetOptions{Users: []string{id}})
	if left := places(t, c.Warehouse, id, document); len(left) > 0 {
		t.Errorf("left in %v", left)
	}
	again, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
	if err != nil || again.Users != first.Users-1 {
		t.Fatalf("%+v, %v", again, err)
	}
	if diff := cmp.Diff(originsAre("sql"), origins(t, c)); diff != "" {
		t.Error(diff)
	}
	for _, u := range threeColumns(t, c) {
		if u.id == "" || u.origin != "source" {
			t.Fatalf("a user with %+v", u)
		}
	}
}
