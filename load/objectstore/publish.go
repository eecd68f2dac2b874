package objectstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-data/rollcall/load/publish"
)

// Terms are on what terms a version is published. Ours is required.
type Terms struct {
	KeepFor time.Duration         // a version that gave way to another stays for so long
	Now     time.Time             // when that is counted from
	Ours    func(run string) bool // whether a run is of the warehouse that publishes: it may go back behind its own
}

// Report is what a publication did.
type Report struct {
	Sent    int   // objects
	Bytes   int64 // of them
	Reused  int   // objects that were there already
	Removed []string
	Kept    []Kept
}

// Kept is a version that is still there, though current.json does not name it.
type Kept struct {
	Path string // below the prefix
	Why  string
}

// NewerError says that current.json names a newer run, of another warehouse.
type NewerError struct {
	URL string // of current.json
	Run string // that it names
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("%s names run %s, which is newer and not of this warehouse", e.URL, e.Run)
}

// Hints says what to do.
func (e *NewerError) Hints() []string {
	return []string{"two warehouses publish to one place: give one of them another prefix"}
}

// flips bounds how often a publisher who was outrun tries again.
const flips = 5

// Publish sends what is missing of a version, makes current.json name it, and removes what need no longer be kept. Where current.json names it
// already, only the last is left to do. It fails with *NewerError and ErrNoBucket; whatever fails, current.json names a whole version, and calling it
// again goes on from there.
func (s *Store) Publish(ctx context.Context, v publish.Version, t Terms) (Report, error) {
	var r Report
	before, err := s.look(ctx)
	if err != nil {
		return r, err
	}
	if !before.pointer.names(v) {
		if err := s.mayReplace(before.pointer, v, t); err != nil {
			return r, err
		}
		if err := s.upload(ctx, v, &r); err != nil {
			return r, err
		}
		if err := s.flip(ctx, v, t, before); err != nil {
			return r, err
		}
	}
	return r, s.retain(ctx, t, &r)
}

func (s *Store) mayReplace(before *Pointer, v publish.Version, t Terms) error {
	if before == nil || before.Run <= v.Run || t.Ours(before.Run) { // run ids sort by time
		return nil
	}
	return &NewerError{URL: s.url(pointerName), Run: before.Run}
}

// flip makes current.json name a version that is there. An answer that was lost, and a write that was repeated, end well: it names it then.
func (s *Store) flip(ctx context.Context, v publish.Version, t Terms, before seen) error {
	var last error
	for range flips {
		there, err := s.folders(ctx)
		if err != nil {
			return err
		}
		next, err := s.point(v, t.Now)
		if err != nil {
			return err
		}
		next.supersede(before.pointer, there)
		if last = s.write(ctx, next, before); last == nil || !outrun(last) {
			return last
		}
		if before, err = s.look(ctx); err != nil {
			return err
		}
		if before.pointer.names(v) {
			return nil
		}
		if err := s.mayReplace(before.pointer, v, t); err != nil {
			return err
		}
	}
	return fmt.Errorf("somebody else went on writing to it: %w", last)
}

// graceful is how long a folder that nothing names is left alone after the last of its objects came: it may be a version on its way.
const graceful = 24 * time.Hour

// retain removes the versions that need no longer be kept.
func (s *Store) retain(ctx context.Context, t Terms, r *Report) error {
	paths, err := s.folders(ctx)
	if err != nil {
		return err
	}
	for _, path := range paths {
		now, err := s.look(ctx) // again each time: somebody may have gone back to a version meanwhile
		if err != nil {
			return err
		}
		if now.pointer == nil || now.pointer.Path == path {
			continue
		}
		objects, err := s.list(ctx, path)
		if err != nil {
			return err
		}
		until, why := newest(objects).Add(graceful), "nothing names it, and it may be on its way"
		if i := slices.IndexFunc(now.pointer.Superseded, func(v Superseded) bool { return v.Path == path }); i >= 0 {
			until, why = now.pointer.Superseded[i].until(t.KeepFor), "superseded less than "+t.KeepFor.String()+" ago"
		}
		if t.Now.Before(until) {
			r.Kept = append(r.Kept, Kept{path, why})
			continue
		}
		if err := s.remove(ctx, path, objects); err != nil {
			return err
		}
		r.Removed = append(r.Removed, path)
	}
	return nil
}
