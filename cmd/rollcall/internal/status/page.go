package status

import (
	"errors"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/load/publish"
)

// Options say what the page shows. Warehouse is required.
type Options struct {
	Warehouse string
	SQLToken  extract.Secret                         // empty: the SQL box is off
	Next      func() (time.Time, bool)               // the next scheduled run; nil: none is scheduled
	Running   func() (since time.Time, running bool) // nil: unknown
	Now       func() time.Time                       // nil: time.Now
	Log       zerolog.Logger
}

// Page is the status page, an http.Handler for the whole of "/". Make one with New.
type Page struct {
	o       Options
	wh      *publish.Warehouse
	records *records
	columns *columns
	door    *door
	box     *box
	asking  chan struct{} // holds one for each reader that a run's page has open
	mux     *http.ServeMux
}

// mostAsking is how many runs' pages ask the tables at once.
const mostAsking = 2

// New makes the page. Close it in the end.
func New(o Options) (*Page, error) {
	if o.Warehouse == "" {
		return nil, errors.New("make the status page: no warehouse is named")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	wh := publish.Open(o.Warehouse)
	p := &Page{o: o, wh: wh, records: newRecords(wh), columns: &columns{}, door: newDoor(o.SQLToken, o.Now), box: newBox(o.Log), asking: make(chan struct{}, mostAsking)}
	p.mux = p.routes()
	return p, nil
}

// Close ends the queries that are under way and waits for them.
func (p *Page) Close() error {
	p.box.close()
	return nil
}

// ServeHTTP answers a request.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	harden(w.Header())
	if !hostAllowed(r) {
		p.show(w, r, failure(http.StatusMisdirectedRequest, "This is not the address of this page",
			"The page is served on this machine alone: open it as localhost, or by the machine's own loopback address."))
		return
	}
	p.mux.ServeHTTP(w, r)
}

func (p *Page) routes() *http.ServeMux {
	mux := http.NewServeMux()
	get := []string{http.MethodGet, http.MethodHead}
	mux.Handle("/{$}", p.handle(p.now, get...))
	mux.Handle("/runs", p.handle(p.runs, get...))
	mux.Handle("/runs/{run}", p.handle(p.run, get...))
	mux.Handle("/schema", p.handle(p.schema, get...))
	mux.Handle("/sql", p.handle(p.sql, append(get, http.MethodPost)...))
	mux.Handle("/sql/login", p.handle(p.login, http.MethodPost))
	mux.Handle("/sql/logout", p.handle(p.logout, http.MethodPost))
	mux.Handle("/style.css", p.asset("style.css", "text/css; charset=utf-8"))
	mux.Handle("/icon.svg", p.asset("icon.svg", "image/svg+xml"))
	mux.Handle("/", p.handle(func(*http.Request) (*view, error) {
		return failure(http.StatusNotFound, "There is no such page", "It may be of a run that is no longer on record."), nil
	}, get...))
	return mux
}
