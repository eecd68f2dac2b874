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
// is edited, it is the edited call that a replay will have to ask. Blocks in which nothing changed are copied as they are. Answers that share a body
// on disk are edited one by one, each with the body, and what becomes of one is nothing to the others.
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
		r := rewriter{disk: d, folder: f, i: i, edit: edit, known: newKnown(), limit: maxRaw}
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
	known   *known   // the bodies that are written, or stay
	limit   int      // of a block, in decoded bytes
	blocks  uint32   // of the old file, unchanged so far
	entries int64    // in them
	raw     []byte   // of the block at hand
	kept    int      // entries in raw
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
		err = r.begin(blockHeader{Version: w.version, Segment: w.id}, w.codec, w.size)
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
func (r *rewriter) begin(h blockHeader, c codec, off int64) error {
	f, err := r.disk.create(r.path() + tempSuffix)
	if err != nil {
		return err
	}
	r.out = &segment{f: f, codec: c, version: h.Version, id: h.Segment, sum: sha256.New()}
	return r.out.prefix(r.path(), off, r.blocks, r.entries)
}

// block writes one block as it shall be. Where blocks before it changed, so may the places of the bodies that it refers to.
func (r *rewriter) block(b *block) error {
	r.raw, r.kept = r.raw[:0], 0
	split := false
	err := b.entries(func(it item) error {
		f, keep, err := r.entry(b, it)
		if err != nil || !keep {
			return err
		}
		flushed, err := r.append(b, f)
		split = split || flushed
		return err
	})
	switch {
	case err != nil:
		return err
	case split || !bytes.Equal(r.raw, b.raw):
		return r.flush(b)
	case r.out != nil:
		return r.out.copy(b)
	}
	r.blocks++
	r.entries += int64(r.kept)
	return nil
}

// entry returns an entry of b as it shall be, its body included, and false if it shall not be.
func (r *rewriter) entry(b *block, it item) (frame, bool, error) {
	e, err := b.whole(it)
	if err != nil {
		return frame{}, false, err
	}
	body := e.Answer.Body
	e.Segment = r.folder.segments[r.i]
	e.SetAside = r.i+1 < r.folder.sweepsFrom && inSweep(e.Call.Kind)
	e, keep, err := r.edit(e)
	if err != nil {
		return frame{}, false, err
	}
	if !keep {
		r.dropped++
		return frame{}, false, nil
	}
	f, err := frameOf(e)
	if err != nil {
		return frame{}, false, err
	}
	was := f
	if it.same != nil {
		was = f.refer(*it.same)
	}
	if !was.begins(b.raw[it.off:]) || it.same != nil && !bytes.Equal(f.body, body) {
		r.edited++
	}
	if b.header.Version != firstVersion {
		f.sum = r.known.sum(e.Answer.Body)
	}
	return f, true, nil
}

// append adds an entry to r.raw. A body that the segment has before it is not written again, whether an edit made them equal or they always were.
// Entries that shared a body which is gone may not fit one block: then what there is becomes a block, and append returns true.
func (r *rewriter) append(b *block, f frame) (flushed bool, err error) {
	g, shared := r.known.refer(f)
	if len(r.raw)+g.size() > r.limit {
		if err := r.flush(b); err != nil {
			return false, err
		}
		r.raw, r.kept, flushed = r.raw[:0], 0, true
	}
	if !shared {
		at := bodyAt{Block: r.blocks, Entry: r.kept}
		if r.out != nil {
			at.Block = r.out.blocks
		}
		r.known.add(f, at)
	}
	r.raw = g.append(r.raw)
	r.kept++
	return flushed, nil
}

// flush writes r.raw as a block in the place of b.
func (r *rewriter) flush(b *block) error {
	if r.out == nil {
		if err := r.begin(b.header, b.codec, b.off); err != nil {
			return err
		}
	}
	if r.kept == 0 {
		return nil
	}
	return r.out.write(entriesBlock, r.kept, r.raw)
}
