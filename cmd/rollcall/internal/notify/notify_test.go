package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/pipeline"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/load/publish"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a server that keeps what it gets, and answers with the statuses it was given, the last of them for ever.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	got      []string // method, path and body
	statuses []int
}

func receive(t *testing.T, statuses ...int) *receiver {
	t.Helper()
	r := &receiver{statuses: statuses}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, req.Method+" "+req.URL.Path+" "+req.Header.Get("Content-Type")+" "+string(body))
		if len(r.statuses) > 0 {
			w.Header().Set("Location", "https://elsewhere.example.com/")
			w.WriteHeader(r.statuses[min(len(r.got), len(r.statuses))-1])
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) bodies(t *testing.T) []Report {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Report
	for _, g := range r.got {
		_, object, _ := strings.Cut(g, "{")
		var doc Report
		if err := json.Unmarshal([]byte("{"+object), &doc); err != nil {
			t.Fatal(err)
		}
		out = append(out, doc)
	}
	return out
}

func (r *receiver) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	return &tls.Config{RootCAs: pool}
}

// hasty is a Notifier that does not wait between two tries.
func hasty(c config.Notifications, w *publish.Warehouse, trust *tls.Config) *Notifier {
	n := New(c, w, trust)
	n.pause = 0
	return n
}

// url is a secret one of the receiver.
func (r *receiver) url(path string) extract.Secret { return extract.Secret(r.URL + path) }

func certified() *pipeline.Summary {
	return &pipeline.Summary{RunID: "20260102-020000-000000", Command: "sync", Status: pipeline.Certified, Source: "amigo", Orgs: []string{"acme"}, Users: 30, Added: 2,
		StartedAt: "2026-01-02T02:00:00Z", Seconds: 61.5, Certificate: pipeline.Certificate{Certified: true, Proof: "count", As: "user-as-CANARY"}}
}

// with is the summary, changed.
func with(change func(*pipeline.Summary)) *pipeline.Summary {
	s := certified()
	change(s)
	return s
}

func TestEvents(t *testing.T) {
	uncertified := with(func(s *pipeline.Summary) {
		s.Status, s.Certificate.Certified, s.Certificate.Reasons = pipeline.Uncertified, false, []string{"the list kept moving"}
	})
	held := with(func(s *pipeline.Summary) { s.Status, s.DeletesHeld = pipeline.Held, 7 })
	cells := with(func(s *pipeline.Summary) { s.QuarantinedCells = 2 })
	failed := with(func(s *pipeline.Summary) { s.Status, s.Error = pipeline.Failed, "the API is down" })
	for _, tt := range []struct {
		name string
		on   []string
		runs []Run
		want [][]string // events told, a line a notification
	}{
		{"all is well", nil, []Run{{Summary: certified()}}, nil},
		{"failed, and well again", nil, []Run{{Summary: failed, Exit: 1}, {Summary: certified()}, {Summary: certified()}}, [][]string{{Failed}, {Recovered}}},
		{"failed every night", nil, []Run{{Summary: failed, Exit: 1}, {Summary: failed, Exit: 12}, {Exit: -1}}, [][]string{{Failed}, {Failed}, {Failed}}},
		{"uncertified", nil, []Run{{Summary: uncertified, Exit: 3}}, [][]string{{Uncertified}}},
		{"held and quarantined", nil, []Run{{Summary: held, Exit: 3}, {Summary: with(func(s *pipeline.Summary) { s.Status, s.DeletesHeld, s.QuarantinedRows = pipeline.Held, 7, 1 }), Exit: 3}},
			[][]string{{Held}, {Held, Quarantined}}},
		{"not what nobody wants", []string{Failed, Recovered}, []Run{{Summary: cells, Exit: 3}, {Summary: failed, Exit: 1}, {Summary: cells, Exit: 3}, {Summary: certified()}}, [][]string{{Failed}, {Recovered}}},
		{"interrupted", nil, []Run{{Summary: failed, Exit: cli.ExitInterrupted}}, nil},
		{"too late", nil, []Run{{Summary: failed, Exit: cli.ExitInterrupted, Overdue: true}}, [][]string{{Failed}}},
		{"another run is on", nil, []Run{{Summary: failed, Exit: cli.ExitLocked}}, nil},
		{"another run is on while something is wrong", nil, []Run{{Summary: failed, Exit: 1}, {Summary: failed, Exit: cli.ExitLocked}, {Summary: certified()}}, [][]string{{Failed}, {Recovered}}},
		{"a copy is outstanding", nil, []Run{{Summary: certified(), Exit: 3}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hook := receive(t)
			w := publish.Open(t.TempDir())
			for _, r := range tt.runs {
				// A Notifier each: a run is a process.
				n := hasty(config.Notifications{On: tt.on, Webhook: hook.url("/hook")}, w, hook.trust())
				if err := n.Tell(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
			var got [][]string
			for _, r := range hook.bodies(t) {
				got = append(got, r.Events)
				if r.Event != r.Events[0] {
					t.Errorf("%s of %v", r.Event, r.Events)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWebhook(t *testing.T) {
	hook := receive(t)
	w := publish.Open("/var/lib/rollcall")
	n := &Notifier{places: map[string]place{"webhook": &webhook{newClient(hook.trust()), hook.url("/hook"), func(r Report) any { return r }}}, warehouse: w}
	about := report(w, Run{Summary: with(func(s *pipeline.Summary) { s.Status, s.DeletesHeld = pipeline.Held, 7 }), Exit: 3}, []string{Held})
	about.Host = "night"
	about.Text = about.line()
	if err := n.deliver(t.Context(), n.places["webhook"], about); err != nil {
		t.Fatal(err)
	}
	want := `POST /hook application/json {"event":"held","events":["held"],"text":"rollcall held: run 20260102-020000-000000 of acme in /var/lib/rollcall on night: 7 deletions held back",` +
		`"host":"night","warehouse":"/var/lib/rollcall","command":"sync","run_id":"20260102-020000-000000","status":"held","exit_code":3,"source":"amigo","orgs":["acme"],` +
		`"certified":true,"reasons":[],"users":30,"added":2,"changed":0,"deleted":0,"deletes_held":7,"quarantined_rows":0,"quarantined_cells":0,` +
		`"started_at":"2026-01-02T02:00:00Z","seconds":61.5}`
	if d := cmp.Diff([]string{want}, hook.got); d != "" {
		t.Error(d)
	}
}

func TestSlack(t *testing.T) {
	hook := receive(t)
	n := hasty(config.Notifications{Slack: hook.url("/services/T0/B0/x")}, publish.Open(t.TempDir()), hook.trust())
	if err := n.Tell(t.Context(), Run{Summary: with(func(s *pipeline.Summary) { s.Error = "<!channel> & all" }), Exit: 1}); err != nil {
		t.Fatal(err)
	}
	if len(hook.got) != 1 || !strings.HasPrefix(hook.got[0], `POST /services/T0/B0/x application/json {"text":"rollcall failed: `) || !strings.Contains(hook.got[0], `\u0026lt;!channel\u0026gt; \u0026amp; all`) {
		t.Errorf("%q", hook.got)
	}
}

func TestPing(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  Run
		want int
	}{
		{"certified", Run{Summary: certified()}, 1},
		{"nothing changed", Run{Summary: with(func(s *pipeline.Summary) { s.Status = pipeline.Unchanged })}, 1},
		{"certified, with something to look at", Run{Summary: with(func(s *pipeline.Summary) { s.QuarantinedCells = 1 }), Exit: 3}, 1},
		{"uncertified", Run{Summary: with(func(s *pipeline.Summary) { s.Status, s.Certificate.Certified = pipeline.Uncertified, false }), Exit: 3}, 0},
		{"failed", Run{Summary: certified(), Exit: 1}, 0},
		{"crashed", Run{Exit: -1}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hook := receive(t)
			n := hasty(config.Notifications{On: []string{Recovered}, Ping: hook.url("/ping")}, publish.Open(t.TempDir()), hook.trust())
			if err := n.Tell(t.Context(), tt.run); err != nil {
				t.Error(err)
			}
			if len(hook.got) != tt.want || tt.want == 1 && hook.got[0] != "GET /ping  " {
				t.Errorf("%q", hook.got)
			}
		})
	}
}

// A place that fails is tried twice where that may help; what is returned names it and none of its secrets; and the others are told.
func TestPlacesThatFail(t *testing.T) {
	for _, tt := range []struct {
		statuses []int
		tries    int
		want     string
	}{
		{[]int{500, 200}, 2, ""},
		{[]int{503}, 2, "notify webhook: the answer is 503"},
		{[]int{429, 200}, 2, ""},
		{[]int{404}, 1, "notify webhook: the answer is 404"},
		{[]int{302}, 1, "notify webhook: the answer is 302"}, // to another host, perhaps
	} {
		hook, slack := receive(t, tt.statuses...), receive(t)
		trust := hook.trust()
		trust.RootCAs.AddCert(slack.Certificate())
		n := hasty(config.Notifications{Webhook: hook.url("/CANARY-path?key=CANARY-key"), Slack: slack.url("/")}, publish.Open(t.TempDir()), trust)
		var got []string
		for _, err := range n.Tell(t.Context(), Run{Summary: certified(), Exit: 1}) {
			got = append(got, err.Error())
		}
		if strings.Join(got, "\n") != tt.want || len(hook.got) != tt.tries || len(slack.got) != 1 {
			t.Errorf("%v: %q after %d tries; %d told", tt.statuses, got, len(hook.got), len(slack.got))
		}
	}
}

func TestNoSecretIsInAnError(t *testing.T) {
	gone := receive(t)
	gone.Close()
	unknown := receive(t) // its certificate is known to nobody
	for _, to := range []extract.Secret{
		extract.Secret(strings.Replace(gone.URL, "https://", "https://user:CANARY-password@", 1) + "/CANARY-path?CANARY-query"), unknown.url("/CANARY-path"),
		"https://exa mple.com/CANARY", "https://%zz/CANARY",
	} {
		n := hasty(config.Notifications{Webhook: to, Ping: to}, publish.Open(t.TempDir()), nil)
		errs := append(n.Tell(t.Context(), Run{Summary: certified(), Exit: 1}), n.Tell(t.Context(), Run{Summary: certified()})...)
		if len(errs) < 2 {
			t.Errorf("%v", errs)
		}
		for _, err := range errs {
			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestNothingPersonalIsTold(t *testing.T) {
	for _, r := range []Run{
		{Summary: certified(), Exit: 1, Err: errors.New("user ada@example.com is <bob@example.org>\nand mailto:eve@example.net failed")},
		{Summary: with(func(s *pipeline.Summary) { s.Error = "user 'ada@example.com'" }), Exit: 1},
		{Summary: with(func(s *pipeline.Summary) { s.Certificate.Reasons = []string{"because of ada@example.com"} }), Exit: 1, Err: errors.New("x")},
		{Summary: certified(), Exit: 1, Err: fmt.Errorf("publish: %w", &pipeline.CheckError{Failed: []pipeline.CheckResult{{Name: "no_email", Found: "ada@example.com"}}})},
		{Summary: with(func(s *pipeline.Summary) {
			s.Error, s.Checks = "ada@example.com", []pipeline.CheckResult{{Name: "fine", Passed: true}, {Name: "no_email", Found: "ada@example.com"}}
		}), Exit: 1},
	} {
		doc, err := json.Marshal(report(publish.Open("w"), r, []string{Failed}))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"ada@", "bob@", "eve@", "example.", "user-as-CANARY"} {
			if strings.Contains(string(doc), secret) {
				t.Errorf("%s is in %s", secret, doc)
			}
		}
		if strings.Contains(string(doc), "no_email") != (r.Err != nil && strings.Contains(r.Err.Error(), "no_email") || len(r.Summary.Checks) > 0) {
			t.Errorf("the check's name: %s", doc)
		}
	}
	long := report(publish.Open("w"), Run{Exit: 1, Err: errors.New(strings.Repeat("é", 10_000))}, []string{Failed})
	if n := len([]rune(long.Error)); n != maxError+1 {
		t.Errorf("%d letters", n)
	}
}

// A run that was interrupted is told of all the same, by a context that has ended.
func TestAContextThatHasEnded(t *testing.T) {
	hook := receive(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := hasty(config.Notifications{Webhook: hook.url("/")}, publish.Open(t.TempDir()), hook.trust())
	if err := n.Tell(ctx, Run{Summary: certified(), Exit: 1}); err != nil || len(hook.got) != 1 {
		t.Errorf("%v, %d told", err, len(hook.got))
	}
}

func TestWithoutPlacesNothingIsRemembered(t *testing.T) {
	dir := t.TempDir()
	if err := New(config.Notifications{}, publish.Open(dir), nil).Tell(t.Context(), Run{Exit: 1}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, stateTag)); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// post is a mail server.
type post struct {
	mu       sync.Mutex
	sessions []session
}

// session is a mail that came, and how.
type session struct {
	secure         bool
	user, password string
	from           string
	to             []string
	text           string

	conn *smtp.Conn
	post *post
}

func (p *post) NewSession(c *smtp.Conn) (smtp.Session, error) { return &session{conn: c, post: p}, nil }

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.user, s.password = user, password
		if password != "CANARY-password" {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error   { s.to = append(s.to, to); return nil }
func (s *session) Reset()                                      {}
func (s *session) Logout() error                               { return nil }

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	_, s.secure = s.conn.TLSConnectionState()
	s.text, s.conn = string(text), nil
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.sessions = append(s.post.sessions, *s)
	return err
}

// serveMail serves mail on loopback, secured as the client is told to expect it.
func serveMail(t *testing.T, how config.MailTLS, certificates []tls.Certificate) (*post, string) {
	t.Helper()
	p := &post{}
	server := smtp.NewServer(p)
	server.Domain = "mail.test"
	if how != config.MailPlain {
		server.TLSConfig = &tls.Config{Certificates: certificates}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if how == config.MailImplicit {
		l = tls.NewListener(l, server.TLSConfig)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return p, address
}

func TestEmail(t *testing.T) {
	known := receive(t) // for its certificate
	for _, tt := range []struct {
		how      config.MailTLS
		password extract.Secret
	}{
		{config.MailStartTLS, "CANARY-password"}, {config.MailStartTLS, ""}, {config.MailImplicit, "CANARY-password"}, {config.MailPlain, ""},
	} {
		t.Run(string(tt.how)+" "+fmt.Sprint(tt.password != ""), func(t *testing.T) {
			p, address := serveMail(t, tt.how, known.TLS.Certificates)
			c := config.Notifications{Email: config.Email{Server: address, TLS: tt.how, From: "Rollcall <rollcall@example.com>", To: []string{"ops@example.com", "dba@example.com"}}, Password: tt.password}
			if tt.password != "" {
				c.Username = "rollcall"
			}
			n := New(c, publish.Open(t.TempDir()), known.trust())
			if err := n.Tell(t.Context(), Run{Summary: with(func(s *pipeline.Summary) { s.Status, s.DeletesHeld = pipeline.Held, 7 }), Exit: 3}); err != nil {
				t.Fatal(err)
			}
			if len(p.sessions) != 1 {
				t.Fatalf("%d mails", len(p.sessions))
			}
			got := p.sessions[0]
			if got.secure != (tt.how != config.MailPlain) || got.password != tt.password.Reveal() || got.from != "rollcall@example.com" || !cmp.Equal(got.to, []string{"ops@example.com", "dba@example.com"}) {
				t.Errorf("%+v", got)
			}
			for _, want := range []string{"Subject: rollcall held: acme\r\n", "From: \"Rollcall\" <rollcall@example.com>\r\n", "Date: ", "Message-ID: ", "7 deletions held back", `"deletes_held": 7`} {
				if !strings.Contains(got.text, want) {
					t.Errorf("without %q: %s", want, got.text)
				}
			}
		})
	}
}

func TestMailThatIsNotSent(t *testing.T) {
	known := receive(t)
	for _, tt := range []struct {
		name     string
		server   config.MailTLS
		client   config.MailTLS
		password extract.Secret
		trust    *tls.Config
	}{
		{"no STARTTLS, and the password stays here", config.MailPlain, config.MailStartTLS, "CANARY-password", known.trust()},
		{"a certificate that nobody knows", config.MailStartTLS, config.MailStartTLS, "CANARY-password", nil},
		{"the wrong password", config.MailStartTLS, config.MailStartTLS, "CANARY-wrong", known.trust()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, address := serveMail(t, tt.server, known.TLS.Certificates)
			c := config.Notifications{Email: config.Email{Server: address, TLS: tt.client, From: "a@example.com", To: []string{"b@example.com"}}, Username: "u", Password: tt.password}
			errs := hasty(c, publish.Open(t.TempDir()), tt.trust).Tell(t.Context(), Run{Summary: certified(), Exit: 1})
			if len(errs) != 1 || len(p.sessions) != 0 || strings.Contains(fmt.Sprint(errs), "CANARY") {
				t.Errorf("%v; %d mails", errs, len(p.sessions))
			}
		})
	}
}
