package transform

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/rollcall-data/rollcall/schema"
)

// Columns gives the cells of a record batch by column name. It panics where a column is missing or of another type: batches of
// published tables have the columns that package schema declares.
type Columns struct {
	batch arrow.Record
	index map[string]int
}

// ColumnsOf wraps a batch.
func ColumnsOf(batch arrow.Record) Columns {
	c := Columns{batch: batch, index: make(map[string]int, batch.NumCols())}
	for i, f := range batch.Schema().Fields() {
		c.index[f.Name] = i
	}
	return c
}

// Rows is the number of rows.
func (c Columns) Rows() int { return int(c.batch.NumRows()) }

func (c Columns) column(name string) arrow.Array {
	i, ok := c.index[name]
	if !ok {
		panic(fmt.Sprintf("transform: the batch has no column %s", name))
	}
	return c.batch.Column(i)
}

// Text is a text cell. It shares the batch's memory.
func (c Columns) Text(name string, row int) Text {
	a := c.column(name).(*array.String)
	if a.IsNull(row) {
		return Text{}
	}
	return Text{a.Value(row), true}
}

// JSON is a JSON cell, nil for NULL. It shares the batch's memory.
func (c Columns) JSON(name string, row int) []byte {
	t := c.Text(name, row)
	if !t.Valid {
		return nil
	}
	return []byte(t.String)
}

// Micros is a timestamp cell.
func (c Columns) Micros(name string, row int) Micros {
	a := c.column(name).(*array.Timestamp)
	if a.IsNull(row) {
		return Micros{}
	}
	return Micros{int64(a.Value(row)), true}
}

// Int is an integer cell.
func (c Columns) Int(name string, row int) (v int64, valid bool) {
	a := c.column(name).(*array.Int64)
	if a.IsNull(row) {
		return 0, false
	}
	return a.Value(row), true
}

// Bool is a boolean cell.
func (c Columns) Bool(name string, row int) (v, valid bool) {
	a := c.column(name).(*array.Boolean)
	if a.IsNull(row) {
		return false, false
	}
	return a.Value(row), true
}

// Texts is a cell that is a list of text, nil for NULL.
func (c Columns) Texts(name string, row int) []string {
	a := c.column(name).(*array.List)
	if a.IsNull(row) {
		return nil
	}
	from, to := a.ValueOffsets(row)
	inner := a.ListValues().(*array.String)
	out := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, inner.Value(int(i)))
	}
	return out
}

// Hash is a hash cell.
func (c Columns) Hash(name string, row int) Hash {
	var h Hash
	copy(h[:], c.column(name).(*array.Binary).Value(row))
	return h
}

// PriorUserAt reads from a batch of users_flat what a run must know of a user. It shares the batch's memory.
func PriorUserAt(flat Columns, row int) PriorUser {
	u := PriorUser{
		Scope: flat.Text("_scope", row).String, UserID: flat.Text("user_id", row).String, Org: flat.Text("org_id", row),
		State: ModelsState(flat.Text("_models_state", row).String), ModelsAt: flat.Micros("_models_fetched_at", row),
		ItemHash: flat.Hash("_item_hash", row), ModelsHash: flat.Hash("_models_hash", row), Digest: flat.Hash("_item_digest", row),
	}
	u.ExtrasHash, _ = flat.Int("_extras_hash", row)
	u.StatsAtLast.Sum, u.StatsAtLast.Valid = flat.Int("_stats_hash", row)
	return u
}

// PriorUserColumns are the columns of users_flat that PriorUserAt reads.
var PriorUserColumns = []string{"_scope", "user_id", "org_id", "_models_state", "_models_fetched_at", "_item_hash", "_models_hash", "_item_digest",
	"_extras_hash", "_stats_hash"}

// BookkeepingAt reads a user's bookkeeping from a batch of users_flat. It shares the batch's memory.
func BookkeepingAt(flat Columns, row int) Bookkeeping {
	return Bookkeeping{
		PriorUser: PriorUserAt(flat, row),
		UpdatedAt: flat.Micros("updated_at", row), Observed: flat.Text("_updated_at_origin", row).String == "observed",
		FirstSeen: flat.Micros("_first_seen_at", row), ChangedAt: flat.Micros("_changed_at", row), LastSeen: flat.Text("_last_seen_run", row).String,
	}
}

// BookkeepingColumns are the columns of users_flat that BookkeepingAt reads.
var BookkeepingColumns = append([]string{"updated_at", "_updated_at_origin", "_first_seen_at", "_changed_at", "_last_seen_run"}, PriorUserColumns...)

// Twelve fills in the twelve columns of a row from a batch of users or users_history. They share the batch's memory.
func (r *Row) Twelve(users Columns, row int) {
	r.ID, r.Email = users.Text("_id", row), users.Text("email", row)
	r.FirstName, r.LastName = users.Text("first_name", row), users.Text("last_name", row)
	r.Org, r.Region, r.Role = users.Text("org_id", row), users.Text("region_name", row), users.Text("role", row)
	r.UserID, r.UpdatedAt = users.Text("user_id", row).String, users.Micros("updated_at", row)
	r.Preferences, r.Context, r.Models = users.JSON("preferences", row), users.JSON("additional_context", row), users.JSON("user_models", row)
}

// Rehash computes a row's hashes anew from its columns.
func (r *Row) Rehash() (item, models Hash) {
	c := *r
	c.SetModels(r.Context, r.Models)
	return c.hashItem(), c.ModelsHash
}

// Variable is a row of user_variables.
type Variable struct {
	Name, Value Text
	Sensitive   bool
}

// RestoreExtras makes the extras of a user whose item did not come again from what users_flat and user_variables have.
func (r *Row) RestoreExtras(flat Columns, row int, variables []Variable) error {
	type stats struct {
		Conversations *int64  `json:"num_conversations"`
		Messages      *int64  `json:"num_messages"`
		Last          *string `json:"last_message_time"`
	}
	var s stats
	if n, ok := flat.Int("num_conversations", row); ok {
		s.Conversations = &n
	}
	if n, ok := flat.Int("num_messages", row); ok {
		s.Messages = &n
	}
	if t := flat.Micros("last_message_time", row); t.Valid {
		text := time.UnixMicro(t.At).UTC().Format(time.RFC3339Nano)
		s.Last = &text
	}
	var err error
	if r.Extras.Stats, err = json.Marshal(s); err != nil {
		return fmt.Errorf("restore a kept user: %w", err)
	}
	r.Extras.Variables, r.Extras.Sensitive = restoreVariables(variables)
	if b, ok := flat.Bool("enable_actions_access", row); ok {
		r.Extras.Actions = strconv.AppendBool(nil, b)
	}
	return nil
}

// restoreVariables writes variables as an item has them, in their order: the plain ones as members, the sensitive ones as names. A plain one
// without a name can only have been in a list of names.
func restoreVariables(variables []Variable) (plain, sensitive []byte) {
	names := false
	for _, v := range variables {
		names = names || (!v.Sensitive && !v.Name.Valid)
	}
	open, end := byte('{'), byte('}')
	if names {
		open, end = '[', ']'
	}
	plain, sensitive = []byte{open}, []byte{'['}
	for _, v := range variables {
		switch {
		case v.Sensitive:
			sensitive = appendTextJSON(comma(sensitive), v.Name)
		case names:
			plain = appendTextJSON(comma(plain), v.Name)
		default:
			plain = appendTextJSON(append(appendTextJSON(comma(plain), v.Name), ':'), v.Value)
		}
	}
	return append(plain, end), append(sensitive, ']')
}

// comma separates the next element or member from the one before it, where there is one.
func comma(b []byte) []byte {
	if len(b) == 1 {
		return b
	}
	return append(b, ',')
}

func appendTextJSON(b []byte, t Text) []byte {
	if !t.Valid {
		return append(b, "null"...)
	}
	quoted, err := json.Marshal(t.String)
	if err != nil { // a text can always be written
		panic(err)
	}
	return append(b, quoted...)
}

// PriorPreferences reads the preference columns of the version before from a batch of its _columns.
func PriorPreferences(columns Columns) ([]PriorColumn, error) {
	var out []PriorColumn
	for i := range columns.Rows() {
		declared, _ := columns.Bool("declared", i)
		if columns.Text("table_name", i).String != schema.NameUsersFlat || declared {
			continue
		}
		t, err := schema.ParseType(columns.Text("type", i).String)
		if err != nil {
			return nil, err
		}
		out = append(out, PriorColumn{
			Column: schema.Column{
				Name: columns.Text("column_name", i).String, Type: t, Origin: schema.Origin(columns.Text("origin", i).String),
				Path: columns.Text("json_path", i).String, Comment: columns.Text("comment", i).String,
			},
			Typed: len(columns.Texts("types", i)) > 0,
		})
	}
	return out, nil
}
