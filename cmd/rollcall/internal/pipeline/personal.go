package pipeline

import (
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/schema"
	"github.com/rollcall-data/rollcall/transform/pii"
)

// done says in a column's comment what a rule does with its values.
var done = map[pii.Action]string{pii.Drop: "dropped", pii.Mask: "masked", pii.Hash: "hashed"}

const noteMark = " (pii: "

// noted are the tables with the rules about personal data in the comments of the columns they are about, and no others: comments of learned
// columns come from the version before.
func noted(tables []schema.Table, rules *pii.Rules) []schema.Table {
	for i := range tables {
		columns := slices.Clone(tables[i].Columns)
		for k := range columns {
			c := &columns[k]
			c.Comment, _, _ = strings.Cut(c.Comment, noteMark)
			if !strings.HasPrefix(c.Path, "$.") || c.Origin == schema.FromRole {
				continue
			}
			if _, action := rules.Hides(c.Path); action != "" {
				c.Comment += noteMark + done[action] + ")"
			}
		}
		tables[i].Columns = columns
	}
	return tables
}

// madeUnder are the rules that the version was made under, as their fingerprint.
func (p *prior) madeUnder() string {
	s, err := summaryOf(p.version)
	if err != nil {
		return ""
	}
	return s.PII
}
