package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/load/objectstore"
	"github.com/rollcall-data/rollcall/load/publish"
)

// Copy is the copy of the current version in object storage.
type Copy struct {
	URL         string  `json:"url"`     // s3://BUCKET/PREFIX
	Version     *string `json:"version"` // that its current.json names; null where that is not known
	Sent        int     `json:"sent"`    // objects
	Reused      int     `json:"reused"`  // objects that an interrupted upload had sent
	Bytes       int64   `json:"bytes"`   // sent
	Removed     int     `json:"removed"` // versions of before
	Outstanding string  `json:"outstanding,omitempty"`
}

// copiesName is the record of where versions were copied to: what was forgotten here has to be forgotten there, wherever publish points now.
const copiesName = "copies.json"

// place is where versions were copied to.
type place struct {
	URL       string `json:"url"`
	Endpoint  string `json:"endpoint,omitempty"`
	Region    string `json:"region,omitempty"`
	PathStyle bool   `json:"path_style,omitempty"`
	Erase     string `json:"erase,omitempty"` // RFC 3339, UTC: when the erasure began that has not reached it yet
}

func (p place) options() objectstore.Options {
	return objectstore.Options{URL: p.URL, Endpoint: p.Endpoint, Region: p.Region, PathStyle: p.PathStyle}
}

// same tells whether two are one place, however it is reached.
func (p place) same(o place) bool { return p.URL == o.URL && p.Endpoint == o.Endpoint }

func loadPlaces(wh *publish.Warehouse) ([]place, error) { return loadRecord[place](wh, copiesName) }

func savePlaces(wh *publish.Warehouse, places []place) error {
	return saveRecord(wh, copiesName, places)
}

// loadRecord reads a file of the warehouse that lists where versions were published to; there are none without it.
func loadRecord[T any](wh *publish.Warehouse, name string) ([]T, error) {
	raw, err := os.ReadFile(filepath.Join(wh.Dir(), name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read where versions were published to: %w", err)
	}
	var places []T
	if err := json.Unmarshal(raw, &places); err != nil {
		return nil, fmt.Errorf("read where versions were published to: %s: %w", name, err)
	}
	return places, nil
}

func saveRecord[T any](wh *publish.Warehouse, name string, places []T) error {
	raw, err := json.MarshalIndent(places, "", "  ")
	if err != nil {
		return fmt.Errorf("record where versions were published to: %s: %w", name, err)
	}
	return publish.WriteFile(filepath.Join(wh.Dir(), name), append(raw, '\n'))
}

// eraseCopies records that all copies have to be rid of what is being rewritten. PublishCopies carries it out, now or when it can.
func eraseCopies(wh *publish.Warehouse, at string) error {
	places, err := loadPlaces(wh)
	if err != nil || len(places) == 0 {
		return err
	}
	for i := range places {
		if places[i].Erase == "" {
			places[i].Erase = at
		}
	}
	return savePlaces(wh, places)
}

// copier brings copies up to date.
type copier struct {
	wh      *publish.Warehouse
	keepFor time.Duration
	log     zerolog.Logger
	now     time.Time
	current publish.Version
	ours    []publish.Version
}

// PublishCopies makes object storage have the current version, and carries out what erasures are outstanding there; without publish in the
// configuration, only the latter. What does not get there is said in the Copy, and the next call goes on with it: an error is one of the
// warehouse's own, or the context's. The caller holds the lock.
func PublishCopies(ctx context.Context, c *config.Config, wh *publish.Warehouse, log zerolog.Logger, now time.Time) ([]Copy, error) {
	places, err := loadPlaces(wh)
	if err != nil {
		return nil, err
	}
	o := c.ObjectStorage()
	target := place{URL: o.URL, Endpoint: o.Endpoint, Region: o.Region, PathStyle: o.PathStyle}
	at := slices.IndexFunc(places, target.same)
	switch {
	case o.URL == "":
	case at < 0:
		places = append(places, target)
	default:
		places[at].Region, places[at].PathStyle = target.Region, target.PathStyle
	}
	if o.URL == "" && !slices.ContainsFunc(places, func(p place) bool { return p.Erase != "" }) {
		return nil, nil
	}
	k := copier{wh: wh, keepFor: c.KeepFor, log: log, now: now}
	if err := k.load(); err != nil {
		return nil, err
	}
	if err := savePlaces(wh, places); err != nil { // before anything gets there
		return nil, err
	}
	var out []Copy
	var left []place
	for _, p := range places {
		if !p.same(target) && p.Erase == "" { // one of before, and nothing it has must go
			left = append(left, p)
			continue
		}
		copied, err := k.copy(ctx, &p)
		if errors.Is(err, objectstore.ErrNoBucket) && !p.same(target) { // whoever removed the bucket has erased it
			continue
		}
		out, left = append(out, copied), append(left, p)
	}
	return out, errors.Join(savePlaces(wh, left), ctx.Err())
}

func (k *copier) load() (err error) {
	if k.current, err = k.wh.Current(); err != nil {
		return err
	}
	runs, err := k.wh.Versions()
	if err != nil {
		return err
	}
	for _, run := range runs {
		v, err := k.wh.Version(run)
		if err != nil {
			return err
		}
		k.ours = append(k.ours, v)
	}
	return nil
}

func (k *copier) has(run string) bool {
	return slices.ContainsFunc(k.ours, func(v publish.Version) bool { return v.Run == run })
}

// copy brings one copy up to date. The error is in the Copy too.
func (k *copier) copy(ctx context.Context, p *place) (Copy, error) {
	c := Copy{URL: p.URL}
	err := k.bring(ctx, p, &c)
	if err == nil {
		k.log.Info().Str("to", p.URL).Str("version", k.current.Run).Int("objects", c.Sent).Int64("bytes", c.Bytes).Int("removed", c.Removed).Msg("copied")
		return c, nil
	}
	c.Outstanding = err.Error()
	if p.Erase != "" {
		c.Outstanding = "what was erased here on " + p.Erase + " may still be there: " + c.Outstanding
	}
	if hinted := interface{ Hints() []string }(nil); errors.As(err, &hinted) && len(hinted.Hints()) > 0 {
		c.Outstanding += "; " + hinted.Hints()[0]
	}
	k.log.Warn().Str("to", p.URL).Str("version", k.current.Run).Str("reason", c.Outstanding).Msg("not copied")
	return c, err
}

func (k *copier) bring(ctx context.Context, p *place, c *Copy) error {
	s, err := objectstore.Open(ctx, p.options())
	if err != nil {
		return err
	}
	defer s.Close()
	report, err := s.Publish(ctx, k.current, objectstore.Terms{KeepFor: k.keepFor, Now: k.now, Ours: k.has})
	c.Sent, c.Reused, c.Bytes, c.Removed = report.Sent, report.Reused, report.Bytes, len(report.Removed)
	if err != nil {
		return err
	}
	c.Version = &k.current.Run
	if p.Erase == "" {
		return nil
	}
	gone, err := s.Erase(ctx, k.ours)
	if err != nil {
		return err
	}
	c.Removed += len(gone)
	p.Erase = ""
	return settleRecords(k.wh, p.URL)
}

// settleRecords takes a place whose erasure is done, by its URL or name, out of what the records of erasures list as outstanding.
func settleRecords(wh *publish.Warehouse, place string) error {
	names, err := fs.Glob(os.DirFS(erasuresDir(wh)), "*.json") // whatever the folder is called
	if err != nil {
		return fmt.Errorf("list the records of erasures: %w", err)
	}
	for _, name := range names {
		path := filepath.Join(erasuresDir(wh), name)
		raw, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read the record of an erasure: %w", err)
		}
		var e Erasure
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("read the record of an erasure: %s: %w", filepath.Base(path), err)
		}
		before := len(e.Outstanding)
		e.Outstanding = slices.DeleteFunc(e.Outstanding, func(s string) bool { return strings.HasPrefix(s, place+": ") })
		if len(e.Outstanding) == before {
			continue
		}
		if raw, err = json.MarshalIndent(e, "", "  "); err != nil {
			return fmt.Errorf("record an erasure: %w", err)
		}
		if err := publish.WriteFile(path, append(raw, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func erasuresDir(wh *publish.Warehouse) string { return filepath.Join(wh.Dir(), "erasures") }

// Outstanding says what did not get to the copies, a line each.
func Outstanding(copies []Copy) []string {
	var out []string
	for _, c := range copies {
		if c.Outstanding != "" {
			out = append(out, c.URL+": "+c.Outstanding)
		}
	}
	return out
}

// publishCopies is the end of a run: its version is current and recorded here, and object storage is to have it too.
func (r *run) publishCopies(ctx context.Context, s *Summary) error {
	if r.cfg.Publish != "" {
		r.progress("upload", 0, 0)
	}
	copies, err := PublishCopies(ctx, r.cfg, r.wh, r.o.Log, r.o.Now())
	if errors.Is(err, publish.ErrNoVersion) || len(copies) == 0 {
		return err
	}
	s.Copies = copies
	return errors.Join(err, r.record(s))
}
