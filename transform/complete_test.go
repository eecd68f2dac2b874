package transform

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	const row = `{"_id":"sql","region_name":"sql-1","updated_at":"2025-01-20T12:34:56.000007Z","user_id":"u"}`
	for _, tt := range []struct{ members, columns, want, filled string }{
		{``, row, `,"_id":"sql","region_name":"sql-1","updated_at":"2025-01-20T12:34:56.000007Z"`, "_id region_name updated_at"},
		{`"_id":null,"id":null,"region_name":null,"updated_at":null`, row,
			`,"_id":"sql","region_name":"sql-1","updated_at":"2025-01-20T12:34:56.000007Z"`, "_id region_name updated_at"},
		{`"id":"list"`, row, `,"region_name":"sql-1","updated_at":"2025-01-20T12:34:56.000007Z"`, "region_name updated_at"},
		{`"_id":{"$oid":"list"},"updated_at":"never","email":"e"`, row, `,"region_name":"sql-1"`, "region_name"},
		{`"_id":"","region_name":"","updated_at":""`, row, ``, ""},
		{``, `{"user_id":"u"}`, ``, ""},
		{``, `{"_id":null,"region_name":null,"email":"sql","org_id":"sql","preferences":{}}`, ``, ""},
		{``, `{"_id":{"$oid":"67fe"}}`, `,"_id":{"$oid":"67fe"}`, "_id"},
	} {
		in := item(tt.members)
		spare := append(make([]byte, 0, len(in)+200), in...)
		record, filled := Complete(spare, []byte(tt.columns))
		want := strings.TrimSuffix(string(in), "}") + tt.want + "}"
		if string(record) != want || strings.Join(filled, " ") != tt.filled || !json.Valid(record) {
			t.Errorf("%s and %s: %s, %q; want %s", in, tt.columns, record, filled, want)
		}
		if string(spare) != string(in) || strings.Trim(string(spare[len(in):cap(spare)]), "\x00") != "" {
			t.Errorf("%s: the item was written to", in)
		}
	}
	record, _ := Complete([]byte(" {\"user_id\":\"u\" } \n"), []byte(row))
	r, issues, ok := Decode(record, acme)
	if !ok || issues != nil || r.ID != text("sql") || r.Region != text("sql-1") || r.Observed || !r.UpdatedAt.Valid {
		t.Errorf("%+v, %v", r, issues)
	}
}
