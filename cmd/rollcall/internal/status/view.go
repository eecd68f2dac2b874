package status

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/output"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/report"
)

//go:embed assets
var assets embed.FS

// view is an answer: a page, a way to another one, or a file.
type view struct {
	status  int    // 0: 200
	page    string // the template
	title   string
	section string // of the navigation: now, runs, schema, sql
	body    any
	headers map[string]string
	cookie  *http.Cookie
	to      string    // go there instead
	file    *download // is sent instead
}

func (v *view) close() {
	if v.file != nil {
		v.file.close()
	}
}

// failure is a page that says what is wrong, and what to do.
func failure(status int, what, mend string) *view {
	return &view{status: status, page: "failure", title: what, body: struct{ What, Mend string }{what, mend}}
}

// frame is what surrounds every page.
type frame struct {
	Title, Section string
	Body           any
}

// show sends the view. One that cannot be sent has no reader.
func (p *Page) show(w http.ResponseWriter, r *http.Request, v *view) {
	defer v.close()
	for name, value := range v.headers {
		w.Header().Set(name, value)
	}
	if v.cookie != nil {
		http.SetCookie(w, v.cookie)
	}
	switch {
	case v.to != "":
		http.Redirect(w, r, v.to, http.StatusSeeOther)
		return
	case v.file != nil:
		v.file.send(w)
		return
	}
	var b bytes.Buffer
	if err := pages[v.page].ExecuteTemplate(&b, "frame", frame{Title: v.title, Section: v.section, Body: v.body}); err != nil {
		p.o.Log.Error().Err(withoutValues(err)).Str("page", v.page).Msg("the status page cannot be shown")
		http.Error(w, "The page cannot be shown. The log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	if v.status != 0 {
		w.WriteHeader(v.status)
	}
	_, _ = b.WriteTo(w)
}

// withoutValues keeps of a template's error where it is. What it was about may be a value of the SQL box.
func withoutValues(err error) error {
	where, _, _ := strings.Cut(err.Error(), ": executing")
	return fmt.Errorf("%s cannot be executed", where)
}

// asset serves a file as it is.
func (p *Page) asset(name, kind string) http.Handler {
	raw, err := assets.ReadFile("assets/" + name)
	return p.handleRaw(func(w http.ResponseWriter) {
		if err != nil {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
		_, _ = io.Copy(w, bytes.NewReader(raw))
	})
}

func (p *Page) handleRaw(serve func(http.ResponseWriter)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "This can only be read.", http.StatusMethodNotAllowed)
			return
		}
		serve(w)
	})
}

// pages are the templates by name.
var pages = parsePages("now", "first", "runs", "run", "schema", "sql", "login", "off", "failure")

func parsePages(names ...string) map[string]*template.Template {
	frame := template.Must(template.New("frame.html").Funcs(template.FuncMap{
		"count": report.Count, "number": func(n int) string { return report.Count(int64(n)) }, "size": report.Size, "percent": report.Percent, "span": span, "when": when, "stamp": stamp, "visible": output.Visible, "clock": clock, "took": took,
	}).ParseFS(assets, "assets/frame.html", "assets/chart.html", "assets/facts.html"))
	out := map[string]*template.Template{}
	for _, name := range names {
		out[name] = template.Must(template.Must(frame.Clone()).ParseFS(assets, "assets/"+name+".html"))
	}
	return out
}

// when writes an instant for people. The zero one has nothing to say.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04:05 UTC")
}

// clock is the time of the day.
func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// stamp writes an instant for programs.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span writes a duration in its two largest units.
func span(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	const day = 24 * time.Hour
	part := func(n time.Duration, one string) string { return report.Plural(int(n), one, one+"s") }
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f seconds", d.Seconds())
	case d < time.Minute:
		return part(d/time.Second, "second")
	case d < time.Hour:
		return two(part(d/time.Minute, "minute"), part(d%time.Minute/time.Second, "second"), d%time.Minute >= time.Second)
	case d < day:
		return two(part(d/time.Hour, "hour"), part(d%time.Hour/time.Minute, "minute"), d%time.Hour >= time.Minute)
	}
	return two(part(d/day, "day"), part(d%day/time.Hour, "hour"), d%day >= time.Hour)
}

func two(large, small string, both bool) string {
	if both {
		return large + " " + small
	}
	return large
}
