package rawjson

import (
	"bytes"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nested is levels objects in one another, each with a member that sorts before the one that goes deeper, round inner.
func nested(levels int, inner string) []byte {
	return []byte(strings.Repeat(`{"b":1,"a":`, levels) + inner + strings.Repeat("}", levels))
}

// linear fails a test that computes as long as only work that grows with the square of its input can: minutes. What is linear takes a
// hundredth of the limit, a tenth with the race detector. Other processes do not count.
func linear(t *testing.T, do func()) {
	t.Helper()
	began := computed(t)
	do()
	if took := computed(t) - began; took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

// computed is the processor time that this process has used.
func computed(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestDepthAndSizeCostNoMoreThanTheirBytes(t *testing.T) {
	million := 1 << 20
	if testing.Short() { // what grows with the square is still far off
		million /= 4
	}
	numbers := "[" + strings.Repeat("1,", 2*million) + "1]"
	keys := strings.Builder{}
	for i := range 200_000 {
		keys.WriteString(`,"k` + strconv.Itoa(i%70) + `":1`)
	}
	wide := "{" + keys.String()[1:] + "}"
	for _, tt := range []struct {
		name string
		v    []byte
	}{
		{"9,999 levels round 4 MB of numbers", nested(maxDepth-1, numbers)},
		{"9,999 levels round 5 MB of text", nested(maxDepth-1, `"`+strings.Repeat("x", 5*million)+`"`)},
		{"9,999 arrays", []byte(strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1))},
		{"5 MB of brackets that never close", []byte(strings.Repeat("[", 5*million))},
		{"200,000 members, few names", []byte(wide)},
		{"5 MB of escapes", []byte(`["` + strings.Repeat(`\\`, 5*million/2) + `"]`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			linear(t, func() {
				other := append([]byte("  "), tt.v...)
				c := AppendCanonical(nil, tt.v)
				if len(c) == 0 || Equal(tt.v, other) != (tt.v[len(tt.v)-1] != '[') {
					t.Error("white space counts")
				}
				if i := bytes.LastIndexByte(other, '1'); i > 0 {
					other[i] = '2'
					if n := len(AppendDiff(nil, "$", tt.v, other)); n != 1 {
						t.Errorf("%d differences, want 1", n)
					}
				}
				if clean, exact := Sanitize(tt.v); !exact || len(clean) != len(tt.v) {
					t.Error("changed what was clean")
				}
				_ = Members(tt.v, func(_, _ []byte) error { return nil })
				_ = Elements(tt.v, func(_ []byte) error { return nil })
			})
		})
	}
}

func TestDistinctMembersAreComparedOnce(t *testing.T) {
	var a, b strings.Builder
	for i := range 200_000 {
		n := strings.Repeat("0", 6-len(strconv.Itoa(i))) + strconv.Itoa(i)
		a.WriteString(`,"` + n + `":1`)
		b.WriteString(`,"` + strconv.Itoa(199_999-i) + `x":1`)
	}
	linear(t, func() {
		older, newer := []byte("{"+a.String()[1:]+"}"), []byte("{"+b.String()[1:]+"}")
		if n := len(AppendDiff(nil, "$", older, newer)); n != 400_000 {
			t.Errorf("%d differences, want 400,000", n)
		}
	})
}

// Deeper than any source goes, values are compared byte by byte.
func TestBeyondTheDeepest(t *testing.T) {
	deep := func(levels int) []byte { return []byte(strings.Repeat("[", levels) + strings.Repeat("]", levels)) }
	if c := AppendCanonical(nil, deep(maxDepth)); c[0] != 'a' {
		t.Errorf("%d levels are encoded as %q…", maxDepth, c[0])
	}
	v := deep(maxDepth + 1)
	if c := AppendCanonical(nil, v); c[0] != 'x' {
		t.Errorf("%d levels are encoded as %q…", maxDepth+1, c[0])
	}
	if !Equal(v, deep(maxDepth+1)) || Equal(v, append([]byte(" "), v...)) {
		t.Error("not compared byte by byte")
	}
	if d := AppendDiff(nil, "$", v, append([]byte(" "), v...)); len(d) != 1 || d[0] != "$" {
		t.Errorf("differences %q", d)
	}
}
