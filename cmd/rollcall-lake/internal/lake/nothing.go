package lake

import (
	"context"
	"iter"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// nothing is a source without rows.
type nothing struct{ schema *arrow.Schema }

func (n nothing) Schema() *arrow.Schema { return n.schema }
func (nothing) Rows() int64             { return 0 }
func (nothing) SHA256() string          { return "" }
func (nothing) Close() error            { return nil }

func (nothing) Read(context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(func(arrow.RecordBatch, error) bool) {}
}

// join puts a name behind a location.
func join(location, name string) string { return strings.TrimRight(location, "/") + "/" + name }
