package journal

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// page is a body of about size bytes that compresses badly; the same for the same seed.
func page(seed uint64, size int) string {
	return string(modelBody(rand.New(rand.NewPCG(seed, 0)), size))
}

// twice records the pages of a list twice, each page durable before the next is asked for.
func twice(t testing.TB, j *Journal, pages []string) {
	t.Helper()
	for range 2 {
		for i, p := range pages {
			record(t, j, listCall(i), p)
		}
	}
}

// sameIn is how many answers of a run's folder refer to another's body.
func sameIn(t testing.TB, dir string, with ...*Identity) (n int) {
	t.Helper()
	f, err := readFolder(dir)
	must(err)
	f.keys.identities = with
	for i := range f.segments {
		_, err := f.walk(t.Context(), i, func(b *block) error {
			return b.entries(func(it item) error {
				if it.same != nil {
					n++
				}
				return nil
			})
		})
		must(err)
	}
	return n
}

// A list that is walked twice is kept once in each segment, plain and encrypted, small pages and large; whoever reads gets each page as often as it came.
func TestKeptOnce(t *testing.T) {
	to, with, _ := keyPair(t)
	for _, encrypted := range []bool{false, true} {
		for _, size := range []int{minShared, 20_000, 2 * largeRaw} {
			t.Run(strconv.FormatBool(encrypted)+"/"+strconv.Itoa(size), func(t *testing.T) {
				var recipients []Recipient
				if encrypted {
					recipients = append(recipients, to)
				}
				pages := []string{page(1, size), page(2, size), page(3, minShared/2), page(4, size)}
				j, dir := beginFor(t, recipients...)
				for i, p := range pages {
					record(t, j, listCall(i), p)
				}
				once := j.durable.Load()
				for i, p := range pages {
					record(t, j, listCall(i), p)
				}
				if more := j.durable.Load() - once; more > 3000 {
					t.Errorf("the pages take %d bytes the first time and %d the second", once, more)
				}
				end(t, j.Close)
				j, _, err := resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock, Recipients: recipients, Identities: []*Identity{with}})
				must(err)
				for i, p := range pages {
					wantRecorded(t, j, listCall(i), p, p)
				}
				twice(t, j, pages)
				end(t, j.Seal)
				if n := sameIn(t, dir, with); n != 6 {
					t.Errorf("%d answers refer to another's body; want 3 in each segment", n)
				}
				must(Check(t.Context(), dir))
				must(Check(t.Context(), dir, with))
				var want []string
				for range 4 {
					want = append(want, pages...)
				}
				j, r, err := OpenReadOnly(t.Context(), dir, with)
				must(err)
				if diff := cmp.Diff(want, bodies(entriesOf(t, j))); diff != "" || r.Answers != len(want) {
					t.Errorf("%d answers (-want +got):\n%s", r.Answers, diff)
				}
				for i, p := range pages {
					wantRecorded(t, j, listCall(i), p, p, p, p)
				}
			})
		}
	}
}

// Answers that come at once and share a block share a body as well.
func TestKeptOnceInABlock(t *testing.T) {
	j, dir := begin(t)
	body := page(1, 5000)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() { record(t, j, modelCall(i), body) })
	}
	all.Wait()
	end(t, j.Seal)
	if n := sameIn(t, dir); n != 199 {
		t.Errorf("%d of 200 answers refer to the first", n)
	}
	j, _, err := OpenReadOnly(t.Context(), dir)
	must(err)
	for i := range 200 {
		wantRecorded(t, j, modelCall(i), body)
	}
}

// What a caller does to an answer that was handed out changes no other answer of the same body.
func TestHandedOutApart(t *testing.T) {
	j, dir := begin(t)
	body := page(1, 5000)
	twice(t, j, []string{body})
	end(t, j.Close)
	j, _, err := OpenReadOnly(t.Context(), dir)
	must(err)
	first, _ := j.Recorded(listCall(0))
	clear(first.Body)
	wantRecorded(t, j, listCall(0), body)
}

// A body that begins a block has a name, and does not come again where who calls has it. Which bodies share a name are the same.
func TestNamed(t *testing.T) {
	j, dir := begin(t)
	body := page(1, 5000)
	twice(t, j, []string{body, page(2, 5000)})
	end(t, j.Close)
	j, _, err := OpenReadOnly(t.Context(), dir)
	must(err)
	first, _ := j.Recorded(listCall(0))
	if first.Name == 0 || string(first.Body) != body {
		t.Fatalf("name %d, %d bytes", first.Name, len(first.Body))
	}
	other, _ := j.Recorded(listCall(1))
	if other.Name == first.Name {
		t.Errorf("two bodies have the name %d", other.Name)
	}
	c := listCall(0)
	var asked uint64
	c.Has = func(name uint64) bool { asked = name; return true }
	again, ok := j.Recorded(c)
	if !ok || again.Name != first.Name || asked != first.Name || again.Body != nil || again.Status != first.Status || !again.Replayed {
		t.Errorf("%+v, asked for %d", again, asked)
	}
	c = listCall(1)
	c.Has = func(uint64) bool { return false }
	wantRecorded(t, j, c, page(2, 5000))
}

// A body that is as long as another, and differs in its last byte, is another. So is one that only looks like it by its request.
func TestNotTheSame(t *testing.T) {
	j, dir := begin(t)
	body := page(1, 5000)
	other := body[:len(body)-1] + "!"
	c := listCall(0)
	c.Body = []byte(body)
	record(t, j, c, other)
	record(t, j, c, body)
	must(j.Note(t.Context(), "n", body))
	record(t, j, listCall(1), body)
	end(t, j.Seal)
	if n := sameIn(t, dir); n != 1 {
		t.Errorf("%d answers refer to another's body; want the last one alone", n)
	}
	value, err := jsonLine(body)
	must(err)
	if diff := cmp.Diff([]string{other, body, "n" + strings.TrimSpace(string(value)), body}, bodies(contents(t, dir))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Who writes remembers as far back as who reads: the oldest body of all is forgotten by both.
func TestReach(t *testing.T) {
	k, seen := newKnown(), seenBodies{}
	h := blockHeader{Version: version}
	at := func(i int) bodyAt { return bodyAt{Block: uint32(1 + i/maxBlockEntries), Entry: i % maxBlockEntries} }
	sum := func(i int) frame { return frame{line: []byte("{}\n"), sum: bodySum{a: uint64(i), size: minShared}} }
	add := func(i int) {
		k.add(sum(i), at(i))
		h.Number = at(i).Block
		must(seen.take(h, spot{off: int64(i)}, at(i).Entry, item{body: minShared}))
	}
	check := func(i int, want bool) {
		t.Helper()
		_, ok := k.refer(sum(i))
		where := at(i)
		found, err := seen.find(h, item{body: minShared, same: &where})
		if ok != want || (err == nil) != want || want && found.spot.off != int64(i) {
			t.Fatalf("body %d: written as a reference %v, read %v", i, ok, err)
		}
	}
	const n = 5 * maxShared
	for i := range n {
		add(i)
		check(max(0, i-maxShared+1), true)
		check(i, true)
		if i >= maxShared {
			check(i-maxShared, false)
		}
	}
	if len(k.places) != maxShared || len(k.sums) != maxShared || len(seen.all) > 2*maxShared {
		t.Errorf("%d places, %d sums, %d bodies are kept", len(k.places), len(k.sums), len(seen.all))
	}
}

// A large answer is not decoded when a run is opened. Its bytes are compared all the same, and what is not an answer is never handed out.
func TestLargeNotDecoded(t *testing.T) {
	large := page(1, 4*largeRaw)
	for _, tt := range []struct {
		name   string
		change func(b []byte) []byte // of the payload
		resum  bool
		opens  bool
	}{
		{"a bit flipped", func(b []byte) []byte { b[len(b)-9] ^= 1; return b }, false, false},
		{"no frame, its checksum right", func(b []byte) []byte { clear(b); return b }, true, false},
		{"its end no frame, its checksum right", func(b []byte) []byte { clear(b[len(b)-2000:]); return b }, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, dir := begin(t)
			record(t, j, modelCall(1), large)
			record(t, j, modelCall(2), large)
			end(t, j.Close)
			path := filepath.Join(dir, "00001.rcj")
			b := readFile(t, path)
			h, err := decodeHeader(b)
			must(err)
			at := h.size()
			h, err = decodeHeader(b[at:])
			must(err)
			payload := tt.change(b[at+headerSize : at+h.size()])
			if tt.resum {
				h.Sum = crc32.Checksum(payload, castagnoli)
				copy(b[at:], h.append(nil))
			}
			writeFile(t, path, b[:len(b)-blockSizeAtEnd(b)])
			wantDamage(t, Check(t.Context(), dir), "00001.rcj", tt.name)
			j, _, err = OpenReadOnly(t.Context(), dir)
			if !tt.opens {
				wantDamage(t, err, "00001.rcj", tt.name)
				return
			}
			must(err)
			for _, c := range []int{1, 2} {
				if _, ok := j.Recorded(modelCall(c)); ok {
					t.Errorf("answer %d was handed out", c)
				}
			}
			wantDamage(t, j.Err(), "00001.rcj", tt.name)
		})
	}
}

// blockSizeAtEnd is the size of the last block of a segment, its trailer.
func blockSizeAtEnd(b []byte) int {
	for at := 0; ; {
		h, err := decodeHeader(b[at:])
		must(err)
		if at += int(h.size()); at == len(b) {
			return int(h.size())
		}
	}
}

// An answer that needs more than the beginning of its block to be told is decoded whole: one with a long request, one with a long query.
func TestLargeHeads(t *testing.T) {
	j, dir := begin(t)
	large := page(1, 2*largeRaw)
	long := listCall(0)
	long.Method, long.Body = "POST", []byte(page(2, 3*prefixSize))
	wide := listCall(1)
	wide.Query.Set("ids", strings.Repeat("0123456789,", prefixSize/8))
	record(t, j, long, large)
	record(t, j, wide, large+"2")
	must(j.Note(t.Context(), "n", large))
	end(t, j.Seal)
	j, r, err := OpenReadOnly(t.Context(), dir)
	must(err)
	if r.Answers != 2 {
		t.Errorf("%d answers", r.Answers)
	}
	wantRecorded(t, j, long, large)
	wantRecorded(t, j, wide, large+"2")
	value, ok := j.Noted("n")
	if want, err := jsonLine(large); err != nil || !ok || !bytes.Equal(value, bytes.TrimSpace(want)) {
		t.Errorf("a note of %d bytes", len(value))
	}
}

// The bodies that are referred to may change while the journal is open: the answer is then not handed out.
func TestSharedChangedUnderway(t *testing.T) {
	j, dir := begin(t)
	twice(t, j, []string{page(1, 5000)})
	end(t, j.Close)
	j, _, err := OpenReadOnly(t.Context(), dir)
	must(err)
	path := filepath.Join(dir, "00001.rcj")
	b := readFile(t, path)
	h, err := decodeHeader(b)
	must(err)
	b[h.size()+headerSize+100] ^= 1
	must(os.WriteFile(path, b, 0o600))
	j.sweeps.take(keyOf(listCall(0).ID())) // the first
	if _, ok := j.Recorded(listCall(0)); ok {
		t.Error("a changed answer was handed out")
	}
	wantDamage(t, j.Err(), "00001.rcj", "a bit flipped in the body that is referred to")
}
