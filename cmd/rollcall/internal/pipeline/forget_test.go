package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
)

// write changes something at the sandbox, as somebody with its key can.
func write(t *testing.T, s *sandbox.Sandbox, c *config.Config, method, path, body string) {
	t.Helper()
	do := func(method, path, body string, header http.Header) []byte {
		req, err := http.NewRequestWithContext(t.Context(), method, c.BaseURL+"/v1/"+s.Org()+"/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		a, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = a.Body.Close() }()
		var b bytes.Buffer
		if _, err := b.ReadFrom(a.Body); err != nil || a.StatusCode >= 300 {
			t.Fatalf("%s %s: %d, %v", method, path, a.StatusCode, err)
		}
		return b.Bytes()
	}
	var token struct {
		ID string `json:"id_token"`
	}
	raw := do(http.MethodPost, "user/signin_with_api_key", "", http.Header{"X-Api-Key": {s.APIKey()}, "X-Api-Key-Id": {s.APIKeyID()}, "X-User-Id": {s.UserID()}})
	if err := json.Unmarshal(raw, &token); err != nil {
		t.Fatal(err)
	}
	do(method, path, body, http.Header{"Authorization": {"Bearer " + token.ID}, "Content-Type": {"application/json"}})
}

// userAt is the user_id and e-mail address of a row of users.
func userAt(t *testing.T, c *config.Config, row int) (id, email string) {
	t.Helper()
	v, err := publish.Open(c.Warehouse).Current()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = eachBatch(t.Context(), v, memory.DefaultAllocator, schema.NameUsers, nil, func(b transform.Columns) error {
		for i := range b.Rows() {
			if n++; n-1 == row {
				id, email = strings.Clone(b.Text("user_id", i).String), strings.Clone(b.Text("email", i).String)
			}
		}
		return nil
	})
	if err != nil || id == "" || email == "" {
		t.Fatalf("row %d: %v", row, err)
	}
	return id, email
}

// bytesOf calls look with all that a folder holds: names, files as they lie, what zstd frames in them decode to, and the values of tables.
func bytesOf(t *testing.T, dir string, look func(where string, b []byte)) {
	t.Helper()
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		look("name", []byte(d.Name()))
		if !d.Type().IsRegular() {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		look(path, raw)
		if strings.HasSuffix(path, ".rcj") {
			magic := []byte{0x28, 0xb5, 0x2f, 0xfd}
			for at := bytes.Index(raw, magic); at >= 0; {
				if frame, err := decoder.DecodeAll(raw[at:], nil); err == nil || len(frame) > 0 {
					look(path+" (frame)", frame)
				}
				next := bytes.Index(raw[at+1:], magic)
				if next < 0 {
					break
				}
				at += 1 + next
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wh := publish.Open(dir)
	runs, err := wh.Versions()
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		v, err := wh.Version(run)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range v.Manifest.Tables {
			err := eachRecord(t.Context(), v, memory.DefaultAllocator, table.Name, func(b arrow.Record) error {
				look("parquet "+table.Name, fmt.Append(nil, b))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			r, err := duckdb.OpenReader(t.Context(), v.Database(), duckdb.ReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			rows, err := r.Query(t.Context(), "FROM "+schema.Quote(table.Name))
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				look("duckdb "+table.Name, fmt.Append(nil, rows.Row()))
			}
			if err := errors.Join(rows.Err(), rows.Close(), r.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// places are where any of the needles is found below a folder.
func places(t *testing.T, dir string, needles ...string) []string {
	t.Helper()
	var out []string
	bytesOf(t, dir, func(where string, b []byte) {
		for i, n := range needles {
			if bytes.Contains(b, []byte(n)) {
				out = append(out, fmt.Sprintf("%s: needle %d", where, i))
			}
		}
	})
	return out
}

func proveVerified(t *testing.T, c *config.Config) {
	t.Helper()
	v, err := Verify(t.Context(), publish.Open(c.Warehouse))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range v.Checks {
		if !check.OK {
			t.Errorf("%s: %s", check.What, check.Wrong)
		}
	}
}

func currentVersion(t *testing.T, c *config.Config) publish.Version {
	t.Helper()
	v, err := publish.Open(c.Warehouse).Current()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const canary = "Canary Fact: quixotic-zebra"

// marked makes a warehouse of two nights, between which a user changed, and deletes the user at the source.
func marked(t *testing.T) (s *sandbox.Sandbox, c *config.Config, needles []string) {
	t.Helper()
	s, c = nights(t, sandbox.Options{Users: 25, Limits: "none"})
	c.Memories, c.PageSize = true, 10
	night(t, c)
	id, email := userAt(t, c, 13)
	write(t, s, c, http.MethodPost, "user/"+url.PathEscape(id), `{"additional_context":["`+canary+`"]}`)
	c.Models = config.ModelsAll
	night(t, c)
	c.Models = config.ModelsAuto
	write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
	return s, c, []string{id, email, "quixotic-zebra"}
}

func forget(t *testing.T, c *config.Config, o ForgetOptions) *Forgotten {
	t.Helper()
	o.Config, o.Log = c, zerolog.Nop()
	f, err := Forget(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestForgetLeavesNoByte(t *testing.T) {
	_, c, needles := marked(t)
	before := places(t, c.Warehouse, needles...)
	if len(before) < 20 {
		t.Fatalf("the user is in %d places only", len(before))
	}
	old := currentVersion(t, c)
	f := forget(t, c, ForgetOptions{Users: needles[:1]})
	if left := places(t, c.Warehouse, needles...); len(left) > 0 {
		t.Errorf("still in %d of %d places: %v", len(left), len(before), left[:min(3, len(left))])
	}
	if len(f.Erasures) != 1 || f.Erasures[0].Users != 1 || len(f.Erasures[0].Files) < 4 || f.Listed != NotListed {
		t.Errorf("done: %+v", f)
	}
	v := currentVersion(t, c)
	if v.Run != old.Run || len(v.Manifest.Erasures) != 1 || v.Manifest.CreatedAt != old.Manifest.CreatedAt {
		t.Errorf("the version is %s, its erasures %v", v.Run, v.Manifest.Erasures)
	}
	s, err := summaryOf(v)
	if err != nil {
		t.Fatal(err)
	}
	record, err := os.ReadFile(publish.Open(c.Warehouse).RunRecord(s.RunID))
	if err != nil || !bytes.Contains(record, []byte(`"superseded"`)) || !bytes.Contains(record, []byte(s.Certificate.UsersSHA256)) {
		t.Errorf("the run's record does not have the version's new hash: %v", err)
	}
	if s.Users != 24 || s.Certificate.Superseded == "" || !s.Certificate.Certified {
		t.Errorf("the version's summary: %d users, superseded %q", s.Users, s.Certificate.Superseded)
	}
	proveVerified(t, c)

	again, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if again.Users != 24 || again.Certificate.UsersSHA256 != s.Certificate.UsersSHA256 || again.QuarantinedRows != 0 {
		t.Errorf("the replay has %d users and %d quarantined rows, hash %s, the version's %s", again.Users, again.QuarantinedRows, again.Certificate.UsersSHA256, s.Certificate.UsersSHA256)
	}
	next := night(t, c)
	if next.Users != 24 || next.Added != 0 || next.Deleted != 0 || next.NeedsPerson() {
		t.Errorf("the next night: %+v", next)
	}
	if left := places(t, c.Warehouse, needles...); len(left) > 0 {
		t.Errorf("back after a replay and a night: %v", left[:min(3, len(left))])
	}
	proveVerified(t, c)
}

// copyTree copies a warehouse.
func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "warehouse")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestForgetStoppedAtAnyStepGoesOn(t *testing.T) {
	_, c, needles := marked(t)
	whole := c.Warehouse
	stop := errors.New("stopped")
	for n := 1; ; n++ {
		c.Warehouse = copyTree(t, whole)
		at, where := 0, ""
		_, err := Forget(t.Context(), ForgetOptions{Config: c, Users: needles[:1], Log: zerolog.Nop(), step: func(name string) error {
			if at++; at == n {
				where = name
				return stop
			}
			return nil
		}})
		if err == nil {
			if n < 10 {
				t.Errorf("only %d steps", n-1)
			}
			return
		}
		if !errors.Is(err, stop) {
			t.Fatalf("step %d: %v", n, err)
		}
		if err := currentVersion(t, c).Verify(t.Context()); err != nil {
			t.Errorf("stopped before step %d, %q: the current version: %v", n, where, err)
		}
		waiting, err := UnfinishedErasure(c.Warehouse)
		if err != nil || (waiting != "") != (n > 1) {
			t.Errorf("stopped before step %d, %q: the erasure under way is %q, %v", n, where, waiting, err)
		}
		forget(t, c, ForgetOptions{Users: needles[:1]})
		if left := places(t, c.Warehouse, needles...); len(left) > 0 {
			t.Errorf("stopped before step %d, %q, and gone on: still in %v", n, where, left[:min(3, len(left))])
		}
		proveVerified(t, c)
	}
}

func TestSyncSaysThatAnErasureIsUnfinished(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 10, Limits: "none"})
	night(t, c)
	id, _ := userAt(t, c, 3)
	_, err := Forget(t.Context(), ForgetOptions{Config: c, Users: []string{id}, Log: zerolog.Nop(), step: func(name string) error {
		if name == "rewrite a version" {
			return errors.New("stopped")
		}
		return nil
	}})
	if err == nil {
		t.Fatal("not stopped")
	}
	if s := night(t, c); s.Unerased == "" || !s.NeedsPerson() {
		t.Errorf("a sync beside an unfinished erasure: %+v", s)
	}
	forget(t, c, ForgetOptions{}) // names nobody: finishes
	if left := places(t, c.Warehouse, id); len(left) > 0 {
		t.Errorf("still in %v", left[:min(3, len(left))])
	}
}

func TestForgottenButStillListed(t *testing.T) {
	_, c := nights(t, sandbox.Options{Users: 12, Limits: "none"})
	night(t, c)
	back, _ := userAt(t, c, 2)
	out, email := userAt(t, c, 7)
	if f := forget(t, c, ForgetOptions{Users: []string{back}}); f.Listed != StillListed {
		t.Errorf("listed: %d", f.Listed)
	}
	forget(t, c, ForgetOptions{Users: []string{out}, Suppress: true})
	s := night(t, c)
	if s.Users != 11 || s.Added != 1 || s.Returned != 0 || s.Suppressed != 1 {
		t.Errorf("the next night: %d users, %d added, %d returned, %d suppressed", s.Users, s.Added, s.Returned, s.Suppressed)
	}
	if left := places(t, c.Warehouse, out, email); len(left) > 0 {
		t.Errorf("the suppressed user is back: %v", left[:min(3, len(left))])
	}
	if info, err := os.Stat(filepath.Join(c.Warehouse, suppressedName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", suppressedName, info, err)
	}
	proveVerified(t, c)
	if s := night(t, c); s.Status != Unchanged {
		t.Errorf("the night after: %s", s.Status)
	}
}

// Two deletions were asked for in one look-up. A replay without one of the two asks for the other alone.
func TestReplayAfterOneOfTwoDeletedIsForgotten(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 20, Limits: "none"})
	c.MaxDeletePercent = 50
	night(t, c)
	a, _ := userAt(t, c, 4)
	b, _ := userAt(t, c, 9)
	for _, id := range []string{a, b} {
		write(t, s, c, http.MethodDelete, "user/"+url.PathEscape(id), "")
	}
	if s := night(t, c); s.Deleted != 2 {
		t.Fatalf("%d deleted", s.Deleted)
	}
	forget(t, c, ForgetOptions{Users: []string{a}})
	again, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if again.Users != 18 || again.Deleted != 1 || again.Status != Certified {
		t.Errorf("the replay: %d users, %d deleted, %s", again.Users, again.Deleted, again.Status)
	}
	if left := places(t, c.Warehouse, a); len(left) > 0 {
		t.Errorf("still in %v", left[:min(3, len(left))])
	}
}

func TestForgetIsToldWhatIsWrong(t *testing.T) {
	first, c := nights(t, sandbox.Options{Users: 5, Limits: "none"})
	night(t, c)
	id, _ := userAt(t, c, 1)
	origin, err := url.Parse(c.BaseURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { // the same users in another organization
		r.SetURL(origin)
		r.Out.URL.Path = strings.Replace(r.In.URL.Path, "/v1/other/", "/v1/"+first.Org()+"/", 1)
		r.Out.URL.RawPath = ""
	}})
	defer proxy.Close()
	c.BaseURL, c.Orgs = proxy.URL, []string{"other"}
	night(t, c)
	for _, tt := range []struct {
		name  string
		users []string
		org   string
		want  string
	}{
		{"nobody", []string{id, "no such id"}, first.Org(), "number 2 is nowhere"},
		{"an organization without the user", []string{id}, "third", "number 1 is nowhere"},
		{"two organizations", []string{id}, "", "more than one organization: acme-health, other"},
	} {
		before := places(t, c.Warehouse, id)
		_, err := Forget(t.Context(), ForgetOptions{Config: c, Users: tt.users, Org: tt.org, Log: zerolog.Nop(), Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), id) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if after := places(t, c.Warehouse, id); len(after) != len(before) {
			t.Errorf("%s: %d places before, %d after", tt.name, len(before), len(after))
		}
	}
	forget(t, c, ForgetOptions{Users: []string{id}, Org: "other"})
	proveVerified(t, c)
	if left := places(t, c.Warehouse, id); len(left) == 0 {
		t.Error("the user of the other organization is gone too")
	}
}
