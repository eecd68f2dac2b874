package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-data/rollcall/transform/pii"
)

const (
	maxPage       = 100    // the documented cap of the list's limit, api/amigo.md §2.1
	maxOffsetPage = 10_000 // servers of the offset dialect name none
)

// checkPath refuses what the system or DuckDB cannot open: DuckDB takes what follows a question mark for settings.
func checkPath(p string) error {
	switch {
	case strings.TrimSpace(p) == "":
		return errors.New("names no file or folder")
	case strings.ContainsFunc(p, unicode.IsControl):
		return errors.New("holds a control character")
	case strings.Contains(p, "?"):
		return errors.New("holds a question mark, which DuckDB cannot open")
	}
	return nil
}

// checkOrg keeps an organization one segment of a URL's path and one line of a log.
func checkOrg(org string) error {
	switch {
	case strings.TrimSpace(org) == "":
		return errors.New("names no organization")
	case strings.ContainsFunc(org, unicode.IsControl) || !utf8.ValidString(org):
		return errors.New("holds a control character")
	case strings.ContainsAny(org, `/\`):
		return errors.New("holds a slash")
	case org == "." || org == "..":
		return errors.New("is no organization")
	}
	return nil
}

// leastMemory is what DuckDB needs for rows of some megabytes, in bytes.
const leastMemory = 64 << 20

// checkMemory takes an amount of memory as DuckDB writes it, or auto.
func checkMemory(m string) error {
	if m == "auto" {
		return nil
	}
	units := []struct {
		suffix string
		bytes  float64
	}{{"MiB", 1 << 20}, {"GiB", 1 << 30}, {"MB", 1e6}, {"GB", 1e9}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(m, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			break
		}
		if float64(n)*u.bytes < leastMemory {
			return errors.New("is less than 64MiB")
		}
		return nil
	}
	return errors.New("is neither auto nor an amount of memory such as 800MB")
}

func checkGroup(g string) error {
	if strings.ContainsFunc(g, unicode.IsControl) || strings.ContainsAny(g, "/:") {
		return errors.New("is no name of a group")
	}
	return nil
}

// checkBaseURL allows https anywhere, and http where nobody can listen in. The URL carries no user, which would be a secret
// in the wrong place.
func checkBaseURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("must be a URL such as https://api.amigo.ai")
	case u.User != nil:
		return errors.New("must not carry a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must not carry a query or fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("must be https: plain http is for this machine only")
	}
	return errors.New("must be an https URL")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// validate holds what no value shows by itself.
func (c *Config) validate() error {
	for _, r := range c.PII {
		if r.Action == pii.Hash && !c.PIIKey.IsSet() {
			return c.fieldError("pii", r.Path+" is to be hashed, and there is no key: set ROLLCALL_PII_KEY, or pii_key: file:/path")
		}
	}
	if c.PageSize > maxPage && c.Paging != PagingOffset {
		return c.fieldError("page_size", "is more than 100, the most the API gives a page; larger ones need --paging offset")
	}
	if c.SQLColumns == SQLColumnsOn && c.Source != Amigo {
		return c.fieldError("sql_columns", "is about source: amigo, and the source is "+string(c.Source))
	}
	if _, err := c.Times(); err != nil {
		return err
	}
	return cmp.Or(c.validatePublish(), c.validateLake(), c.validateNotify(), c.validateJournal())
}

// RequireSource says whether there is somebody to ask: Amigo needs an organization.
func (c *Config) RequireSource() error {
	if c.Source != Freddy && len(c.Orgs) == 0 {
		return &FieldError{Key: "org", Reason: "no organization is named", hints: []string{
			"name one with --org, AMIGO_ORGANIZATION_ID or org: in the configuration",
			"to try rollcall without an account: rollcall sync --sandbox",
		}}
	}
	return nil
}

// fieldError is about a key's value in force.
func (c *Config) fieldError(key, reason string) *FieldError {
	k, _ := findKey(key)
	return &FieldError{Key: key, Value: showText(k.field.show(c)), Origin: c.origins[key], Reason: reason}
}

// checkPathMode checks PATH=MODE of schema.paths.
func checkPathMode(s string) error {
	path, mode, found := strings.Cut(s, "=")
	if !found || !strings.HasPrefix(path, "$.preferences.") || !slices.Contains(contractModes, mode) {
		return fmt.Errorf("%q is not a path and its mode, as $.preferences.volume: freeze", s)
	}
	return nil
}
