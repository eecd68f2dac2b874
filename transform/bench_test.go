package transform

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
)

// usualItem is a list item of about 1.3 kB as an organization has it whose list carries models; no two are the same.
func usualItem(i int) []byte {
	themes := []string{"light", "dark", "system"}
	return fmt.Appendf(nil, `{"user_id":"%08x8d2f41c09b7e5a31","org_id":"acme-health","email":"member%d@example.com","first_name":"Lucía","last_name":"O'Neill",`+
		`"role":"67a1f0c2e4b0a1b2c3d4e501","region_name":"eu-central-1","updated_at":"2025-05-19T20:06:21.%06dZ","user_stats":{"num_conversations":%d,"num_messages":%d,`+
		`"last_message_time":"2025-12-12T19:28:31.898540Z"},"preferences":{"timezone":"America/Chicago","preferred_language":"fra","conversations_visible_to_admins":false,`+
		`"user_model_visible_to_admins":true,"audio_keyterms":["metoprolol","a-fib"],"theme":"%s","checkin_hour":%d,"notifications":{"email":true,"sms":false,`+
		`"quiet_hours":{"from":"22:00","to":"06:30"}},"text_scale":1.%d},"nonsensitive_variables":{"member_tier":"silver"},"sensitive_variables":["ehr_token"],`+
		`"enable_actions_access":false,"additional_context":["Employer: Northwind","walks the dog before breakfast and sleeps better when screens are off"],`+
		`"user_models":[{"content":"swims twice a week, forgets evening medication at work — %d","insight_ids":["f0467de14f7d70c0%08x","d0bda279e9b59975%08x"],`+
		`"dimensions":[{"description":"Physical Activity","tags":["exercise","work"]},{"description":"Sleep","tags":["sleep"]}]},`+
		`{"content":"asks for short answers in metric units, “plain” ones","insight_ids":[],"dimensions":[{"description":"Communication Style","tags":["tone"]}]}]}`,
		i, i, i%1_000_000, i%30, i%900, themes[i%3], i%24, i%90, i, i, i+1)
}

func usualItems(n int) (items [][]byte, mean int64) {
	for i := range n {
		items = append(items, usualItem(i))
		mean += int64(len(items[i]))
	}
	return items, mean / int64(n)
}

// usualRows are those items taken apart, and the preferences that they taught.
func usualRows(b testing.TB, n int) (rows []Row, prefs *Preferences, mean int64) {
	b.Helper()
	items, mean := usualItems(n)
	prefs = NewPreferences(nil, Contract{})
	for _, item := range items {
		row, issues, ok := Decode(item, acme)
		if !ok || len(issues) > 0 {
			b.Fatal(ok, issues)
		}
		seen(&row)
		prefs.Learn(row.Preferences)
		rows = append(rows, row)
	}
	return rows, prefs, mean
}

// BenchmarkDecode takes a list item apart, its hashes included.
func BenchmarkDecode(b *testing.B) {
	items, mean := usualItems(1000)
	b.SetBytes(mean)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, ok := Decode(items[i%len(items)], acme); !ok {
			b.Fatal("quarantined")
		}
	}
}

// BenchmarkLearn learns the columns of a user's preferences.
func BenchmarkLearn(b *testing.B) {
	rows, _, _ := usualRows(b, 1000)
	prefs := NewPreferences(nil, Contract{})
	b.SetBytes(int64(len(rows[0].Preferences)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		prefs.Learn(rows[i%len(rows)].Preferences)
	}
}

// BenchmarkUser makes a user's rows of every table that a full load makes.
func BenchmarkUser(b *testing.B) {
	rows, prefs, mean := usualRows(b, 1000)
	batches := 0
	build := NewBuilder(memory.DefaultAllocator, "run-1", prefs, schema.Tables(columnsOf(prefs), false), func(string, arrow.Record) error {
		batches++
		return nil
	})
	defer build.Release()
	b.SetBytes(mean)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := &rows[i%len(rows)]
		if err := build.User(r, nil); err != nil {
			b.Fatal(err)
		}
		if err := build.History(Version{Row: r, From: r.FirstSeen, Run: "run-1"}); err != nil {
			b.Fatal(err)
		}
		if err := build.Change(r, Added, nil); err != nil {
			b.Fatal(err)
		}
	}
	if err := build.Close(); err != nil || batches == 0 || build.QuarantinedCells > 0 {
		b.Fatal(err, batches, build.QuarantinedCells)
	}
}

func TestUsualItemsAreOfTheUsualSize(t *testing.T) {
	if _, mean := usualItems(100); mean < 1200 || mean > 1500 || strings.Count(string(usualItem(1)), "%!") > 0 {
		t.Errorf("%d bytes: %s", mean, usualItem(1))
	}
}
