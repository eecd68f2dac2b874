// Package batchtest makes batches of made-up users, about as large and as hard to compress as real ones, for benchmarks of what writes and
// reads them.
package batchtest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/rollcall-data/rollcall/schema"
)

var words = strings.Fields("walks the dog before breakfast sleeps better when screens are off after nine asks for recipes without gluten worries about blood " +
	"pressure at work likes short plain answers in metric units knee surgery last spring swims twice a week forgets evening medication café über 面談")

// Users is a batch of the table users: n rows from the user numbered from, in the order of the table. The same numbers make the same users.
// Release it.
func Users(mem memory.Allocator, from, n int) arrow.Record {
	b := array.NewRecordBuilder(mem, schema.Users.Arrow())
	defer b.Release()
	rng := rand.New(rand.NewPCG(1, uint64(from)))
	for i := from; i < from+n; i++ {
		for k, c := range schema.Users.Columns {
			cell(b.Field(k), c, value(rng, c.Name, i))
		}
	}
	return b.NewRecord()
}

// Batches are count batches of rows users each, one after another, and how many bytes their cells have.
func Batches(count, rows int) (batches []arrow.Record, size int64) {
	for i := range count {
		batches = append(batches, Users(memory.DefaultAllocator, i*rows, rows))
		size += schema.BatchBytes(batches[i])
	}
	return batches, size
}

func cell(b array.Builder, c schema.Column, v string) {
	switch b := b.(type) {
	case *array.TimestampBuilder:
		b.Append(1_750_000_000_000_000 + arrow.Timestamp(len(v)))
	case *array.StringBuilder:
		if v == "" {
			b.AppendNull()
			return
		}
		b.Append(v)
	default:
		panic("batchtest: no cell for a column of " + c.Type.String())
	}
}

func value(rng *rand.Rand, column string, i int) string {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	switch column {
	case "_id":
		return ""
	case "user_id":
		return fmt.Sprintf("%08x%016x", i, rng.Uint64())
	case "email":
		return fmt.Sprintf("member%d@example.com", i)
	case "first_name":
		return one("Amara", "Benoît", "Chiara", "Dagny", "Emre", "健太")
	case "last_name":
		return one("Björk", "Chen", "O'Neill", "Pereira", "Schäfer")
	case "org_id":
		return "acme"
	case "role":
		return one("67a1f0c2e4b0a1b2c3d4e501", "67a1f0c2e4b0a1b2c3d4e502")
	case "region_name":
		return one("us-east-1", "eu-central-1")
	case "updated_at":
		return strings.Repeat("x", rng.IntN(60))
	case "preferences":
		return fmt.Sprintf(`{"timezone":"America/Chicago","preferred_language":"%s","theme":"%s","checkin_hour":%d,"notifications":{"email":%t,"sms":%t,`+
			`"quiet_hours":{"from":"22:00","to":"0%d:30"}},"text_scale":1.%d}`, one("eng", "fra", "deu"), one("light", "dark"), rng.IntN(24), rng.IntN(2) == 0,
			rng.IntN(2) == 0, rng.IntN(9), rng.IntN(90))
	case "additional_context":
		return fmt.Sprintf(`["Employer: Northwind","%s"]`, sentence(rng, 8))
	}
	return fmt.Sprintf(`[{"content":"%s","insight_ids":["%016x%08x"],"dimensions":[{"description":"Sleep","tags":["sleep"]}]},{"content":"%s","insight_ids":[],`+
		`"dimensions":[{"description":"Nutrition","tags":["diet","work"]}]}]`, sentence(rng, 12), rng.Uint64(), rng.Uint32(), sentence(rng, 12))
}

func sentence(rng *rand.Rand, n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = words[rng.IntN(len(words))]
	}
	return strings.Join(out, " ")
}
