package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// resum makes the checksum of the header at the start of b right again.
func resum(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[44:], crc32.Checksum(b[:44], castagnoli))
	return b
}

// A block whose checksums are right and that this package does not write is damage, or of a later version: it is never a torn tail, not
// even at the end of an unfinished run.
func TestForgedBlocks(t *testing.T) {
	entry := func(e Entry) []byte {
		f, err := frameOf(e)
		must(err)
		return f.append(nil)
	}
	good := entry(Entry{Call: modelCall(2), Answer: answer("x", 0), Usable: true})
	head := func(line string) []byte { return []byte(line + "\n" + "x\n") }
	for _, tt := range []struct {
		name string
		h    blockHeader
		raw  []byte
		edit func(b []byte) []byte // of the whole block
		want string
	}{
		{name: "good", h: blockHeader{Type: entriesBlock, Entries: 1}, raw: good},
		{"later version", blockHeader{Type: entriesBlock, Entries: 1}, good, func(b []byte) []byte { b[11] = 3; return resum(b) }, "journal version 3; this program reads versions 1 to 2"},
		{"a block of the version before", blockHeader{Type: entriesBlock, Entries: 1}, good, func(b []byte) []byte { b[11] = 1; return resum(b) }, errForeign.Error()},
		{"unknown codec", blockHeader{Type: entriesBlock, Entries: 1}, good, func(b []byte) []byte { b[13] = 9; return resum(b) }, "codec 9"},
		{"unknown type", blockHeader{Type: entriesBlock, Entries: 1}, good, func(b []byte) []byte { b[12] = 9; return resum(b) }, errBlockType.Error()},
		{"declared too large", blockHeader{Type: entriesBlock, Entries: 1}, good, func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[32:], maxRaw+1)
			return resum(b)
		}, errTooLarge.Error()},
		{"another length", blockHeader{Type: entriesBlock, Entries: 1}, good, func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[32:], 400)
			return resum(b)
		}, errFrame.Error()},
		{"no frame", blockHeader{Type: entriesBlock, Entries: 1}, good, func(b []byte) []byte {
			clear(b[headerSize:])
			binary.LittleEndian.PutUint32(b[36:], crc32.Checksum(b[headerSize:], castagnoli))
			return resum(b)
		}, "decode the payload"},
		{"another segment's", blockHeader{Type: entriesBlock, Entries: 1, Segment: 1}, good, nil, errForeign.Error()},
		{"out of order", blockHeader{Type: entriesBlock, Entries: 1, Number: 7}, good, nil, errForeign.Error()},
		{"a second preamble", blockHeader{Type: preambleBlock}, []byte("{}\n"), nil, errPreamble.Error()},
		{"no entries", blockHeader{Type: entriesBlock}, good, nil, errEntries.Error()},
		{"too many entries", blockHeader{Type: entriesBlock, Entries: 65}, good, nil, errEntries.Error()},
		{"more entries than said", blockHeader{Type: entriesBlock, Entries: 1}, append(good[:len(good):len(good)], good...), nil, errEntries.Error()},
		{"fewer entries than said", blockHeader{Type: entriesBlock, Entries: 2}, good, nil, errMalformed.Error()},
		{"no head", blockHeader{Type: entriesBlock, Entries: 1}, []byte("x"), nil, errMalformed.Error()},
		{"head no JSON", blockHeader{Type: entriesBlock, Entries: 1}, head(`{`), nil, errMalformed.Error()},
		{"unknown field", blockHeader{Type: entriesBlock, Entries: 1}, head(`{"type":"answer","headers":1,"request":0,"body":1}`), nil, errMalformed.Error()},
		{"unknown type of entry", blockHeader{Type: entriesBlock, Entries: 1}, head(`{"type":"x","request":0,"body":1}`), nil, errMalformed.Error()},
		{"body beyond the block", blockHeader{Type: entriesBlock, Entries: 1}, head(`{"type":"answer","request":0,"body":9}`), nil, errMalformed.Error()},
		{"request beyond the block", blockHeader{Type: entriesBlock, Entries: 1}, head(`{"type":"answer","request":9,"body":0}`), nil, errMalformed.Error()},
		{"negative length", blockHeader{Type: entriesBlock, Entries: 1}, head(`{"type":"answer","request":2,"body":-1}`), nil, errMalformed.Error()},
		{"a time zone", blockHeader{Type: entriesBlock, Entries: 1}, head(`{"type":"answer","at":"2025-03-01T02:00:00+01:00","request":0,"body":1}`), nil, errMalformed.Error()},
		{"a query that is none", blockHeader{Type: entriesBlock, Entries: 1}, head(`{"type":"answer","query":"a;b","request":0,"body":1}`), nil, errMalformed.Error()},
		{"a note without a name", blockHeader{Type: entriesBlock, Entries: 1}, head(`{"type":"note","request":0,"body":1}`), nil, errMalformed.Error()},
		{"a note that is no JSON", blockHeader{Type: entriesBlock, Entries: 1}, head(`{"type":"note","name":"n","request":0,"body":1}`), nil, errMalformed.Error()},
		{"trailer no JSON", blockHeader{Type: trailerBlock}, []byte("{"), nil, errMalformed.Error()},
		{"trailer of another segment", blockHeader{Type: trailerBlock}, []byte(`{"blocks":2,"entries":1,"size":1,"sha256":""}`), nil, errTrailer.Error()},
		{"bytes after the trailer", blockHeader{Type: trailerBlock}, nil, func(b []byte) []byte { return append(b, 0) }, errTrailing.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, dir := begin(t)
			record(t, j, modelCall(1), "secret")
			end(t, j.Close)
			path := filepath.Join(dir, "00001.rcj")
			w, err := walk{path: path, limit: -1, verify: true}.run(t.Context(), func(*block) error { return nil })
			must(err)
			if tt.raw == nil {
				tt.raw, err = jsonLine(trailer{Blocks: w.blocks, Entries: w.entries, Size: w.size, SHA256: hexSum(w.sum)})
				must(err)
			}
			tt.h.Version = version
			if tt.h.Segment == 0 {
				tt.h.Segment = w.id
			}
			if tt.h.Number == 0 {
				tt.h.Number = w.blocks
			}
			b, err := appendBlock(nil, zstdCodec{}, tt.h, tt.raw)
			must(err)
			if tt.edit != nil {
				b = tt.edit(b)
			}
			writeFile(t, path, append(readFile(t, path)[:w.size], b...))
			err = Check(t.Context(), dir)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			d := wantDamage(t, err, "00001.rcj", tt.name)
			if !strings.Contains(d.Error(), tt.want) {
				t.Errorf("%v; want %q", err, tt.want)
			}
			_, _, err = resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock})
			wantDamage(t, err, "00001.rcj", tt.name)
		})
	}
}

// A preamble or a seal that is no JSON of ours is damage, too.
func TestForgedNames(t *testing.T) {
	dir := sealedRun(t)
	s, err := readSeal(filepath.Join(dir, sealName))
	must(err)
	for name, forge := range map[string]func(s *seal){
		"later version":     func(s *seal) { s.Version = 2 },
		"another run":       func(s *seal) { s.Run = "x" },
		"another id":        func(s *seal) { s.Segments[1].ID = "0123456789abcdef" },
		"a segment more":    func(s *seal) { s.Segments = append(s.Segments, sealedSegment{"00003.rcj", ""}) },
		"a segment fewer":   func(s *seal) { s.Segments = s.Segments[:1] },
		"another base name": func(s *seal) { s.Segments[0].Name = "x.rcj" },
	} {
		forged := *s
		forged.Segments = append([]sealedSegment(nil), s.Segments...)
		forge(&forged)
		line, err := forged.encode()
		must(err)
		writeFile(t, filepath.Join(dir, sealName), line)
		if err := Check(t.Context(), dir); !errors.As(err, new(*DamageError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, err := appendBlock(nil, zstdCodec{}, blockHeader{Version: version, Type: preambleBlock}, []byte(`{"run":1}`))
	must(err)
	writeFile(t, filepath.Join(dir, "00002.rcj"), b)
	wantDamage(t, Check(t.Context(), dir), "00002.rcj", "a preamble of another shape")
}

// An answer whose bytes change while the journal is open is found out when it is asked for.
func TestChangedUnderway(t *testing.T) {
	for name, change := range map[string]func(path string, b []byte) error{
		"bit flipped": func(path string, b []byte) error {
			b[len(b)/2] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
		"cut": func(path string, b []byte) error { return os.Truncate(path, int64(len(b)/2)) },
		"another journal": func(path string, b []byte) error {
			other, err := os.ReadFile(filepath.Join(fixture, "00001.rcj"))
			return errors.Join(err, os.WriteFile(path, append(other, b...), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			j, dir := begin(t)
			record(t, j, modelCall(1), strings.Repeat("secret ", 9))
			end(t, j.Close)
			j, _, err := OpenReadOnly(t.Context(), dir)
			must(err)
			path := filepath.Join(dir, "00001.rcj")
			b := readFile(t, path)
			w, err := walk{path: path, limit: -1}.run(t.Context(), func(*block) error { return nil })
			must(err)
			must(change(path, b[:w.size:w.size]))
			if _, ok := j.Recorded(modelCall(1)); ok {
				t.Error("a changed answer was handed out")
			}
			wantDamage(t, j.Err(), "00001.rcj", name)
		})
	}
}

// What the caller's function returns ends Each.
func TestEachStops(t *testing.T) {
	j, _, err := OpenReadOnly(t.Context(), sealedRun(t))
	must(err)
	enough, calls := errors.New("enough"), 0
	if err := j.Each(t.Context(), func(Entry) error { calls++; return enough }); err != enough || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
