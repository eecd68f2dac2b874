package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/chacha20poly1305"
	"pgregory.net/rapid"

	"github.com/rollcall-data/rollcall/extract"
)

// keyPair is a new recipient and the identity that opens what is written for it.
func keyPair(t testing.TB) (Recipient, *Identity, *age.X25519Identity) {
	t.Helper()
	secret, err := age.GenerateX25519Identity()
	must(err)
	to, err := ParseRecipient(secret.Recipient().String())
	must(err)
	text := "# created: 2025-03-01\n# public key: " + to.String() + "\n" + secret.String() + "\n"
	return to, NewIdentity(func(context.Context) (extract.Secret, error) { return extract.Secret(text), nil }), secret
}

// beginFor creates an encrypted run.
func beginFor(t testing.TB, to ...Recipient) (*Journal, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal", testRun)
	j, err := create(quickDisk{}, dir, header(testRun), to...)
	must(err)
	return j, dir
}

// contentsWith is every entry of an encrypted run.
func contentsWith(t testing.TB, dir string, with ...*Identity) []Entry {
	t.Helper()
	j, _, err := OpenReadOnly(t.Context(), dir, with...)
	if err != nil {
		t.Fatal(err)
	}
	return entriesOf(t, j)
}

func wantKeyError(t testing.TB, err, want error, what string) {
	t.Helper()
	var key *KeyError
	if !errors.As(err, &key) || !errors.Is(err, want) || key.Run != testRun || len(key.Hints()) == 0 {
		t.Errorf("%s: %v; want a KeyError: %v", what, err, want)
	}
	var damage *DamageError
	if errors.As(err, &damage) {
		t.Errorf("%s is said to be damage: %v", what, err)
	}
}

// Whatever was recorded comes back, by whichever process and whether it encrypted or not, and nothing of what was encrypted is in the files.
func TestEncryptedRoundTrip(t *testing.T) {
	to, with, _ := keyPair(t)
	root := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		dir := filepath.Join(root, fmt.Sprint(runs), testRun)
		text := rapid.StringMatching(`secret-[a-z0-9]{12}`)
		encrypted := rapid.SliceOfN(rapid.Bool(), 1, 4).Draw(rt, "encrypted")
		var want []Entry
		var hidden, plain []string
		for n, enc := range encrypted {
			var recipients []Recipient
			if enc {
				recipients = []Recipient{to}
			}
			j, err := create(quickDisk{}, dir, header(testRun), recipients...)
			if n > 0 {
				j, _, err = resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock, Recipients: recipients, Identities: []*Identity{with}})
			}
			must(err)
			for i := range rapid.IntRange(0, 4).Draw(rt, "entries") {
				words := []string{text.Draw(rt, "path"), text.Draw(rt, "query"), text.Draw(rt, "request"), text.Draw(rt, "body"), text.Draw(rt, "note")}
				if enc {
					hidden = append(hidden, words...)
				} else {
					plain = append(plain, words...)
				}
				e := Entry{
					Call: extract.Call{Org: "acme", Kind: extract.KindModel, Method: "POST", Path: "/v1/" + words[0], Body: []byte(words[2]),
						Query: map[string][]string{"q": {words[1]}}},
					Answer: answer(words[3]+strings.Repeat("x", rapid.IntRange(0, 3000).Draw(rt, "size")), time.Duration(i)*time.Second),
					Usable: true, Segment: segmentName(n + 1),
				}
				must(j.Record(t.Context(), e.Call, e.Answer, true))
				must(j.Note(t.Context(), "fact", words[4]))
				value, err := json.Marshal(words[4])
				must(err)
				want = append(want, e, Entry{Note: "fact", Value: value, Segment: segmentName(n + 1)})
			}
			if n == len(encrypted)-1 {
				must(j.Seal())
			} else {
				must(j.Close())
			}
		}
		if diff := cmp.Diff(want, contentsWith(t, dir, with), wholeBytes); diff != "" {
			rt.Fatalf("entries (-want +got):\n%s", diff)
		}
		must(Check(t.Context(), dir))
		must(Check(t.Context(), dir, with))
		all := decompressed(t, dir)
		for _, s := range hidden {
			if strings.Contains(all, s) {
				rt.Fatalf("%s is in the files", s)
			}
		}
		for _, s := range plain {
			if !strings.Contains(all, s) {
				rt.Fatalf("%s is not found in a plain segment: the search is at fault", s)
			}
		}
	})
}

// encryptedRun is a sealed encrypted run of two segments.
func encryptedRun(t testing.TB, with *Identity, to ...Recipient) string {
	t.Helper()
	j, dir := beginFor(t, to...)
	record(t, j, modelCall(0), "secret one")
	end(t, j.Close)
	j, _, err := resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock, Recipients: to, Identities: []*Identity{with}})
	must(err)
	record(t, j, modelCall(1), "secret two")
	record(t, j, modelCall(2), "secret three")
	end(t, j.Seal)
	return dir
}

// A flipped bit in any byte and any cut is found without the key, and with it.
func TestEncryptedCheck(t *testing.T) {
	to, with, _ := keyPair(t)
	dir := encryptedRun(t, with, to)
	for _, name := range []string{"00001.rcj", "00002.rcj"} {
		path := filepath.Join(dir, name)
		whole := readFile(t, path)
		for at := range whole {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << (at % 8)
			writeFile(t, path, flipped)
			what := fmt.Sprintf("bit %d of byte %d of %s flipped", at%8, at, name)
			wantDamage(t, Check(t.Context(), dir), name, what)
			wantDamage(t, Check(t.Context(), dir, with), name, what)
			if at%16 > 0 {
				continue
			}
			_, _, err := OpenReadOnly(t.Context(), dir, with)
			wantDamage(t, err, name, what)
			writeFile(t, path, whole[:at])
			wantDamage(t, Check(t.Context(), dir), name, fmt.Sprintf("%s cut to %d bytes", name, at))
		}
		writeFile(t, path, whole)
	}
	must(Check(t.Context(), dir))
}

// Either recipient opens a run alone; anybody else is told so, by everything that reads answers, and nothing is changed.
func TestIdentities(t *testing.T) {
	one, withOne, _ := keyPair(t)
	two, withTwo, _ := keyPair(t)
	_, stranger, _ := keyPair(t)
	dir := encryptedRun(t, withTwo, one, two)
	want := []string{"secret one", "secret two", "secret three"}
	for name, with := range map[string][]*Identity{"one": {withOne}, "two": {withTwo}, "both": {withOne, withTwo}, "with others": {nil, stranger, withTwo}} {
		if diff := cmp.Diff(want, bodies(contentsWith(t, dir, with...))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		must(Check(t.Context(), dir, with...))
	}
	before := decompressed(t, dir)
	unfinished, _ := beginFor(t, one)
	end(t, unfinished.Close)
	errRead := errors.New("no such file")
	for _, tt := range []struct {
		name string
		with []*Identity
		want error
	}{
		{"nobody", nil, errNoIdentity},
		{"nil", []*Identity{nil}, errNoIdentity},
		{"a stranger", []*Identity{stranger}, errWrongIdentity},
		{"an identity that cannot be read", []*Identity{NewIdentity(func(context.Context) (extract.Secret, error) { return "", errRead })}, errRead},
		{"no identity at all", []*Identity{NewIdentity(func(context.Context) (extract.Secret, error) { return "canary", nil })}, errIdentity},
	} {
		_, _, err := OpenReadOnly(t.Context(), dir, tt.with...)
		wantKeyError(t, err, tt.want, tt.name+" opens")
		if strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%s: the error repeats the secret: %v", tt.name, err)
		}
		_, err = Rewrite(t.Context(), dir, func(e Entry) (Entry, bool, error) { return e, false, nil }, tt.with...)
		wantKeyError(t, err, tt.want, tt.name+" rewrites")
		_, _, err = Resume(t.Context(), unfinished.dir, ResumeOptions{Now: clock, Recipients: []Recipient{one}, Identities: tt.with})
		wantKeyError(t, err, tt.want, tt.name+" resumes")
		err = Check(t.Context(), dir, tt.with...)
		if errors.Is(tt.want, errNoIdentity) {
			must(err)
		} else {
			wantKeyError(t, err, tt.want, tt.name+" checks")
		}
	}
	if decompressed(t, dir) != before {
		t.Error("a run that could not be opened was changed")
	}
	runs, err := List(filepath.Dir(dir))
	if err != nil || len(runs) != 1 || !runs[0].Encrypted || !runs[0].Sealed || string(runs[0].Config) != string(header(testRun).Config) {
		t.Errorf("listed without a key: %+v, %v", runs, err)
	}
}

// An identity is read when it is needed, and once.
func TestIdentityIsReadOnce(t *testing.T) {
	to, _, secret := keyPair(t)
	reads := 0
	with := NewIdentity(func(context.Context) (extract.Secret, error) { reads++; return extract.Secret(secret.String()), nil })
	plain := sealedRun(t)
	if _, _, err := OpenReadOnly(t.Context(), plain, with); err != nil || reads != 0 {
		t.Errorf("a plain run: %d reads, %v", reads, err)
	}
	dir := encryptedRun(t, with, to)
	contentsWith(t, dir, with)
	if reads != 1 {
		t.Errorf("%d reads", reads)
	}
}

func TestParseRecipient(t *testing.T) {
	to, _, secret := keyPair(t)
	if again, err := ParseRecipient(to.String()); err != nil || again.String() != to.String() {
		t.Errorf("%v, %v", again, err)
	}
	for _, s := range []string{"", "age1", "canary", strings.ToUpper(to.String()), to.String() + "x", secret.String(), to.String()[:61]} {
		if _, err := ParseRecipient(s); err == nil || s != "" && strings.Contains(err.Error(), s) && len(s) > 4 {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := create(quickDisk{}, filepath.Join(t.TempDir(), testRun), header(testRun), Recipient{}); err == nil {
		t.Error("a recipient without a key is taken")
	}
}

// A crash that tears the last block at any byte costs that block alone; the run goes on under another key.
func TestEncryptedTornTail(t *testing.T) {
	to, with, _ := keyPair(t)
	j, src := beginFor(t, to)
	record(t, j, modelCall(0), "first")
	from := j.durable.Load()
	record(t, j, modelCall(1), strings.Repeat("second ", 9))
	upto := j.durable.Load()
	end(t, j.Close)
	o := ResumeOptions{Now: clock, Recipients: []Recipient{to}, Identities: []*Identity{with}}
	dir := filepath.Join(t.TempDir(), testRun)
	for size := from; size <= upto; size++ {
		copyDir(t, src, dir)
		must(os.Truncate(filepath.Join(dir, "00001.rcj"), size))
		want := []string{"first"}
		if size == upto {
			want = append(want, strings.Repeat("second ", 9))
		}
		j, r, err := resume(t.Context(), quickDisk{}, dir, o)
		if err != nil {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
		if torn := size - from; r.TornBytes != torn && size != upto {
			t.Fatalf("cut to %d bytes: %d are said to be torn", size, r.TornBytes)
		}
		for i, body := range want {
			wantRecorded(t, j, modelCall(i), body)
		}
		record(t, j, modelCall(2), "third")
		end(t, j.Seal)
		if diff := cmp.Diff(append(want, "third"), bodies(contentsWith(t, dir, with))); diff != "" {
			t.Fatalf("cut to %d bytes (-want +got):\n%s", size, diff)
		}
		must(Check(t.Context(), dir))
	}
}

// encryptedBlocks are the encrypted payloads of a segment, by the number of their block.
func encryptedBlocks(t testing.TB, path string, with *Identity) map[uint32][]byte {
	t.Helper()
	all := map[uint32][]byte{}
	_, err := walk{path: path, limit: -1, verify: true, keys: keyring{identities: []*Identity{with}}}.run(t.Context(), func(b *block) error {
		if b.header.Codec != codecCipher {
			t.Errorf("block %d is not encrypted", b.header.Number)
		}
		all[b.header.Number] = bytes.Clone(b.payload)
		return nil
	})
	must(err)
	return all
}

// What is forgotten is gone, the rest is there, all of it encrypted; and no nonce was used for two contents.
func TestEncryptedRewrite(t *testing.T) {
	const user = "000000000000000000000003"
	to, with, _ := keyPair(t)
	j, dir := beginFor(t, to)
	for i := range 6 { // a block each: the fourth goes, so those behind it move up
		record(t, j, modelCall(i), "model of "+fmt.Sprint(i))
	}
	record(t, j, listCall(0), `[{"id":"`+user+`"},{"id":"8"}]`)
	end(t, j.Close)
	path := filepath.Join(dir, "00001.rcj")
	preamble := readFile(t, path)[:encryptedStart(t, path)]
	before := encryptedBlocks(t, path, with)
	r, err := rewrite(t.Context(), quickDisk{}, dir, forget(user), with)
	if diff := cmp.Diff(Rewritten{Files: []string{"00001.rcj"}, Dropped: 1, Edited: 1}, r); diff != "" || err != nil {
		t.Errorf("report (-want +got):\n%s%v", diff, err)
	}
	want := []string{"model of 0", "model of 1", "model of 2", "model of 4", "model of 5", `[{"id":""},{"id":"8"}]`}
	if diff := cmp.Diff(want, bodies(contentsWith(t, dir, with))); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	must(Check(t.Context(), dir))
	if !bytes.Equal(preamble, readFile(t, path)[:len(preamble)]) {
		t.Error("the recipients are others")
	}
	after := encryptedBlocks(t, path, with)
	if len(before) != 7 || len(after) != 6 {
		t.Fatalf("%d blocks, then %d", len(before), len(after))
	}
	nonces := map[string][]byte{}
	for _, blocks := range []map[uint32][]byte{before, after} {
		for n, b := range blocks {
			nonce := string(b[8:32])
			if old, ok := nonces[nonce]; ok && !bytes.Equal(old, b) {
				t.Errorf("block %d has a nonce that was used for another", n)
			}
			nonces[nonce] = b
		}
	}
	if !bytes.Equal(before[3], after[3]) || bytes.Equal(before[5], after[4]) {
		t.Error("blocks before the change are to stay as they are, and those that moved to be encrypted again")
	}
	o := ResumeOptions{Now: clock, Recipients: []Recipient{to}, Identities: []*Identity{with}}
	j, _, err = resume(t.Context(), quickDisk{}, dir, o)
	must(err)
	wantRecorded(t, j, modelCall(3))
	wantRecorded(t, j, modelCall(5), "model of 5")
	end(t, j.Seal)
}

// encryptedStart is where a segment's first block of entries begins.
func encryptedStart(t testing.TB, path string) int64 {
	t.Helper()
	h, err := decodeHeader(readFile(t, path))
	must(err)
	return h.size()
}

// Whoever moves a block to where another was, with all checksums right, is found out by who has the key; so is what is plain among the encrypted.
func TestEncryptedForgery(t *testing.T) {
	to, with, _ := keyPair(t)
	j, dir := beginFor(t, to)
	for i := range 2 {
		record(t, j, modelCall(i), "same size")
	}
	end(t, j.Close)
	path := filepath.Join(dir, "00001.rcj")
	whole := readFile(t, path)
	first := encryptedStart(t, path)
	one, err := decodeHeader(whole[first:])
	must(err)
	second := first + one.size()
	two, err := decodeHeader(whole[second:])
	must(err)
	payloadOne, payloadTwo := whole[first+headerSize:second], whole[second+headerSize:second+two.size()]
	put := func(h blockHeader, payload []byte) []byte {
		h.Payload, h.Sum = uint32(len(payload)), crc32.Checksum(payload, castagnoli)
		return append(h.append(nil), payload...)
	}
	plainOne, err := zstdCodec{}.encode(nil, one, []byte("x"))
	must(err)
	plainHeader := one
	plainHeader.Codec, plainHeader.Raw = codecZstd, 1
	for name, forged := range map[string][]byte{
		"swapped":            slices.Concat(whole[:first], put(one, payloadTwo), put(two, payloadOne)),
		"first left out":     slices.Concat(whole[:first], put(one, payloadTwo)),
		"too short":          slices.Concat(whole[:first], put(one, payloadOne[:40])),
		"another frame":      slices.Concat(whole[:first], put(one, append([]byte{0}, payloadOne[1:]...))),
		"a plain block":      slices.Concat(whole[:first], put(plainHeader, plainOne)),
		"a key that is none": forgedPreamble(t, whole[:first], []byte("age-encryption.org/v1\nno")),
		"an empty key":       forgedPreamble(t, whole[:first], []byte{}),
		"a key of 5 bytes":   forgedPreamble(t, whole[:first], ageFile(t, to, "short")),
	} {
		writeFile(t, path, forged)
		wantDamage(t, Check(t.Context(), dir, with), "00001.rcj", name)
	}
}

func ageFile(t testing.TB, to Recipient, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to.key)
	must(err)
	_, err = io.WriteString(w, text)
	must(errors.Join(err, w.Close()))
	return b.Bytes()
}

func forgedPreamble(t testing.TB, old, key []byte) []byte {
	t.Helper()
	h, err := decodeHeader(old)
	must(err)
	raw, err := h.decodePayload(zstdCodec{}, nil, old[headerSize:])
	must(err)
	var p map[string]json.RawMessage
	must(json.Unmarshal(raw, &p))
	p["key"], err = json.Marshal(key)
	must(err)
	line, err := jsonLine(p)
	must(err)
	b, err := appendBlock(nil, zstdCodec{}, h, line)
	must(err)
	return b
}

// An encrypted segment is read here from the package comment alone.
func TestEncryptedFormat(t *testing.T) {
	to, with, secret := keyPair(t)
	j, dir := beginFor(t, to)
	record(t, j, modelCall(1), strings.Repeat("body ", 200))
	end(t, j.Seal)
	b := readFile(t, filepath.Join(dir, "00001.rcj"))
	next := func() (head, payload []byte) {
		size := 48 + int(binary.LittleEndian.Uint32(b[28:]))
		head, payload, b = b[:48], b[48:size], b[size:]
		return head, payload
	}
	inflate := func(frame []byte) []byte {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		must(err)
		defer d.Close()
		raw, err := d.DecodeAll(frame, nil)
		must(err)
		return raw
	}
	head, payload := next()
	var p struct{ Key []byte }
	must(json.Unmarshal(inflate(payload), &p))
	r, err := age.Decrypt(bytes.NewReader(p.Key), secret)
	must(err)
	key, err := io.ReadAll(r)
	must(err)
	if head[13] != 0 || len(key) != 32 {
		t.Fatalf("preamble of codec %d with a key of %d bytes", head[13], len(key))
	}

	head, payload = next()
	if head[13] != 1 || binary.LittleEndian.Uint32(payload) != 0x184D2A58 || int(binary.LittleEndian.Uint32(payload[4:])) != len(payload)-8 {
		t.Fatalf("codec %d, payload % x", head[13], payload[:8])
	}
	aead, err := chacha20poly1305.NewX(key)
	must(err)
	data := bytes.Clone(head[:44])
	clear(data[28:32])
	clear(data[36:40])
	frame, err := aead.Open(nil, payload[8:32], payload[32:], data)
	must(err)
	line, rest, _ := bytes.Cut(inflate(frame), []byte("\n"))
	if !bytes.HasPrefix(line, []byte(`{"type":"answer","org":"acme"`)) || string(rest) != strings.Repeat("body ", 200)+"\n" {
		t.Errorf("an entry of %s and %d bytes", line, len(rest))
	}

	head, payload = next()
	if head[12] != 3 || head[13] != 0 || !bytes.Contains(inflate(payload), []byte(`"sealed":true`)) || len(b) != 0 {
		t.Error("no plain trailer at the end")
	}
	// To zstd it is one stream, of which it can read the preamble and the trailer.
	d, err := zstd.NewReader(bytes.NewReader(readFile(t, filepath.Join(dir, "00001.rcj"))), zstd.WithDecoderConcurrency(1))
	must(err)
	defer d.Close()
	all, err := io.ReadAll(d)
	if lines := bytes.Count(all, []byte("\n")); err != nil || lines != 2 {
		t.Errorf("zstd prints %d lines, %v", lines, err)
	}
	must(Check(t.Context(), dir, with))
}
