package status

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// chromiumVariable names the browser of these tests. .ci/run sets it; without it they are skipped.
const chromiumVariable = "ROLLCALL_TEST_CHROMIUM"

// tab is a page in a real browser, with what it complained about.
type tab struct {
	*testing.T
	ctx  context.Context
	site *site

	mu        sync.Mutex
	complains []string
}

// browse opens a browser on a page of the shared warehouse. In the end it must have had nothing to complain about: no script, no style and no request was
// refused, and none failed, but for the answers that a test asks for.
func browse(t *testing.T) *tab {
	t.Helper()
	path := os.Getenv(chromiumVariable)
	if path == "" {
		t.Skip(chromiumVariable + " names no Chromium")
	}
	s := serve(t, Options{Warehouse: history(t), SQLToken: token, Next: func() (time.Time, bool) { return firstNight.AddDate(0, 0, nights), true }})
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{T: t, ctx: ctx, site: s}
	if err := chromedp.Listen(ctx, b.listen); err != nil { // which starts the browser
		t.Fatal(err)
	}
	command(b, cdplog.Enable, cdp.Empty{})
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, c := range b.complains {
			t.Errorf("the browser complains: %s", c)
		}
	})
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			if strings.Contains(e.Entry.Text, "401 (Unauthorized)") { // the login form's own status
				return
			}
			b.complains = append(b.complains, e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		b.complains = append(b.complains, fmt.Sprint("console: ", e.Type))
	case *runtime.EventExceptionThrown:
		b.complains = append(b.complains, e.ExceptionDetails.Text)
	}
}

// browserTime is how long the browser may take for anything.
const browserTime = time.Minute

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserTime)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// command sends a command of the protocol.
func command[P, R any](b *tab, c cdp.Command[P, R], params P) R {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserTime)
	defer cancel()
	out, err := chromedp.Call(ctx, c, params)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// css is where an element is.
func css(selector string) chromedp.CSS { return chromedp.CSS(selector) }

func (b *tab) open(path string) {
	b.Helper()
	b.do(chromedp.Navigate(b.site.URL + path))
}

// eval gives the value of an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserTime)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return out
}

// size sets the window.
func (b *tab) size(width, height int64, phone bool) {
	b.Helper()
	command(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: phone})
}

func (b *tab) scheme(name string) {
	b.Helper()
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// tabTo presses the tabulator until what has the focus matches the selector.
func (b *tab) tabTo(selector string) {
	b.Helper()
	for range 60 {
		b.do(chromedp.KeyEvent(kb.Tab))
		if eval[bool](b, "document.activeElement.matches("+fmt.Sprintf("%q", selector)+")") {
			if outline := eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"); outline == "none" {
				b.Errorf("%s has the focus, and it cannot be seen", selector)
			}
			return
		}
	}
	b.Fatalf("the keyboard does not get to %s", selector)
}

// pressed presses Enter and waits for the page that comes of it.
func (b *tab) pressed(ready string) {
	b.Helper()
	b.do(chromedp.KeyEvent(kb.Enter))
	b.arrived(ready)
}

// arrived waits for a page that has such an element, whole.
func (b *tab) arrived(selector string) {
	b.Helper()
	b.do(chromedp.WaitReady(css(selector)))
	waitFor(b.T, "the page is there", func() bool { return eval[string](b, "document.readyState") == "complete" })
}
