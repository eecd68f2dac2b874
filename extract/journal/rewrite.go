package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
)

// Rewritten says what [Rewrite] did.
type Rewritten struct {
	Files   []string // base names of the segments replaced, in order
	Dropped int      // entries
	Edited  int      // entries
}

// Rewrite passes every entry of the run in dir through edit and replaces the segments in which that changes anything, each by one rename: a
// crash leaves each segment old or new, whole, and to run Rewrite again finishes it. edit returns the entry as it shall be, and false
// to drop it; it may be called for an entry again after a crash. Its error ends Rewrite with the segment at hand as it was. The entry's bytes
// are edit's until it returns; it must not change them in place.
//
// A sealed run is sealed afterwards. Of an unfinished one, a torn tail goes, for it may hold what an edit is to remove. Where an answer's Call
// is edited, it is the edited call that a replay will have to ask. Blocks in which nothing changed are copied as they are.
//
// What is encrypted stays so, for the same recipients; it needs the identity of one of them, else Rewrite is a [*KeyError].
//
// Nobody may have the run open. Damage is a *[DamageError], and the damaged segment is left alone.
func Rewrite(ctx context.Context, dir string, edit func(Entry) (Entry, bool, error), identities ...*Identity) (Rewritten, error) {
	return rewrite(ctx, osDisk{}, dir, edit, identities...)
}

func rewrite(ctx context.Context, d disk, dir string, edit func(Entry) (Entry, bool, error), identities ...*Identity) (Rewritten, error) {
	f, err := readFolder(dir)
	if err != nil {
		return Rewritten{}, err
	}
	f.keys.identities = identities
	if err := f.settle(d); err != nil {
		return Rewritten{}, err
	}
	var total Rewritten
	for i := range f.segments {
		r := rewriter{disk: d, folder: f, i: i, edit: edit}
		if err := r.run(ctx); err != nil {
			return total, fmt.Errorf("rewrite a journal: %w", err)
		}
		if r.out != nil {
			total.Files = append(total.Files, f.segments[i])
			total.Dropped += r.dropped
			total.Edited += r.edited
		}
	}
	return total, nil
}

// rewriter rewrites one segment.
type rewriter struct {
	disk   disk
	folder folder
	i      int
	edit   func(Entry) (Entry, bool, error)

	out     *segment // nil until something changes: most segments hold nothing of one user
	blocks  uint32   // of the old file, unchanged so far
	entries int64    // in them
	raw     []byte
	dropped int
	edited  int
}

func (r *rewriter) path() string { return filepath.Join(r.folder.dir, r.folder.segments[r.i]) }

func (r *rewriter) run(ctx context.Context) (err error) {
	r.blocks = 1 // the preamble
	defer func() {
		if err != nil && r.out != nil {
			r.out.f.Close()
			// Should this fail as well, the next Rewrite or Resume removes the file.
			_ = r.disk.remove(r.path() + tempSuffix)
		}
	}()
	w, err := r.folder.walk(ctx, r.i, r.block)
	if err != nil {
		return err
	}
	if r.out == nil && w.torn > 0 {
		err = r.begin(w.id, w.codec, w.size)
	}
	if err != nil || r.out == nil {
		return err
	}
	if err := r.out.finish(w.trailer != nil && w.trailer.Sealed); err != nil {
		return err
	}
	return publish(r.disk, r.path()+tempSuffix, r.path())
}

// begin makes the new file with all that the old one has before off.
func (r *rewriter) begin(id uint64, c codec, off int64) error {
	f, err := r.disk.create(r.path() + tempSuffix)
	if err != nil {
		return err
	}
	r.out = &segment{f: f, codec: c, id: id, sum: sha256.New()}
	return r.out.prefix(r.path(), off, r.blocks, r.entries)
}

// block writes one block as it shall be.
func (r *rewriter) block(b *block) error {
	kept, err := r.entriesOf(b)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(r.raw, b.raw):
		if r.out == nil {
			if err := r.begin(b.header.Segment, b.codec, b.off); err != nil {
				return err
			}
		}
		if kept == 0 {
			return nil
		}
		return r.out.write(entriesBlock, kept, r.raw)
	case r.out != nil:
		return r.out.copy(b)
	}
	r.blocks++
	r.entries += int64(kept)
	return nil
}

// entriesOf leaves the edited entries of a block in r.raw and returns their number.
func (r *rewriter) entriesOf(b *block) (kept int, err error) {
	r.raw = r.raw[:0]
	err = b.entries(func(off int, e Entry) error {
		e.Segment = r.folder.segments[r.i]
		e.SetAside = r.i+1 < r.folder.sweepsFrom && inSweep(e.Call.Kind)
		e, keep, err := r.edit(e)
		if err != nil {
			return err
		}
		if !keep {
			r.dropped++
			return nil
		}
		f, err := frameOf(e)
		if err != nil {
			return err
		}
		start := len(r.raw)
		r.raw = f.append(r.raw)
		if !bytes.HasPrefix(b.raw[off:], r.raw[start:]) {
			r.edited++
		}
		kept++
		return nil
	})
	return kept, err
}
