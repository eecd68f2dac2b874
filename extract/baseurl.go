package extract

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// ParseBaseURL checks the address of an API: https, or http to loopback (127.0.0.0/8, ::1, localhost), with a host, perhaps a port and a
// path, and nothing else. Errors do not quote the URL, which may hold a password.
func ParseBaseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.User != nil:
		return nil, errors.New("a base URL must hold no user name or password")
	case u.Host == "" || u.Hostname() == "":
		return nil, errors.New("a base URL needs a scheme and a host, as in https://api.example.com")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, errors.New("a base URL has no query and no fragment")
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, errors.New("plain http would send the credentials in the clear and is for loopback only; use https")
	default:
		return nil, errors.New("a base URL starts with https://")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// resolve is the address of a call under base. The call's path is taken as it is escaped: a %2F in it stays one.
func resolve(base *url.URL, call Call) (*url.URL, error) {
	if !strings.HasPrefix(call.Path, "/") {
		return nil, errors.New("a call's path must be absolute")
	}
	path, err := url.PathUnescape(call.Path)
	if err != nil {
		return nil, errors.New("a call's path must be escaped")
	}
	u := *base
	u.RawPath = base.EscapedPath() + call.Path
	u.Path = base.Path + path
	u.RawQuery = call.Query.Encode()
	return &u, nil
}
