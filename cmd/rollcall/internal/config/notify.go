package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-data/rollcall/extract"
)

// Notify is whom a run tells how it ended.
type Notify struct {
	On      []string   // the events that are told: notifyEvents
	Webhook Credential // URL that a JSON document is posted to
	Slack   Credential // URL of an incoming webhook
	Ping    Credential // URL that is fetched when a run went well, and only then
	Email   Email
}

// Email is where mail goes, and by which server.
type Email struct {
	Server   string // HOST:PORT; empty: no mail is sent
	TLS      MailTLS
	From     string
	To       []string
	Username Credential
	Password Credential
}

// MailTLS is how the connection to the mail server is secured.
type MailTLS string

// The ways.
const (
	MailStartTLS MailTLS = "starttls" // as a rule on port 587
	MailImplicit MailTLS = "implicit" // as a rule on port 465
	MailPlain    MailTLS = "none"     // not at all, and without a password: a relay in one's own network
)

// notifyEvents are the events there are.
var notifyEvents = []string{"failed", "uncertified", "held", "quarantined", "recovered"}

func checkEvent(s string) error {
	if !slices.Contains(notifyEvents, s) {
		return fmt.Errorf("%q is no event: %s", s, strings.Join(notifyEvents, ", "))
	}
	return nil
}

func checkMailServer(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || port == "" || strings.ContainsAny(s, "/@ ") {
		return errors.New("must be HOST:PORT such as smtp.example.com:587")
	}
	return nil
}

func checkAddress(s string) error {
	if _, err := mail.ParseAddress(s); err != nil || strings.ContainsAny(s, "\r\n") {
		return errors.New("must be e-mail addresses such as ops@example.com")
	}
	return nil
}

// validateNotify holds what the keys about notifications say together.
func (c *Config) validateNotify() error {
	e := c.Notify.Email
	switch {
	case e.Server == "":
		for _, key := range []string{"notify.email.from", "notify.email.to", "notify.email.username", "notify.email.password", "notify.email.tls"} {
			if c.origins[key].Place == FromFile {
				return c.fieldError(key, "is about mail, and no server is named: notify.email.server")
			}
		}
	case e.From == "":
		return c.fieldError("notify.email.server", "needs notify.email.from: who the mail is from")
	case len(e.To) == 0:
		return c.fieldError("notify.email.server", "needs notify.email.to: whom the mail is for")
	case e.TLS == MailPlain && e.Password.IsSet():
		return c.fieldError("notify.email.tls", "does not go with a password, which anybody on the way could read")
	case e.Username.IsSet() != e.Password.IsSet():
		return c.fieldError("notify.email.server", "needs both notify.email.username and notify.email.password, or neither")
	}
	return nil
}

// Notifications are the places that notifications go to, with their secrets.
type Notifications struct {
	On                   []string
	Webhook, Slack, Ping extract.Secret // URLs; empty: not there
	Email                Email          // Username and Password of it are the two below
	Username, Password   extract.Secret
}

// Notifications reads the secrets of the places that notifications go to. The error is a *FieldError, and repeats none of them.
func (c *Config) Notifications(ctx context.Context) (Notifications, error) {
	n := c.Notify
	out := Notifications{On: n.On, Email: n.Email}
	for _, s := range []struct {
		credentialSlot
		url bool
	}{
		{credentialSlot{"notify.webhook", n.Webhook, &out.Webhook}, true},
		{credentialSlot{"notify.slack", n.Slack, &out.Slack}, true},
		{credentialSlot{"notify.ping", n.Ping, &out.Ping}, true},
		{credentialSlot{"notify.email.username", n.Email.Username, &out.Username}, false},
		{credentialSlot{"notify.email.password", n.Email.Password, &out.Password}, false},
	} {
		if !s.from.IsSet() {
			continue
		}
		value, err := s.from.reveal(ctx)
		if err == nil && s.url {
			err = checkSecretURL(value.Reveal())
		}
		if err != nil {
			return Notifications{}, &FieldError{Key: s.key, Origin: c.origins[s.key], Reason: s.from.where() + err.Error()}
		}
		*s.to = value
	}
	return out, nil
}

// checkSecretURL allows what checkBaseURL allows, and what carries secrets in a URL: a query, a user.
func checkSecretURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return errors.New("must be a URL such as https://hooks.example.com/…")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("must be https: plain http is for this machine only")
}

// Any tells whether there is anybody to tell.
func (n Notifications) Any() bool {
	return n.Webhook != "" || n.Slack != "" || n.Ping != "" || n.Email.Server != ""
}
