package status

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rollcall-data/rollcall/load/publish"
)

// TestByKeyboard goes from the first page to the rows of a query without a mouse.
func TestByKeyboard(t *testing.T) {
	b := browse(t)
	b.open("/")
	b.do(chromedp.KeyEvent(kb.Tab))
	if got := eval[string](b, "document.activeElement.textContent"); got != "Skip to the content" {
		t.Errorf("the first stop is %q", got)
	}
	if x := eval[float64](b, "document.activeElement.getBoundingClientRect().x"); x < 0 {
		t.Error("the way to the content is not shown to who is on it")
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	if got := eval[string](b, "document.activeElement.id"); got != "main" {
		t.Errorf("it leads to %q", got)
	}
	b.tabTo("summary")
	b.do(chromedp.KeyEvent(kb.Enter))
	if !eval[bool](b, "document.activeElement.parentElement.open") {
		t.Error("the numbers of a chart do not open")
	}
	b.open("/")
	b.tabTo(`nav a[href="/sql"]`)
	b.pressed("#token")
	b.tabTo("#token")
	b.do(chromedp.KeyEvent(token))
	b.pressed("#sql")
	b.tabTo("#sql")
	b.tabTo(`button[value="table"]`)
	b.pressed("table.result")
	if n := eval[int](b, `document.querySelectorAll("table.result tbody tr").length`); n < users {
		t.Errorf("%d rows", n)
	}
	b.tabTo(`.scroll[role="region"]`) // and so what does not fit can be scrolled to
}

// roles are what a screen reader is told of a page: "role name", by role.
func (b *tab) roles() map[string][]string {
	b.Helper()
	nodes := command(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	text := func(v *accessibility.Value) string {
		if v == nil {
			return ""
		}
		return strings.Trim(string(v.Value), `"`)
	}
	out := map[string][]string{}
	for _, n := range nodes {
		if !n.Ignored {
			role := text(n.Role)
			out[role] = append(out[role], text(n.Name))
		}
	}
	return out
}

// TestForScreenReaders: each page has its landmarks, one first heading, and a name for whatever is no text.
func TestForScreenReaders(t *testing.T) {
	b := browse(t)
	runs, err := publish.Open(history(t)).RunRecords()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/runs", "/runs/" + runs[3], "/schema", "/sql"} {
		b.open(path)
		roles := b.roles()
		for _, landmark := range []string{"banner", "main", "contentinfo"} {
			if len(roles[landmark]) != 1 {
				t.Errorf("%s: %d × %s", path, len(roles[landmark]), landmark)
			}
		}
		if !slices.Contains(roles["navigation"], "Pages") {
			t.Errorf("%s: navigation: %q", path, roles["navigation"])
		}
		if n := eval[int](b, `document.querySelectorAll("h1").length`); n != 1 || eval[string](b, `document.title`) == "" || eval[string](b, `document.documentElement.lang`) != "en" {
			t.Errorf("%s: %d first headings", path, n)
		}
		for _, role := range []string{"image", "img", "table", "region", "link", "button", "textbox", "navigation", "figure"} {
			for _, name := range roles[role] {
				if strings.TrimSpace(name) == "" && role != "figure" {
					t.Errorf("%s: a %s without a name", path, role)
				}
			}
		}
		if n := eval[int](b, `[...document.querySelectorAll("h1,h2,h3,h4")].filter((h, i, all) => i > 0 && +h.tagName[1] > +all[i-1].tagName[1] + 1).length`); n > 0 {
			t.Errorf("%s: headings leave out levels", path)
		}
		if n := eval[int](b, `document.querySelectorAll("th:not([scope]), table:not(:has(caption))").length`); n > 0 {
			t.Errorf("%s: %d headers without scope or tables without caption", path, n)
		}
		if n := eval[int](b, `(ids => ids.length - new Set(ids).size)([...document.querySelectorAll("[id]")].map(e => e.id))`); n > 0 {
			t.Errorf("%s: %d ids are not unique", path, n)
		}
		switch path {
		case "/":
			images := slices.Concat(roles["image"], roles["img"])
			if len(images) != len(measures) || !slices.ContainsFunc(images, func(name string) bool { return strings.HasPrefix(name, "Users Between 300 and") }) {
				t.Errorf("charts: %q", images)
			}
			if !slices.Contains(roles["heading"], "Certified") {
				t.Errorf("headings: %q", roles["heading"])
			}
		case "/runs":
			if !slices.Contains(roles["table"], "Runs, newest first") || len(roles["columnheader"]) != 8 || len(roles["rowheader"]) != nights {
				t.Errorf("tables %q, %d and %d headers", roles["table"], len(roles["columnheader"]), len(roles["rowheader"]))
			}
		case "/sql":
			if !slices.Contains(roles["textbox"], "Token") || !slices.Contains(roles["button"], "Sign in") {
				t.Errorf("the login form: %q, %q", roles["textbox"], roles["button"])
			}
		}
	}
}

// unreadable lists texts whose contrast with what is behind them is below the 4.5 that WCAG asks for at level AA (3 for large ones).
const unreadable = `(() => {
	const parse = c => (c.match(/[\d.]+/g) || []).map(Number);
	const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
	const bad = new Set(); let seen = 0;
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.data.trim() || !e.checkVisibility()) continue;
		seen++;
		const style = getComputedStyle(e), size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		const [a, b] = [light(parse(style.color)), light(behind(e))].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < (large ? 3 : 4.5)) bad.add(e.tagName + "." + e.className + " " + ratio.toFixed(2));
	}
	return seen < 20 ? ["only " + seen + " texts"] : [...bad];
})()`

// TestAppearance: on a phone nothing has to be scrolled sideways, and every text can be read in both colour schemes.
func TestAppearance(t *testing.T) {
	b := browse(t)
	runs, err := publish.Open(history(t)).RunRecords()
	if err != nil {
		t.Fatal(err)
	}
	result := `document.querySelector("textarea").value = "SELECT * FROM users LIMIT 20"; document.querySelector("button[value=table]").click()`
	b.open("/sql")
	b.do(chromedp.SendKeys(css("#token"), token+kb.Enter))
	b.arrived("#sql")
	for _, path := range []string{"/", "/runs", "/runs/" + runs[3], "/schema", "/sql", "/nothing"} {
		if path == "/nothing" { // which says 404
			b.mu.Lock()
			b.complains = slices.DeleteFunc(b.complains, func(c string) bool { return strings.Contains(c, "404") })
			b.mu.Unlock()
		}
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			b.size(360, 740, true)
			b.open(path)
			if path == "/sql" {
				b.do(chromedp.Evaluate[chromedp.Void](result))
				b.arrived("table.result")
			}
			b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => d.open = true)`))
			if width := eval[int](b, "document.documentElement.scrollWidth"); width > 360 {
				t.Errorf("%s: it is %d wide on a phone of 360", path, width)
			}
			if small := eval[[]string](b, `[...document.querySelectorAll("nav a, button, summary")].filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)`); len(small) > 0 {
				t.Errorf("%s: too small for a finger: %q", path, small)
			}
			if path != "/nothing" {
				if bad := eval[[]string](b, unreadable); len(bad) > 0 {
					t.Errorf("%s, %s: contrast: %q", path, scheme, bad)
				}
			}
			dark := eval[string](b, "getComputedStyle(document.documentElement).backgroundColor") != "rgb(255, 255, 255)"
			if dark != (scheme == "dark") {
				t.Errorf("%s: not %s", path, scheme)
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complains = slices.DeleteFunc(b.complains, func(c string) bool { return strings.Contains(c, "404 (Not Found)") })
}

// TestDownloadsInABrowser clicks for both.
func TestDownloadsInABrowser(t *testing.T) {
	b := browse(t)
	dir := t.TempDir()
	done := make(chan string, 8)
	if err := chromedp.ListenBrowser(b.ctx, func(event any) {
		if e, ok := event.(*browser.EventDownloadProgress); ok && e.State != browser.DownloadProgressStateInProgress {
			done <- string(e.State)
		}
	}); err != nil {
		t.Fatal(err)
	}
	events := true
	if _, err := chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: "allow", DownloadPath: dir, EventsEnabled: &events}); err != nil {
		t.Fatal(err)
	}
	b.open("/sql")
	b.do(chromedp.SendKeys(css("#token"), token+kb.Enter))
	b.arrived("#sql")
	for format, begins := range map[string]string{"csv": "user_id,email,role,preferences,updated_at\n", "parquet": "PAR1"} {
		b.do(chromedp.Click(css(`button[value="` + format + `"]`)))
		timer := time.NewTimer(browserTime)
		defer timer.Stop()
		select {
		case state := <-done:
			if state != string(browser.DownloadProgressStateCompleted) {
				t.Errorf("%s: %s", format, state)
			}
		case <-timer.C:
			t.Fatalf("%s: no download", format)
		}
		files, err := filepath.Glob(filepath.Join(dir, "rollcall-*."+format))
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: %q, %v", format, files, err)
		}
		raw, err := os.ReadFile(files[0])
		if err != nil || !strings.HasPrefix(string(raw), begins) || len(raw) < 1000 {
			t.Errorf("%s: %d bytes, %v", format, len(raw), err)
		}
	}
}

// TestScreenshots takes, with -update, those of the README.
func TestScreenshots(t *testing.T) {
	if !*update {
		for _, name := range []string{"phone-light.png", "desktop-dark.png"} {
			if info, err := os.Stat(filepath.Join("testdata", "screenshots", name)); err != nil || info.Size() > 150_000 {
				t.Errorf("%s: %v", name, err)
			}
		}
		return
	}
	b := browse(t)
	for _, shot := range []struct {
		name, scheme  string
		width, height int64
		phone         bool
	}{{"phone-light.png", "light", 390, 844, true}, {"desktop-dark.png", "dark", 1200, 900, false}} {
		b.scheme(shot.scheme)
		b.size(shot.width, shot.height, shot.phone)
		b.open("/")
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join("testdata", "screenshots"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata", "screenshots", shot.name), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
