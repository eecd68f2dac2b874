package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rollcall-data/rollcall/extract"
)

// maxBatch is how many bytes of entries share a block and its fsync: an entry that reaches it is the block's last.
const maxBatch = 4 << 20

var (
	errReadOnly = errors.New("the journal is open for reading only")
	errEnded    = errors.New("the journal is closed")
	errSignIn   = errors.New("a sign-in is never written to a journal")
)

// pending is an entry on its way to the disk.
type pending struct {
	frame frame
	done  chan error // has room for the one answer
}

// Record appends the answer to a call and returns once it is durable; usable says whether a resumed run may be given it. The call's Final is
// not kept. A cancelled ctx keeps an entry from being written; once it is on its way, Record waits for the disk. After any failure of
// the disk, this and every later Record return it.
func (j *Journal) Record(ctx context.Context, c extract.Call, a extract.Answer, usable bool) error {
	if c.Kind == extract.KindSignIn {
		return errSignIn
	}
	if err := j.record(ctx, Entry{Call: c, Answer: a, Usable: usable}); err != nil {
		return fmt.Errorf("record an answer of kind %s: %w", c.Kind, err)
	}
	return nil
}

// Note appends a fact about the run, such as that it was published, as JSON, and returns once it is durable. [Journal.Noted] returns the last of
// each name. It fails as Record does.
func (j *Journal) Note(ctx context.Context, name string, v any) error {
	value, err := jsonLine(v)
	value = bytes.TrimSuffix(value, []byte("\n"))
	switch {
	case err != nil:
	case name == "":
		err = errNote
	default:
		err = j.record(ctx, Entry{Note: name, Value: value})
	}
	if err != nil {
		return fmt.Errorf("note %q: %w", name, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.notes[name] = value
	return nil
}

func (j *Journal) record(ctx context.Context, e Entry) error {
	if j.writing == nil {
		return errReadOnly
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := frameOf(e)
	if err != nil {
		return err
	}
	f.sum = j.known.sum(e.Answer.Body)
	p := &pending{frame: f, done: make(chan error, 1)}
	select {
	case j.queue <- p:
		return <-p.done
	case <-ctx.Done():
		return ctx.Err()
	case <-j.stop:
		return errEnded
	}
}

// start lets s, segment number n, be written by a committer.
func (j *Journal) start(d disk, s *segment, n int) {
	j.disk, j.writing, j.known = d, s, newKnown()
	j.segments = append(j.segments, extent{name: segmentName(n), id: s.id, codec: s.codec})
	j.durable.Store(s.size)
	j.queue, j.stop, j.stopped = make(chan *pending), make(chan struct{}), make(chan struct{})
	go j.commitAll()
}

// commitAll is the committer: it writes what is queued, block by block, until told to stop.
func (j *Journal) commitAll() {
	defer close(j.stopped)
	var raw []byte
	batch := make([]*pending, 0, maxBlockEntries)
	for {
		select {
		case p := <-j.queue:
			batch = j.gather(batch[:0], p)
		case <-j.stop:
			return
		}
		raw = raw[:0]
		for _, p := range batch {
			raw = p.frame.append(raw)
		}
		err := j.commit(len(batch), raw)
		for _, p := range batch {
			p.done <- err
		}
		clear(batch)
		if cap(raw) > 2*maxBatch {
			raw = nil
		}
	}
}

// gather adds to batch p and whoever is waiting by now, each with its body or with a reference to where that is already. Nobody is waited for:
// those who come during the fsync are the next batch.
func (j *Journal) gather(batch []*pending, p *pending) []*pending {
	for size := 0; ; {
		f, shared := j.known.refer(p.frame)
		if !shared {
			// Should the block not come to the disk, nothing comes after it.
			j.known.add(f, bodyAt{Block: j.writing.blocks, Entry: len(batch)})
		}
		p.frame = f
		batch = append(batch, p)
		if size += f.size(); len(batch) == maxBlockEntries || size >= maxBatch {
			return batch
		}
		select {
		case p = <-j.queue:
		default:
			return batch
		}
	}
}

// commit writes and fsyncs one block. After a failure it writes nothing more.
func (j *Journal) commit(entries int, raw []byte) error {
	if err := j.Err(); err != nil {
		return err
	}
	err := j.writing.write(entriesBlock, entries, raw)
	if err == nil {
		err = j.writing.f.Sync()
	}
	if err != nil {
		// After a failed fsync the block may look whole until the machine loses its power, so it must not be found by a resume. Should this
		// fail too, a torn tail is what is left.
		_ = j.writing.f.Truncate(j.durable.Load())
		return j.fail(fmt.Errorf("write %s: %w", j.segments[len(j.segments)-1].name, err))
	}
	j.durable.Store(j.writing.size)
	return nil
}

// Close ends the journal and leaves the run resumable. It returns the failure that ended the journal before, if there was one. A journal that is
// closed or sealed already is left alone.
func (j *Journal) Close() error {
	err := j.end(func() error { return j.writing.finish(false) })
	if errors.Is(err, errEnded) || errors.Is(err, errReadOnly) {
		return nil
	}
	return err
}

// Seal ends the journal of a run that is done: nothing can be added any more, and [Check] finds any change. If it fails, the run is not sealed
// and can be resumed, or it is sealed after all where only the last rename failed; the next process sees which.
func (j *Journal) Seal() error {
	err := j.end(func() error {
		s := seal{Version: sealVersion, Run: j.header.Run}
		for _, e := range j.segments {
			s.Segments = append(s.Segments, sealedSegment{Name: e.name, ID: segmentID(e.id)})
		}
		if err := writeSeal(j.disk, j.dir, s); err != nil {
			j.writing.f.Close()
			return err
		}
		if err := j.writing.finish(true); err != nil {
			return err
		}
		return publish(j.disk, filepath.Join(j.dir, sealName+tempSuffix), filepath.Join(j.dir, sealName))
	})
	if err != nil {
		return fmt.Errorf("seal a journal: %w", err)
	}
	return nil
}

// end stops the committer and then, if all went well so far, ends the segment with finish, which closes the file.
func (j *Journal) end(finish func() error) error {
	if j.writing == nil {
		return errReadOnly
	}
	j.ending.Lock()
	defer j.ending.Unlock()
	if j.ended {
		return errEnded
	}
	j.ended = true
	close(j.stop)
	<-j.stopped
	if err := j.Err(); err != nil {
		j.writing.f.Close()
		return err
	}
	return finish()
}
