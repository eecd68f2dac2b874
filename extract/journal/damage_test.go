package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// threeSegments leaves an unfinished run of three processes, the last of which was killed: its segment has no trailer. It returns the blocks'
// ends in the last segment, the preamble's first, and what each process recorded.
func threeSegments(t testing.TB) (dir string, ends []int64, said [][]string) {
	t.Helper()
	j, dir := begin(t)
	said = make([][]string, 3)
	for n := range said {
		if n > 0 {
			j, _ = resumeQuick(t, dir)
		}
		ends = append(ends[:0], j.durable.Load())
		for i := range 2 {
			body := fmt.Sprintf("secret body %d of process %d", i, n)
			record(t, j, modelCall(n*10+i), body)
			said[n] = append(said[n], body)
			ends = append(ends, j.durable.Load())
		}
		end(t, j.Close)
	}
	must(os.Truncate(filepath.Join(dir, "00003.rcj"), ends[2]))
	return dir, ends, said
}

// wantDamage checks that err names the file and is no torn tail, and quotes nothing.
func wantDamage(t testing.TB, err error, name, what string) *DamageError {
	t.Helper()
	var d *DamageError
	if !errors.As(err, &d) {
		t.Fatalf("%s: %v; want damage in %s", what, err, name)
	}
	if d.File != name || !strings.Contains(err.Error(), d.Run+"/"+name) {
		t.Fatalf("%s: damage is said to be in %s, not %s: %v", what, d.File, name, err)
	}
	if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "user") {
		t.Fatalf("%s: the error quotes contents: %v", what, err)
	}
	return d
}

// A process killed at any byte of its segment: the tail that was torn is cut off and reported, and all that was acknowledged before is there.
func TestTruncatedAnywhere(t *testing.T) {
	src, ends, said := threeSegments(t)
	whole := readFile(t, filepath.Join(src, "00003.rcj"))
	before := slices.Concat(said[0], said[1])
	dir := filepath.Join(t.TempDir(), testRun)
	for size := range len(whole) + 1 {
		what := fmt.Sprintf("cut to %d of %d bytes", size, len(whole))
		copyDir(t, src, dir)
		must(os.Truncate(filepath.Join(dir, "00003.rcj"), int64(size)))
		if int64(size) < ends[0] {
			// The preamble is durable before the segment has its name, so no crash cuts it.
			_, _, err := resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock})
			wantDamage(t, err, "00003.rcj", what)
			continue
		}
		kept := 0
		for kept+1 < len(ends) && ends[kept+1] <= int64(size) {
			kept++
		}
		torn := int64(size) - ends[kept]
		want := slices.Concat(before, said[2][:kept])

		if err := Check(t.Context(), dir); err != nil {
			t.Fatalf("%s: Check: %v", what, err)
		}
		_, r, err := OpenReadOnly(t.Context(), dir)
		if err != nil || r.TornBytes != torn {
			t.Fatalf("%s: OpenReadOnly: %+v, %v; want %d torn bytes", what, r, err, torn)
		}
		j, r, err := resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock})
		if err != nil || r.TornBytes != torn || (r.TornFile != "") != (torn > 0) || r.Answers != len(want) {
			t.Fatalf("%s: Resume: %+v, %v; want %d torn bytes and %d answers", what, r, err, torn, len(want))
		}
		wantRecorded(t, j, modelCall(0), said[0][0])
		wantRecorded(t, j, modelCall(21), said[2][1:max(kept, 1)]...)
		record(t, j, modelCall(99), "later")
		end(t, j.Seal)
		if got := bodies(contents(t, dir)); !slices.Equal(got, append(want, "later")) {
			t.Fatalf("%s: the run holds %q", what, got)
		}
		if err := Check(t.Context(), dir); err != nil {
			t.Fatalf("%s: Check after Resume and Seal: %v", what, err)
		}
	}
}

// Any flipped bit of an unfinished run is damage that names file and block, but for the last block, which a crash may have torn: what is
// before it is there.
func TestFlippedBitUnfinished(t *testing.T) {
	dir, ends, said := threeSegments(t)
	before := slices.Concat(said[0], said[1])
	for _, name := range []string{"00001.rcj", "00002.rcj", "00003.rcj"} {
		whole := readFile(t, filepath.Join(dir, name))
		for at := range whole {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << (at % 8)
			writeFile(t, filepath.Join(dir, name), flipped)
			what := fmt.Sprintf("bit %d of byte %d of %s flipped", at%8, at, name)
			j, r, err := OpenReadOnly(t.Context(), dir)
			if last := ends[len(ends)-2]; name == "00003.rcj" && int64(at) >= last {
				if err != nil || r.TornBytes != ends[len(ends)-1]-last {
					t.Fatalf("%s: %+v, %v; want a torn tail", what, r, err)
				}
				if got := bodies(entriesOf(t, j)); !slices.Equal(got, append(before, said[2][0])) {
					t.Fatalf("%s: the run holds %q", what, got)
				}
				continue
			}
			d := wantDamage(t, err, name, what)
			if d.Offset > int64(at) {
				t.Fatalf("%s: said to be at byte %d", what, d.Offset)
			}
			if at%8 > 0 {
				continue
			}
			wantDamage(t, Check(t.Context(), dir), name, what)
			_, _, err = resume(t.Context(), quickDisk{}, dir, ResumeOptions{Now: clock})
			wantDamage(t, err, name, what)
			if !bytes.Equal(readFile(t, filepath.Join(dir, name)), flipped) {
				t.Fatalf("%s: Resume wrote to the damaged file", what)
			}
		}
		writeFile(t, filepath.Join(dir, name), whole)
	}
	if _, _, err := OpenReadOnly(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
}

// sealedRun is a sealed run of two segments.
func sealedRun(t testing.TB) string {
	t.Helper()
	j, dir := begin(t)
	record(t, j, modelCall(0), "secret one")
	end(t, j.Close)
	j, _ = resumeQuick(t, dir)
	record(t, j, modelCall(1), "secret two")
	record(t, j, modelCall(2), "secret three")
	end(t, j.Seal)
	return dir
}

// Check finds a flipped bit in any byte of any file of a sealed run, and any truncation, and names the file.
func TestCheckSealed(t *testing.T) {
	dir := sealedRun(t)
	if err := Check(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00001.rcj", "00002.rcj", "seal.json"} {
		path := filepath.Join(dir, name)
		whole := readFile(t, path)
		for at := range whole {
			for bit := range 8 {
				if name != sealName && bit != at%8 {
					continue // a CRC finds one bit like another; in the seal, a bit may make a letter that means the same
				}
				flipped := bytes.Clone(whole)
				flipped[at] ^= 1 << bit
				writeFile(t, path, flipped)
				wantDamage(t, Check(t.Context(), dir), name, fmt.Sprintf("bit %d of byte %d of %s flipped", bit, at, name))
			}
			writeFile(t, path, whole[:at])
			what := fmt.Sprintf("%s cut to %d bytes", name, at)
			wantDamage(t, Check(t.Context(), dir), name, what)
			if _, _, err := OpenReadOnly(t.Context(), dir); err == nil {
				t.Fatalf("%s: OpenReadOnly took it", what)
			}
		}
		writeFile(t, path, append(bytes.Clone(whole), 0))
		wantDamage(t, Check(t.Context(), dir), name, "a byte added to "+name)
		writeFile(t, path, whole)
	}
	if err := Check(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
}

// Check finds files that are missing, too many, or another's.
func TestCheckFiles(t *testing.T) {
	other := sealedRun(t)
	for _, tt := range []struct {
		name string
		do   func(dir string) error
		file string
	}{
		{"first segment missing", func(dir string) error { return os.Remove(filepath.Join(dir, "00001.rcj")) }, "00001.rcj"},
		{"last segment missing", func(dir string) error { return os.Remove(filepath.Join(dir, "00002.rcj")) }, "00002.rcj"},
		{"seal missing", func(dir string) error { return os.Remove(filepath.Join(dir, "seal.json")) }, "seal.json"},
		{"a file too many", func(dir string) error { return os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600) }, "notes.txt"},
		{"a folder too many", func(dir string) error { return os.Mkdir(filepath.Join(dir, "x"), 0o700) }, "x"},
		{"a segment too many", func(dir string) error {
			return os.Link(filepath.Join(dir, "00002.rcj"), filepath.Join(dir, "00003.rcj"))
		}, "00003.rcj"},
		{"an empty segment too many", func(dir string) error { return os.WriteFile(filepath.Join(dir, "00003.rcj"), nil, 0o600) }, "00003.rcj"},
		{"a rewrite interrupted", func(dir string) error { return os.WriteFile(filepath.Join(dir, "00001.rcj.tmp"), nil, 0o600) }, "00001.rcj.tmp"},
		{"segments swapped", func(dir string) error {
			one, two := filepath.Join(dir, "00001.rcj"), filepath.Join(dir, "00002.rcj")
			return errors.Join(os.Rename(one, one+"x"), os.Rename(two, one), os.Rename(one+"x", two))
		}, "00001.rcj"},
		{"another run's segment", func(dir string) error {
			return os.Rename(filepath.Join(other, "00001.rcj"), filepath.Join(dir, "00001.rcj"))
		}, "00001.rcj"},
		{"another run's seal", func(dir string) error {
			return os.Rename(filepath.Join(other, "seal.json"), filepath.Join(dir, "seal.json"))
		}, "00001.rcj"},
		{"all missing", func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) }, "00001.rcj"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := sealedRun(t)
			must(tt.do(dir))
			wantDamage(t, Check(t.Context(), dir), tt.file, tt.name)
		})
	}
	t.Run("renamed folder", func(t *testing.T) {
		dir := sealedRun(t)
		must(os.Rename(dir, dir+"x"))
		wantDamage(t, Check(t.Context(), dir+"x"), "00001.rcj", "renamed folder")
	})
	t.Run("several faults", func(t *testing.T) {
		dir := sealedRun(t)
		for _, name := range []string{"00001.rcj", "00002.rcj"} {
			path := filepath.Join(dir, name)
			b := readFile(t, path)
			b[len(b)/2] ^= 0x10
			writeFile(t, path, b)
		}
		if err := Check(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "00001.rcj") || !strings.Contains(err.Error(), "00002.rcj") {
			t.Errorf("Check names not both files: %v", err)
		}
	})
}

// A torn tail in any but the last segment, or behind an orderly end, is damage.
func TestTornElsewhere(t *testing.T) {
	src, _, _ := threeSegments(t)
	for _, cut := range []int64{1, 60} {
		dir := filepath.Join(t.TempDir(), testRun)
		copyDir(t, src, dir)
		path := filepath.Join(dir, "00001.rcj")
		must(os.Truncate(path, int64(len(readFile(t, path)))-cut))
		wantDamage(t, Check(t.Context(), dir), "00001.rcj", "first of three segments cut")
	}
	// Exactly the trailer is gone.
	dir := filepath.Join(t.TempDir(), testRun)
	copyDir(t, src, dir)
	w, err := walk{path: filepath.Join(dir, "00001.rcj"), limit: -1}.run(t.Context(), func(*block) error { return nil })
	must(err)
	must(os.Truncate(filepath.Join(dir, "00001.rcj"), w.size))
	wantDamage(t, Check(t.Context(), dir), "00001.rcj", "first of three segments without a trailer")
}

// A crash of the machine may leave zeros where the last block should be; blocks that came later prove that it was no crash.
func TestZeroedTail(t *testing.T) {
	src, ends, said := threeSegments(t)
	whole := readFile(t, filepath.Join(src, "00003.rcj"))
	dir := filepath.Join(t.TempDir(), testRun)
	for from := ends[1]; from < ends[2]; from++ {
		copyDir(t, src, dir)
		b := bytes.Clone(whole)
		clear(b[from:])
		writeFile(t, filepath.Join(dir, "00003.rcj"), b)
		j, _, err := OpenReadOnly(t.Context(), dir)
		if err != nil {
			t.Fatalf("zeros from byte %d: %v", from, err)
		}
		want := slices.Concat(said[0], said[1], said[2][:1])
		if got := bodies(entriesOf(t, j)); !slices.Equal(got, want) && !bytes.Equal(b, whole) {
			t.Fatalf("zeros from byte %d: the run holds %q", from, got)
		}
	}
	copyDir(t, src, dir)
	b := bytes.Clone(whole)
	clear(b[ends[0]:ends[1]])
	writeFile(t, filepath.Join(dir, "00003.rcj"), b)
	_, _, err := OpenReadOnly(t.Context(), dir)
	wantDamage(t, err, "00003.rcj", "zeros before a whole block")
}

// A cancelled caller is not kept waiting for a large journal.
func TestCancelled(t *testing.T) {
	dir := sealedRun(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, _, openErr := OpenReadOnly(ctx, dir)
	_, rewriteErr := Rewrite(ctx, dir, func(e Entry) (Entry, bool, error) { return e, false, nil })
	for name, err := range map[string]error{"Check": Check(ctx, dir), "OpenReadOnly": openErr, "Rewrite": rewriteErr} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check(t.Context(), dir); err != nil {
		t.Error(err)
	}
}
