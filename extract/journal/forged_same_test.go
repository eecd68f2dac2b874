package journal

import (
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"
)

// referring is a block of n entries that refer to a body of that size.
func referring(size int, at ...bodyAt) []byte {
	var raw []byte
	for _, a := range at {
		f, err := frameOf(Entry{Call: modelCall(2), Answer: answer(strings.Repeat("x", size), 0), Usable: true})
		must(err)
		raw = f.refer(a).append(raw)
	}
	return raw
}

// A reference that does not lead to an answer with a body of that length, before it in the segment, is damage to whoever opens the run.
func TestForgedReferences(t *testing.T) {
	const size = 2000
	whole, err := frameOf(Entry{Call: modelCall(2), Answer: answer(strings.Repeat("x", size), 0), Usable: true})
	must(err)
	small, err := frameOf(Entry{Call: modelCall(2), Answer: answer("small", 0), Usable: true})
	must(err)
	ref := func(block uint32, entry int) []byte { return referring(size, bodyAt{block, entry}) }
	head := func(line string) []byte { return []byte(line + "\n\n") }
	for _, tt := range []struct {
		name    string
		entries uint16
		raw     []byte // block 4: block 1 is an answer and a note, block 2 refers to the answer, block 3 is a small answer
		version byte
		want    error
	}{
		{"good", 1, ref(1, 0), version, nil},
		{"good, in its own block", 2, append(whole.append(nil), ref(4, 0)...), version, nil},
		{"good, after another", 2, append(small.append(nil), ref(1, 0)...), version, nil},
		{"to the preamble", 1, ref(0, 0), version, errReference},
		{"to a note", 1, ref(1, 1), version, errReference},
		{"beyond the block's entries", 1, ref(1, 2), version, errReference},
		{"to a reference", 1, ref(2, 0), version, errReference},
		{"to a small body", 1, ref(3, 0), version, errReference},
		{"to itself", 1, ref(4, 0), version, errReference},
		{"forward in its block", 2, append(ref(4, 1), whole.append(nil)...), version, errReference},
		{"forward", 1, ref(5, 0), version, errReference},
		{"out of range", 1, ref(1<<31, 0), version, errReference},
		{"before the first entry", 1, ref(1, -1), version, errReference},
		{"of another length", 1, referring(size-1, bodyAt{1, 0}), version, errReference},
		{"of a length that is never shared", 1, referring(minShared-1, bodyAt{1, 0}), version, errMalformed},
		{"with the body after it", 1, append(ref(1, 0), strings.Repeat("x", size)+"\n"...), version, errEntries},
		{"a note's", 1, head(`{"type":"note","name":"n","request":0,"body":2000,"same":{"block":1,"entry":0}}`), version, errMalformed},
		{"a block that is no number", 1, head(`{"type":"answer","request":0,"body":2000,"same":{"block":4294967297,"entry":0}}`), version, errMalformed},
		{"of the version before", 1, ref(1, 0), firstVersion, errReference},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, dir := begin(t)
			record(t, j, modelCall(1), strings.Repeat("x", size))
			end(t, j.Close)
			path := filepath.Join(dir, "00001.rcj")
			b := readFile(t, path)
			id := binary.LittleEndian.Uint64(b[16:])
			line := preamble{Header: made(j.Header().normal()), Segment: 1, SweepsFrom: 1}
			note, err := frameOf(Entry{Note: "n", Value: []byte(`"` + strings.Repeat("x", size-2) + `"`)})
			must(err)
			b = nil
			for i, raw := range [][]byte{made(jsonLine(line)), note.append(whole.append(nil)), ref(1, 0), small.append(nil), tt.raw} {
				h := blockHeader{Version: tt.version, Type: entriesBlock, Entries: []uint16{0, 2, 1, 1, tt.entries}[i], Segment: id, Number: uint32(i)}
				if i == 0 {
					h.Type = preambleBlock
				}
				if i == 2 && tt.version == firstVersion {
					raw = small.append(nil)
				}
				b = made(appendBlock(b, zstdCodec{}, h, raw))
			}
			writeFile(t, path, b)
			err = Check(t.Context(), dir)
			if tt.want == nil {
				must(err)
				all := contents(t, dir)
				if last := all[len(all)-1].Answer.Body; string(last) != strings.Repeat("x", size) {
					t.Errorf("a body of %d bytes", len(last))
				}
				return
			}
			d := wantDamage(t, err, "00001.rcj", tt.name)
			if d.Err != tt.want {
				t.Errorf("%v; want %v", d.Err, tt.want)
			}
			_, _, err = OpenReadOnly(t.Context(), dir)
			wantDamage(t, err, "00001.rcj", tt.name)
			_, _, err = resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock})
			wantDamage(t, err, "00001.rcj", tt.name)
			_, err = rewrite(t.Context(), quickDisk{}, dir, func(e Entry) (Entry, bool, error) { return e, true, nil })
			wantDamage(t, err, "00001.rcj", tt.name)
		})
	}
}

func made[T any](v T, err error) T {
	must(err)
	return v
}
