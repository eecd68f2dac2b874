package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
)

// newClient goes through the proxy of the environment, and follows no redirect: what is posted is meant for that address alone.
func newClient(trust *tls.Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if trust != nil {
		transport.TLSClientConfig = trust.Clone()
	}
	transport.DisableKeepAlives = true
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// webhook posts a document of its making.
type webhook struct {
	client *http.Client
	url    extract.Secret
	form   func(Report) any
}

func (w *webhook) send(ctx context.Context, r Report) error {
	doc, err := json.Marshal(w.form(r))
	if err != nil {
		return &permanentError{err}
	}
	return request(ctx, w.client, http.MethodPost, w.url, doc)
}

// ping fetches a URL.
type ping struct {
	client *http.Client
	url    extract.Secret
}

func (p *ping) send(ctx context.Context, _ Report) error {
	return request(ctx, p.client, http.MethodGet, p.url, nil)
}

// maxAnswer is how much of an answer is read, and dropped.
const maxAnswer = 64 << 10

func request(ctx context.Context, client *http.Client, method string, to extract.Secret, doc []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, to.Reveal(), bytes.NewReader(doc))
	if err != nil {
		return &permanentError{errors.New("the URL is none")} // the error would repeat it
	}
	req.Header.Set("User-Agent", "rollcall")
	if doc != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	answer, err := client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // only the status counts
	switch {
	case answer.StatusCode < 300:
		return nil
	case answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode >= 500:
		return fmt.Errorf("the answer is %d", answer.StatusCode)
	}
	return &permanentError{fmt.Errorf("the answer is %d", answer.StatusCode)}
}

// withoutURL leaves the cause: the URL is a secret.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// slackMessage is what an incoming webhook of Slack takes.
type slackMessage struct {
	Text string `json:"text"`
}

// slackText escapes what Slack takes for markup.
func slackText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// email sends mail.
type email struct {
	c     config.Notifications
	trust *tls.Config
}

func (e *email) send(ctx context.Context, r Report) error {
	client, err := e.client()
	if err != nil {
		return &permanentError{fmt.Errorf("the mail server: %w", err)}
	}
	m := mail.NewMsg()
	if err := errors.Join(m.From(e.c.Email.From), m.To(e.c.Email.To...)); err != nil {
		return &permanentError{err}
	}
	subject := r.Warehouse
	if len(r.Orgs) > 0 {
		subject = strings.Join(r.Orgs, ", ")
	}
	m.Subject("rollcall " + strings.Join(r.Events, ", ") + ": " + subject)
	m.SetDate()
	m.SetMessageID()
	doc, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return &permanentError{err}
	}
	m.SetBodyString(mail.TypeTextPlain, r.Text+"\n\n"+string(doc)+"\n")
	if err := client.DialAndSendWithContext(ctx, m); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}

func (e *email) client() (*mail.Client, error) {
	host, port, err := net.SplitHostPort(e.c.Email.Server)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	options := []mail.Option{mail.WithPort(n), mail.WithTimeout(perTry)}
	switch e.c.Email.TLS {
	case config.MailImplicit:
		options = append(options, mail.WithSSL())
	case config.MailPlain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if e.trust != nil {
		trust := e.trust.Clone()
		trust.ServerName = host
		options = append(options, mail.WithTLSConfig(trust))
	}
	if e.c.Password != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.c.Username.Reveal()), mail.WithPassword(e.c.Password.Reveal()))
	}
	return mail.NewClient(host, options...)
}
