package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/output"
	"github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/load/publish"
)

// documentedQuery is what the documentation of the users table shows.
const documentedQuery = "SELECT user_id, email, role, preferences, updated_at FROM users ORDER BY updated_at DESC;"

const (
	maxForm = 4 << 10
	maxSQL  = 256 << 10
)

// sqlPage is the box, and what came of the statement in it.
type sqlPage struct {
	SQL     string
	Version string
	Mistake *mistake // nil: none
	Columns []column // of the result; nil: there is none
	Rows    [][]cell
	More    bool
}

type column struct {
	Name, Type string
	Number     bool
}

// cell is a value. What is long stands below what it begins with.
type cell struct {
	Text   string
	Null   bool
	Number bool
	Whole  string // empty: Text is all
	Cut    bool   // even Whole is not all
}

func (p *Page) sql(r *http.Request) (*view, error) {
	if !p.door.there {
		return p.off(), nil
	}
	if e := p.door.admits(r); e != admitted {
		return ask4token(e, false), nil
	}
	v, err := p.wh.Current()
	if errors.Is(err, publish.ErrNoVersion) {
		v := p.noVersion("sql")
		if r.Method == http.MethodPost {
			v.status = http.StatusNotFound
		}
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	body := sqlPage{SQL: documentedQuery, Version: v.Run}
	format := output.Table
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(nil, r.Body, 3*maxSQL) // a form writes most characters as three
		if readForm(r) || len(r.PostForm.Get("sql")) > maxSQL {
			return failure(http.StatusRequestEntityTooLarge, "The statement is too long", "rollcall query takes longer ones."), nil
		}
		body.SQL = r.PostForm.Get("sql")
		if f := r.PostForm.Get("format"); f != "" {
			format = output.Format(f)
		}
		return p.answer(r, v, body, format)
	}
	return body.view(0), nil
}

func (s sqlPage) view(status int) *view {
	return &view{status: status, page: "sql", title: "SQL", section: "sql", body: s}
}

// kinds are what a download is, for a browser.
var kinds = map[output.Format]string{output.CSV: "text/csv; charset=utf-8", output.Parquet: "application/vnd.apache.parquet"}

// answer runs the statement.
func (p *Page) answer(r *http.Request, v publish.Version, body sqlPage, format output.Format) (*view, error) {
	if _, ok := kinds[format]; !ok && format != output.Table {
		return failure(http.StatusBadRequest, "There is no such format", "A result can be had as table, csv or parquet."), nil
	}
	a, folder, err := p.box.query(r.Context(), v.Database(), body.SQL, string(format))
	if err != nil {
		return body.failed(err)
	}
	if a.Mistake == nil && format != output.Table {
		file, err := openDownload(folder, "rollcall-"+v.Run+"."+string(format), kinds[format])
		if err != nil {
			return nil, err
		}
		return &view{file: file}, nil
	}
	if err := os.RemoveAll(folder); err != nil {
		return nil, err
	}
	if a.Mistake != nil {
		body.Mistake = a.Mistake
		return body.view(http.StatusBadRequest), nil
	}
	body.show(a)
	return body.view(0), nil
}

// failed says why there is no result though the SQL may be right.
func (s sqlPage) failed(err error) (*view, error) {
	status := http.StatusUnprocessableEntity
	switch {
	case errors.Is(err, errBusy), errors.Is(err, errClosed):
		status = http.StatusServiceUnavailable
	case errors.Is(err, errTime), errors.Is(err, errDied):
	default:
		return nil, err
	}
	s.Mistake = &mistake{Message: "The query was not answered: " + err.Error(), Details: []string{"rollcall query, on the machine itself, has more time and memory"}}
	if status == http.StatusServiceUnavailable {
		s.Mistake.Details = []string{"try again in a moment"}
	}
	v := s.view(status)
	if status == http.StatusServiceUnavailable {
		v.headers = map[string]string{"Retry-After": strconv.Itoa(5)}
	}
	return v, nil
}

// show prepares the rows for the page.
func (s *sqlPage) show(a *answer) {
	s.More = a.More
	s.Columns = make([]column, len(a.Columns))
	for i, c := range a.Columns {
		s.Columns[i] = column{output.Visible(c.Name), c.Type, c.Kind == duckdb.Number}
	}
	for _, row := range a.Rows {
		cells := make([]cell, len(row))
		for i, v := range row {
			cells[i] = newCell(a.Columns[i], v)
		}
		s.Rows = append(s.Rows, cells)
	}
}

// briefText is how many characters of a value stand in the table itself.
const briefText = 80

func newCell(c duckdb.Column, v duckdb.Value) cell {
	out := cell{Text: v.Text, Null: v.Null, Number: c.Kind == duckdb.Number}
	if utf8.RuneCountInString(v.Text) <= briefText {
		out.Text = output.Visible(v.Text)
		return out
	}
	runes := []rune(v.Text)
	if len(runes) > shownText {
		runes, out.Cut = runes[:shownText], true
	}
	out.Text = output.Visible(string(runes[:briefText])) + "…"
	out.Whole = string(runes)
	if c.Type == "JSON" && !out.Cut {
		var b bytes.Buffer
		if json.Indent(&b, []byte(v.Text), "", "  ") == nil {
			out.Whole = b.String()
		}
	}
	lines := strings.Split(out.Whole, "\n")
	for i, l := range lines {
		lines[i] = output.Visible(l)
	}
	out.Whole = strings.Join(lines, "\n")
	return out
}
