package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// victim records for ever, and says on stdout what was acknowledged.
func victim(dir string) {
	ctx := context.Background()
	var j *Journal
	var err error
	if _, statErr := os.Stat(dir); statErr != nil {
		j, err = Create(dir, header(testRun))
	} else {
		j, _, err = Resume(ctx, dir, ResumeOptions{Now: clock})
	}
	must(err)
	var line sync.Mutex
	for w := range 4 {
		go func() {
			for i := w; ; i += 4 {
				c := modelCall(i)
				if _, ok := j.Recorded(c); ok {
					continue
				}
				must(j.Record(ctx, c, answer(victimBody(i), 0), true))
				line.Lock()
				fmt.Println(i)
				line.Unlock()
			}
		}()
	}
	select {}
}

// victimBody is one of a few, most of which are kept once.
func victimBody(i int) string { return strings.Repeat(fmt.Sprint(i%5), i%5*2*minShared) }

// A process that is killed leaves all that it had acknowledged, kill after kill, and no answer twice.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), testRun)
	acked := 0
	for kill := range 8 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "JOURNAL_TEST_VICTIM="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(err)
		must(cmd.Start())
		lines := bufio.NewScanner(out)
		for range 20 + 7*kill {
			if !lines.Scan() {
				t.Fatal("the victim died by itself")
			}
			acked++
		}
		must(cmd.Process.Kill())
		for lines.Scan() {
			acked++
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the victim ended by itself")
		}
		if err := Check(t.Context(), dir); err != nil {
			t.Fatalf("kill %d: %v", kill, err)
		}
	}
	j, r, err := OpenReadOnly(t.Context(), dir)
	must(err)
	// At each kill each of the four may have had one answer on disk, and not have said so yet.
	if r.Answers < acked || r.Answers > acked+8*4 {
		t.Errorf("%d answers are there; %d were acknowledged", r.Answers, acked)
	}
	seen := make(map[string]bool)
	for _, e := range entriesOf(t, j) {
		if seen[e.Call.Path] {
			t.Error("an answer was recorded twice")
		}
		seen[e.Call.Path] = true
		var i int
		if _, err := fmt.Sscanf(e.Call.Path, "/v1/acme/user/%x/user_model", &i); err != nil {
			t.Fatal(err)
		}
		wantRecorded(t, j, e.Call, victimBody(i))
	}
}
