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

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/rs/zerolog"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/journal"
	"github.com/rollcall-data/rollcall/load/publish"
)

// ForgetOptions say whom to forget. Config is required.
type ForgetOptions struct {
	Config    *config.Config
	Users     []string // user_ids
	Org       string   // the organization they are in; empty: whichever they are in, which must be one for each
	Suppress  bool     // leave them out of every later run too
	BreakLock bool     // take the warehouse's lock from a process on another host, which a person says is gone
	Log       zerolog.Logger
	Now       func() time.Time

	step func(name string) error // tests stop it before each step
}

// Erasure is the record of an erasure. It names nobody.
type Erasure struct {
	At          string       `json:"at"` // RFC 3339, UTC
	Users       int          `json:"users"`
	Suppressed  bool         `json:"suppressed"`
	Files       []ErasedFile `json:"files"`
	Outstanding []string     `json:"outstanding"` // what still holds something, and until when
}

// ErasedFile is a file, or a folder of files, that was rewritten.
type ErasedFile struct {
	Path string `json:"path"` // in the warehouse
	Rows int64  `json:"rows"` // rows of its tables, or answers, taken out or made unrecognizable
}

// Forgotten is what Forget did.
type Forgotten struct {
	Erasures []Erasure // one that was unfinished, then the one asked for
	Listed   Listing   // whether the source still has those who were asked for
}

// Listing is whether the source still lists forgotten users.
type Listing uint8

// The answers to that.
const (
	NotAsked Listing = iota // nothing says where to ask, or they are suppressed
	NotListed
	StillListed // the next sync will bring them back
	Unanswered  // the source was asked in vain
)

// NobodyError says that a user_id is nowhere in the warehouse. It names no id.
type NobodyError struct {
	Positions []int // among those given, from 1
}

func (e *NobodyError) Error() string {
	return fmt.Sprintf("of the user_ids given, %s nowhere in this warehouse; nothing was erased", enumerate(e.Positions))
}

// Hints says what to do.
func (e *NobodyError) Hints() []string {
	return []string{"user_ids count to the letter, e-mail addresses do not; --warehouse names another folder", "with --suppress and --org, a user who is not here yet is kept out"}
}

func enumerate(positions []int) string {
	texts := make([]string, len(positions))
	for i, n := range positions {
		texts[i] = fmt.Sprintf("number %d", n)
	}
	if len(texts) == 1 {
		return texts[0] + " is"
	}
	return strings.Join(texts, ", ") + " are"
}

// AmbiguousError says that a user_id is in several organizations.
type AmbiguousError struct {
	Position int // among those given, from 1
	Orgs     []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("of the user_ids given, number %d is in more than one organization: %s", e.Position, strings.Join(e.Orgs, ", "))
}

// Hints says what to do.
func (e *AmbiguousError) Hints() []string { return []string{"name one with --org; nothing was erased"} }

// Forget erases users from everything below the warehouse: it finishes what an interrupted erasure left, finds out where the users are,
// records what it is about to do, and rewrites version by version and journal by journal. Interrupted at any point, it goes on when it is called
// again, whomever it is called for. It fails with *publish.LockedError, *NobodyError, *AmbiguousError, and the errors of the file system;
// what can be told beforehand, before anything is changed.
func Forget(ctx context.Context, o ForgetOptions) (*Forgotten, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	wh := publish.Open(o.Config.Warehouse)
	if _, err := os.Stat(wh.Dir()); err != nil {
		return nil, publish.ErrNoVersion
	}
	out := &Forgotten{}
	err := Locked(wh, "forget", o.BreakLock, func() error { return o.forget(ctx, wh, out) })
	return out, err
}

func (o ForgetOptions) forget(ctx context.Context, wh *publish.Warehouse, out *Forgotten) error {
	if err := errors.Join(wh.SettleRewrites(), journal.Clean(wh.Journal())); err != nil {
		return err
	}
	done := map[string]bool{}
	unfinished, err := loadIntent(wh)
	if err != nil {
		return err
	}
	if unfinished != nil {
		for _, u := range unfinished.Users {
			done[u.UserID] = true
		}
		if err := o.finish(ctx, wh, unfinished, out); err != nil {
			return err
		}
	}
	users, n, err := o.plan(ctx, wh, done)
	if err != nil || len(users) == 0 {
		return err
	}
	if err := o.before("record the intent"); err != nil {
		return err
	}
	if err := n.save(wh); err != nil {
		return err
	}
	if err := o.finish(ctx, wh, n, out); err != nil {
		return err
	}
	if !o.Suppress {
		out.Listed = o.stillListed(ctx, users)
	}
	return nil
}

// plan finds out who is meant and what is to be done. done are those whom the erasure took that was just finished.
func (o ForgetOptions) plan(ctx context.Context, wh *publish.Warehouse, done map[string]bool) ([]identity, *intent, error) {
	where, err := locate(ctx, wh, memory.DefaultAllocator, o.Users, o.Config.IdentityOfJournals())
	if err != nil {
		return nil, nil, err
	}
	var users []identity
	var nobody NobodyError
	for i, id := range o.Users {
		orgs := where.orgs[id]
		switch {
		case o.Org != "" && (orgs[o.Org] || o.Suppress):
			users = append(users, identity{o.Org, id})
		case o.Org == "" && len(orgs) == 1:
			for org := range orgs {
				users = append(users, identity{org, id})
			}
		case o.Org == "" && len(orgs) > 1:
			return nil, nil, &AmbiguousError{i + 1, sortedKeys(orgs)}
		case !done[id]:
			nobody.Positions = append(nobody.Positions, i+1)
		}
	}
	if len(nobody.Positions) > 0 {
		return nil, nil, &nobody
	}
	n := &intent{
		At: stamp(o.Now()), Emails: where.addresses(users), First: where.since(users), Key: newKey(), Suppress: o.Suppress,
		Sums: map[string]string{}, Files: map[string]int64{},
	}
	for _, id := range users {
		n.Users = append(n.Users, doomedUser{id.scope, id.user})
	}
	return users, n, nil
}

func sortedKeys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (o ForgetOptions) before(step string) error {
	if o.step == nil {
		return nil
	}
	return o.step(step)
}

// eraser carries out one intent.
type eraser struct {
	o       ForgetOptions
	wh      *publish.Warehouse
	mem     memory.Allocator
	intent  *intent
	users   map[identity]bool
	names   map[string]bool // their user_ids
	needles *needles
	kept    map[string]bool // users_sha256 of the versions that never had them

	outstanding []string // of the copies
}

func newEraser(o ForgetOptions, wh *publish.Warehouse, n *intent) *eraser {
	e := &eraser{o: o, wh: wh, mem: memory.DefaultAllocator, intent: n, users: map[identity]bool{}, names: map[string]bool{}, kept: map[string]bool{}}
	var ids []string
	for _, u := range n.Users {
		e.users[identity{u.Org, u.UserID}], e.names[u.UserID] = true, true
		ids = append(ids, u.UserID)
	}
	e.needles = newNeedles(ids, n.Emails)
	return e
}

// finish does all that is left of an intent; doing what was done already changes nothing.
func (o ForgetOptions) finish(ctx context.Context, wh *publish.Warehouse, n *intent, out *Forgotten) error {
	e := newEraser(o, wh, n)
	steps := []func(context.Context) error{e.suppress, e.versions, e.journals, e.records, e.copies, e.lakes}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return fmt.Errorf("erase (what is left is done when forget is run again): %w", err)
		}
	}
	record, err := e.record()
	if err != nil {
		return err
	}
	if err := o.before("remove the intent"); err != nil {
		return err
	}
	if err := os.Remove(intentPath(wh)); err != nil {
		return fmt.Errorf("end the erasure: %w", err)
	}
	out.Erasures = append(out.Erasures, record)
	return nil
}

// save records how far the erasure is, before the step that is named.
func (e *eraser) save(step string) error {
	if err := e.intent.save(e.wh); err != nil {
		return err
	}
	return e.o.before(step)
}

func (e *eraser) suppress(context.Context) error {
	if !e.intent.Suppress {
		return nil
	}
	if err := e.o.before("suppress"); err != nil {
		return err
	}
	var users []identity
	for id := range e.users {
		users = append(users, id)
	}
	return suppress(e.wh, users)
}

// versions rewrites every version that has the users, the oldest first.
func (e *eraser) versions(ctx context.Context) error {
	runs, err := e.wh.Versions()
	if err != nil {
		return err
	}
	var rewrite []publish.Version
	for _, run := range runs {
		v, err := e.wh.Version(run)
		if err != nil {
			return err
		}
		d, err := e.doomedIn(ctx, v)
		if err != nil {
			return err
		}
		if d.rows > 0 {
			rewrite = append(rewrite, v)
			continue
		}
		s, err := summaryOf(v)
		if err != nil {
			return err
		}
		e.kept[s.Certificate.UsersSHA256] = true
	}
	for _, v := range rewrite {
		if err := e.o.before("rewrite a version"); err != nil {
			return err
		}
		if err := e.version(ctx, v); err != nil {
			return err
		}
		e.o.Log.Info().Str("version", v.Run).Msg("rewritten")
	}
	return nil
}

// sumFor is the users_sha256 of a run, begun at a time in microseconds, over those of its users who stay; empty where that cannot be told.
func (e *eraser) sumFor(old string, started int64) string {
	if fresh, ok := e.intent.Sums[old]; ok {
		return fresh
	}
	if e.kept[old] || started < e.intent.First || slices.ContainsFunc(sums(e.intent.Sums), func(s string) bool { return s == old }) {
		return old
	}
	return ""
}

func sums(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// journals rewrites every journal that has the users.
func (e *eraser) journals(ctx context.Context) error {
	runs, err := journal.List(e.wh.Journal())
	if err != nil {
		return err
	}
	users := map[string][]string{}
	for id := range e.users {
		users[id.user] = append(users[id.user], id.scope)
	}
	for _, info := range runs {
		x := &journalEraser{run: info.Run, opener: e.o.Config.IdentityOfJournals(), key: e.intent.Key, users: users, mentions: e.needles, look: true}
		touched, err := x.rewrite(ctx, info.Dir)
		if err != nil {
			return err
		}
		path := filepath.ToSlash(filepath.Join("journal", info.Run))
		if _, begun := e.intent.Files[path]; touched == 0 && !begun {
			continue
		}
		e.intent.Files[path] = max(e.intent.Files[path], touched)
		if err := e.save("rewrite a journal"); err != nil {
			return err
		}
		x.look, x.restart = false, !info.Sealed
		if _, err := x.rewrite(ctx, info.Dir); err != nil {
			return err
		}
	}
	return nil
}

// records rewrites the run records whose certificate counted the users in.
func (e *eraser) records(context.Context) error {
	err := rewriteRecords(e.wh, func(name string, s *Summary) (bool, error) {
		started, err := time.Parse(time.RFC3339Nano, s.StartedAt)
		if err != nil {
			return false, nil //nolint:nilerr // a run that never began
		}
		sum := e.sumFor(s.Certificate.UsersSHA256, started.UnixMicro())
		if sum == s.Certificate.UsersSHA256 && !e.names[s.Certificate.As] {
			return false, nil
		}
		e.supersede(s, sum)
		e.intent.Files[name] = 1
		return true, e.save("rewrite a run record")
	})
	if err != nil {
		return err
	}
	return e.leftovers()
}

// supersede gives a summary the hash over those who stay.
func (e *eraser) supersede(s *Summary, sum string) {
	c := &s.Certificate
	c.UsersSHA256, c.Superseded = sum, e.intent.At
	if e.names[c.As] {
		c.As = ""
	}
}

// leftovers removes files that a crash left half written beside those of the warehouse.
func (e *eraser) leftovers() error {
	for _, pattern := range []string{".tmp-*", "runs/.tmp-*", "versions/*/.tmp-*", "erasures/.tmp-*"} {
		left, err := fs.Glob(os.DirFS(e.wh.Dir()), pattern) // whatever the folder is called
		if err != nil {
			return fmt.Errorf("look for what a crash left: %w", err)
		}
		for _, name := range left {
			if err := os.Remove(filepath.Join(e.wh.Dir(), filepath.FromSlash(name))); err != nil {
				return fmt.Errorf("remove what a crash left: %w", err)
			}
		}
	}
	return e.wh.SettleRewrites()
}

// copies erases the users from the copies in object storage. What cannot be reached is outstanding; the next run goes on with it.
func (e *eraser) copies(ctx context.Context) error {
	places, err := loadPlaces(e.wh)
	if err != nil || len(places) == 0 {
		return err
	}
	if err := eraseCopies(e.wh, e.intent.At); err != nil {
		return err
	}
	if err := e.o.before("erase the copies"); err != nil {
		return err
	}
	copies, err := PublishCopies(ctx, e.o.Config, e.wh, e.o.Log, e.o.Now())
	if errors.Is(err, publish.ErrNoVersion) {
		for _, p := range places {
			e.outstanding = append(e.outstanding, p.URL+": there is no version here to take its place")
		}
		return nil
	}
	e.outstanding = Outstanding(copies)
	return err
}

// lakes erases the users from the lakes, in the same way.
func (e *eraser) lakes(ctx context.Context) error {
	lakes, err := loadLakes(e.wh)
	if err != nil || len(lakes) == 0 {
		return err
	}
	if err := eraseLakes(e.wh, e.intent.At); err != nil {
		return err
	}
	if err := e.o.before("erase in the lakes"); err != nil {
		return err
	}
	copies, err := PublishLakes(ctx, e.o.Config, e.wh, e.o.Log)
	if errors.Is(err, publish.ErrNoVersion) {
		for _, p := range lakes {
			e.outstanding = append(e.outstanding, p.name()+": there is no version here to take its place")
		}
		return nil
	}
	e.outstanding = append(e.outstanding, OutstandingLakes(copies)...)
	return err
}

// record writes the erasure's record.
func (e *eraser) record() (Erasure, error) {
	r := Erasure{At: e.intent.At, Users: len(e.intent.Users), Suppressed: e.intent.Suppress, Files: []ErasedFile{}, Outstanding: append([]string{}, e.outstanding...)}
	for path, rows := range e.intent.Files {
		r.Files = append(r.Files, ErasedFile{path, rows})
	}
	slices.SortFunc(r.Files, func(a, b ErasedFile) int { return strings.Compare(a.Path, b.Path) })
	runs, err := journal.List(e.wh.Journal())
	if err != nil {
		return r, err
	}
	for _, info := range runs {
		var f facts
		if err := json.Unmarshal(info.Facts, &f); err != nil {
			return r, fmt.Errorf("journal %s: %w", info.Run, err)
		}
		if e.names[f.As] {
			r.Outstanding = append(r.Outstanding, "journal/"+info.Run+": its header names the user as the identity that the run signed in as, until keep_journal drops it")
		}
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return r, fmt.Errorf("record the erasure: %w", err)
	}
	if err := e.o.before("record the erasure"); err != nil {
		return r, err
	}
	at, err := time.Parse(time.RFC3339Nano, e.intent.At)
	if err != nil {
		return r, fmt.Errorf("record the erasure: %w", err)
	}
	return r, publish.WriteFile(filepath.Join(erasuresDir(e.wh), runID(at)+".json"), append(raw, '\n'))
}
