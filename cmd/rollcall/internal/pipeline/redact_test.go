package pipeline

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/sandbox"
	"github.com/rollcall-data/rollcall/load/publish"
	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform"
	"github.com/rollcall-data/rollcall/transform/pii"
)

// personal are the rules of these tests: one of each action, a list's elements, and everything that memories say.
func personal(c *config.Config) {
	c.PII = []pii.Rule{{Path: "email", Action: pii.Hash}, {Path: "last_name", Action: pii.Mask}, {Path: "$.additional_context[*]", Action: pii.Drop},
		{Path: "$.user_models[*].content", Action: pii.Mask}, {Path: "user_memories.content", Action: pii.Drop}, {Path: "user_memories.context", Action: pii.Mask}, {Path: "last_message_time", Action: pii.Mask}}
	c.PIIKey = config.Given(extract.Secret("a key for tests, long enough"))
}

// secrets are values that the rules take away, from the tables as they are.
func secrets(t *testing.T, c *config.Config) []string {
	t.Helper()
	v := currentVersion(t, c)
	var out []string
	take := func(table string, columns ...string) {
		err := eachBatch(t.Context(), v, memory.DefaultAllocator, table, nil, func(b transform.Columns) error {
			for i := range b.Rows() {
				for _, name := range columns {
					if text := b.Text(name, i).String; len(text) > 6 {
						out = append(out, strings.Clone(text))
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	take(schema.NameUsers, "email")
	take(schema.NameUserContext, "entry")
	take(schema.NameUserModels, "content")
	take(schema.NameMemories, "content")
	if len(out) < 40 {
		t.Fatalf("%d secrets only", len(out))
	}
	return append(out, canary)
}

// inTables are the places in versions and run records where a needle is.
func inTables(t *testing.T, c *config.Config, needles []string) []string {
	t.Helper()
	var out []string
	for _, p := range places(t, c.Warehouse, needles...) {
		if !strings.HasPrefix(p, filepath.Join(c.Warehouse, "journal")) {
			out = append(out, p)
		}
	}
	return out
}

func TestRulesTakeValuesOutOfAllTables(t *testing.T) {
	s, c := nights(t, sandbox.Options{Users: 25, Limits: "none"})
	c.Memories = true
	night(t, c)
	id, _ := userAt(t, c, 7)
	write(t, s, c, http.MethodPost, "user/"+url.PathEscape(id), `{"additional_context":["`+canary+`"]}`)
	c.Models = config.ModelsAll
	night(t, c)
	c.Models = config.ModelsAuto
	needles := secrets(t, c)
	if len(inTables(t, c, needles)) == 0 {
		t.Fatal("the secrets are nowhere")
	}

	personal(c)
	done, err := Redact(t.Context(), c, zerolog.Nop(), time.Now(), false)
	if err != nil || len(done) != 2 {
		t.Fatalf("redacted %v, %v", done, err)
	}
	if left := inTables(t, c, needles); len(left) > 0 {
		t.Errorf("redacted, and still in %d places: %v", len(left), left[:min(3, len(left))])
	}
	proveVerified(t, c)
	if again, err := Redact(t.Context(), c, zerolog.Nop(), time.Now(), false); err != nil || len(again) != 0 {
		t.Errorf("redacted again: %v, %v", again, err)
	}
	hashes := strings.Join(hashed(t, c), " ")
	if !strings.HasPrefix(hashes, "hmac:") {
		t.Errorf("e-mail addresses: %s", hashes)
	}

	next := night(t, c) // the rules in a run give what the redaction gave
	if next.Changed != 0 || next.Added != 0 || next.QuarantinedCells != 0 {
		t.Errorf("the night after: %d changed, %d added, %d cells in quarantine", next.Changed, next.Added, next.QuarantinedCells)
	}
	if got := strings.Join(hashed(t, c), " "); got != hashes {
		t.Error("a run hashes to another value than a redaction")
	}
	replayed, err := Run(t.Context(), Options{Config: c, Command: Backfill, Replay: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if replayed.Users != 25 || replayed.Certificate.UsersSHA256 != next.Certificate.UsersSHA256 {
		t.Errorf("replayed %d users, %s; the run had %s", replayed.Users, replayed.Certificate.UsersSHA256, next.Certificate.UsersSHA256)
	}
	if left := inTables(t, c, needles); len(left) > 0 {
		t.Errorf("a run and a replay brought back: %v", left[:min(3, len(left))])
	}
	proveVerified(t, c)
	if waiting, err := Unredacted(publish.Open(c.Warehouse), nil); err != nil || len(waiting) != 0 {
		t.Errorf("without rules: %v, %v", waiting, err)
	}
}

// hashed are the e-mail addresses in users.
func hashed(t *testing.T, c *config.Config) (out []string) {
	t.Helper()
	err := eachBatch(t.Context(), currentVersion(t, c), memory.DefaultAllocator, schema.NameUsers, []string{"email"}, func(b transform.Columns) error {
		for i := range b.Rows() {
			out = append(out, strings.Clone(b.Text("email", i).String))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
