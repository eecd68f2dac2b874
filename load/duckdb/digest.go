package duckdb

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"strings"

	"github.com/marcboeker/go-duckdb"

	"github.com/rollcall-data/rollcall/schema"
)

// Digest is the rows of a relation in short: how many, and the sum of DuckDB's hash of each. Relations of the same rows in any order have equal
// digests, and that of two together is the sum of theirs. The zero value is that of no rows.
type Digest struct {
	Rows      int64
	high, low uint64 // of the sum
}

// Add is the digest of both relations together.
func (d Digest) Add(o Digest) Digest {
	sum, carry := bits.Add64(d.low, o.low, 0)
	high, _ := bits.Add64(d.high, o.high, carry)
	return Digest{d.Rows + o.Rows, high, sum}
}

// hashedBy begins the text of a digest: another DuckDB may hash in another way, and other expressions do.
const hashedBy = "duckdb-v1.1.2-2:"

// String is a digest without its number of rows, for ParseDigest.
func (d Digest) String() string { return fmt.Sprintf("%s%016x%016x", hashedBy, d.high, d.low) }

// ParseDigest reads what String wrote; false where it is not that, or another DuckDB's.
func ParseDigest(text string, rows int64) (Digest, bool) {
	d := Digest{Rows: rows}
	n, err := fmt.Sscanf(text, hashedBy+"%16x%16x", &d.high, &d.low)
	return d, err == nil && n == 2
}

// Digest reads the columns of a relation, an SQL expression to select from.
func (v *Verifier) Digest(ctx context.Context, relation string, columns ...string) (Digest, error) {
	d, err := v.Digests(ctx, relation, columns)
	if err != nil {
		return Digest{}, err
	}
	return d[0], nil
}

// Digests reads a relation once for the digests of several choices of its columns.
func (v *Verifier) Digests(ctx context.Context, relation string, choices ...[]string) ([]Digest, error) {
	selected := []string{"count(*)"}
	for _, columns := range choices {
		exact, err := v.exact(ctx, relation, columns)
		if err != nil {
			return nil, err
		}
		selected = append(selected, fmt.Sprintf("coalesce(sum(hash(%s)::HUGEINT), 0)::VARCHAR", strings.Join(exact, ", ")))
	}
	var rows int64
	sums := make([]string, len(choices))
	to := []any{&rows}
	for i := range sums {
		to = append(to, &sums[i])
	}
	err := v.db.QueryRowContext(ctx, fmt.Sprintf("SELECT %s FROM %s", strings.Join(selected, ", "), relation)).Scan(to...)
	if full := new(duckdb.Error); v.more && errors.As(err, &full) && full.Type == duckdb.ErrorTypeOutOfMemory {
		v.more = false
		if _, err := v.db.ExecContext(ctx, "SET memory_limit = "+schema.Literal(longStrings)); err != nil {
			return nil, err
		}
		return v.Digests(ctx, relation, choices...)
	}
	if err != nil {
		return nil, err
	}
	digests := make([]Digest, len(sums))
	for i, sum := range sums {
		n, ok := new(big.Int).SetString(sum, 10)
		if !ok || n.Sign() < 0 {
			return nil, fmt.Errorf("a sum of hashes that is none: %s", sum)
		}
		digests[i] = Digest{Rows: rows, low: n.Uint64()}
		digests[i].high = n.Rsh(n, 64).Uint64()
	}
	return digests, nil
}
