package journal

import (
	"bytes"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixtureBlocks calls fn with the header and the payload of each block of the fixture.
func fixtureBlocks(f *testing.F, fn func(h blockHeader, payload []byte)) {
	for _, path := range fixtureFiles {
		b := readFile(f, path)
		for len(b) > 0 {
			h, err := decodeHeader(b)
			must(err)
			fn(h, b[headerSize:h.size()])
			b = b[h.size():]
		}
	}
}

// FuzzBlock feeds the block decoder payloads whose checksums are right, so that it is the codec and the entries that must hold: no panic, no
// more bytes than the header declares, and no declaration above the cap.
func FuzzBlock(f *testing.F) {
	fixtureBlocks(f, func(h blockHeader, payload []byte) {
		f.Add(byte(h.Type), h.Codec, h.Entries, h.Raw, payload)
		f.Add(byte(h.Type), h.Codec, h.Entries, h.Raw+1, payload)
		f.Add(byte(h.Type), h.Codec, h.Entries, uint32(maxRaw+1), payload)
		f.Add(byte(h.Type), byte(1), h.Entries, h.Raw, payload[:len(payload)-1])
	})
	f.Fuzz(func(t *testing.T, kind, codec byte, entries uint16, raw uint32, payload []byte) {
		b := blockHeader{
			Version: version, Type: blockType(kind), Codec: codec, Entries: entries, Payload: uint32(len(payload)), Raw: raw,
			Sum: crc32.Checksum(payload, castagnoli),
		}.append(nil)
		h, err := decodeHeader(b)
		if err != nil {
			return
		}
		if h.Raw > maxRaw || h.Entries > maxBlockEntries {
			t.Fatalf("a header was taken that declares %d bytes, %d entries", h.Raw, h.Entries)
		}
		got, err := h.decodePayload(zstdCodec{}, nil, payload)
		if err != nil {
			return
		}
		if len(got) != int(h.Raw) || cap(got) > int(h.Raw) {
			t.Fatalf("%d bytes, room for %d; the header declares %d", len(got), cap(got), h.Raw)
		}
		blk := &block{header: h, raw: got, walk: &blocks{decoder: newDecoder()}}
		var again []byte
		if err := blk.entries(func(it item) error {
			e, err := blk.whole(it)
			if err != nil {
				t.Fatalf("a reference was taken that leads nowhere: %v", err)
			}
			f, err := frameOf(e)
			if err != nil {
				t.Fatalf("an entry was decoded that cannot be encoded: %v", err)
			}
			again = f.append(again)
			return nil
		}); err != nil {
			return
		}
		blk.raw, blk.walk = again, &blocks{decoder: newDecoder()}
		if err := blk.entries(func(item) error { return nil }); err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v", err)
		}
	})
}

// FuzzHead holds the fast reader of heads against encoding/json: where both take a line, they read the same.
func FuzzHead(f *testing.F) {
	fixtureBlocks(f, func(h blockHeader, payload []byte) {
		raw, err := h.decodePayload(zstdCodec{}, nil, payload)
		must(err)
		f.Add(raw[:bytes.IndexByte(raw, '\n')])
	})
	f.Add([]byte(`{"type":"answer","at":"2025-03-01T02:00:00.123456789+01:00","request":007,"body":-1}`))
	f.Add([]byte(`{"type":"note","name":"\u00fc","request":0,"body":999999999999999999999}`))
	f.Add([]byte(`{"type":"answer","request":0,"body":1024,"same":{"block":4294967296,"entry":-1}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		fast, ok := newDecoder().plainHead(line)
		if !ok {
			return
		}
		var slow head
		if err := strictJSON(line, &slow); err != nil {
			t.Fatalf("encoding/json does not take %q: %v", line, err)
		}
		if diff := cmp.Diff(slow, fast); diff != "" {
			t.Fatalf("%q (-encoding/json +plainHead):\n%s", line, diff)
		}
	})
}

// FuzzSegment opens a folder whose only segment holds anything: no panic, and an error that is damage.
func FuzzSegment(f *testing.F) {
	for _, path := range fixtureFiles {
		b := readFile(f, path)
		f.Add(b, 0)
		f.Add(b[:len(b)-1], 0)
		f.Add(b, 300)
	}
	f.Fuzz(func(t *testing.T, b []byte, clearFrom int) {
		if clearFrom > 0 && clearFrom < len(b) {
			b = bytes.Clone(b)
			clear(b[clearFrom:])
		}
		dir := filepath.Join(t.TempDir(), testRun)
		must(os.Mkdir(dir, 0o700))
		writeFile(t, filepath.Join(dir, "00001.rcj"), b)
		if p, err := readPreamble(filepath.Join(dir, "00001.rcj")); err == nil && p.Run == filepath.Base(fixtureShared) {
			old := dir
			dir = filepath.Join(filepath.Dir(dir), p.Run)
			must(os.Rename(old, dir))
		}
		j, _, err := OpenReadOnly(t.Context(), dir)
		if err != nil {
			var damage *DamageError
			if !errors.As(err, &damage) {
				t.Fatalf("no damage: %v", err)
			}
			return
		}
		for range 2 {
			if _, err := rewrite(t.Context(), quickDisk{}, dir, func(e Entry) (Entry, bool, error) { return e, true, nil }); err != nil {
				t.Fatalf("what can be opened cannot be rewritten: %v", err)
			}
		}
		if got, want := len(contents(t, dir)), len(entriesOf(t, j)); got != want {
			t.Fatalf("%d entries after a rewrite, %d before", got, want)
		}
	})
}
