package config

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	slash "path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/load/objectstore"
)

// Lake is the lakehouse that rollcall-lake, a program of its own, publishes versions to. Without a Location there is none.
type Lake struct {
	Catalog    string     // rest or sql
	URI        Credential // of the catalog; it may hold a password
	Location   string     // s3://BUCKET/PREFIX or file:///FOLDER
	Namespace  string     // the tables are in
	Buckets    int        // of a table that the first publish makes
	Endpoint   string     // of an S3-compatible server; empty: as the AWS configuration says
	Region     string     // of the bucket; empty: as the AWS configuration says
	PathStyle  bool       // the bucket is in the path of requests, not in the host's name
	Token      Credential // for a REST catalog: a bearer token
	Credential Credential // for a REST catalog: CLIENT:SECRET, exchanged for a token
	Command    string     // rollcall-lake; empty: beside this program, else on the PATH
	Deadline   time.Duration

	denied error // why the command may not run; nil where it may
}

// The catalogs of lakes.
const (
	lakeREST = "rest"
	lakeSQL  = "sql"
)

func defaultLake() Lake { return Lake{Namespace: "rollcall", Buckets: 16, Deadline: time.Hour} }

// IsSet tells whether there is a lake.
func (l Lake) IsSet() bool { return l.Location != "" }

func checkLakeLocation(s string) error {
	if strings.HasPrefix(s, "s3://") {
		_, _, err := objectstore.ParseURL(s)
		return err
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "file" || u.Host != "" || u.RawQuery != "" || u.Fragment != "" ||
		u.Path == "" || u.Path == "/" || slash.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") {
		return errors.New("must be s3://BUCKET/PREFIX or file:///FOLDER")
	}
	return nil
}

var namespace = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}(\.[a-z][a-z0-9_]{0,63}){0,7}$`)

func checkNamespace(s string) error {
	if !namespace.MatchString(s) {
		return errors.New("must be lower-case letters, digits and underscores; a dot between levels")
	}
	return nil
}

// address is the URI of a lake's catalog, a secret only where it carries one: then the file may only say where it is.
func address(at func(*Config) *Credential) field {
	f := secret(at)
	f.schema = jsonschema.Schema{Type: "string", MinLength: ptr(1)}
	f.set = func(c *Config, g given) error {
		v, err := parseCredential(g)
		if err != nil {
			return err
		}
		if g.file != nil && carriesSecret(v.literal.Reveal()) {
			return errors.New("carries a password: it must be file:PATH or command:COMMAND, for a secret does not belong in this file")
		}
		*at(c) = v
		return nil
	}
	f.show = func(c *Config) any {
		if v := *at(c); v.literal != "" && !carriesSecret(v.literal.Reveal()) {
			return v.literal.Reveal()
		}
		return at(c).String()
	}
	return f
}

// plainParameters are what a query of a catalog's address may say without being a secret.
var plainParameters = []string{"sslmode", "sslrootcert", "connect_timeout", "application_name", "search_path", "_pragma", "_txlock"}

// carriesSecret tells whether a URI may have a secret in it: a password, whoever signs in to a web server, a query that could be anything.
func carriesSecret(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil {
		return true
	}
	_, password := u.User.Password()
	web := u.Scheme == "http" || u.Scheme == "https"
	return password || web && u.User != nil || u.Fragment != "" || len(secretParameters(u)) > 0
}

func secretParameters(u *url.URL) []string {
	var out []string
	for name, values := range u.Query() {
		if !slices.Contains(plainParameters, name) {
			out = append(out, values...)
		}
	}
	return out
}

// withoutSecret is a URI without what is secret in it.
func withoutSecret(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case !carriesSecret(uri):
		return uri
	}
	name := u.User.Username()
	if u.User = nil; name != "" && strings.HasPrefix(u.Scheme, "postgres") {
		u.User = url.User(name)
	}
	kept := u.Query()
	for name := range kept {
		if !slices.Contains(plainParameters, name) {
			kept.Del(name)
		}
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = kept.Encode(), false, "", ""
	return u.String()
}

// checkLakeURI checks the address of a catalog. Nothing of it is in the error.
func checkLakeURI(catalog, uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
	case catalog == lakeREST && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())):
		return nil
	case catalog == lakeREST && u.Host != "" && u.Scheme == "http":
		return errors.New("must be https: plain http is for this machine only")
	case catalog == lakeSQL && (u.Scheme == "postgres" || u.Scheme == "postgresql") && u.Host != "",
		catalog == lakeSQL && u.Scheme == "sqlite" && slash.IsAbs(u.Path) && u.Host == "":
		return nil
	}
	if catalog == lakeREST {
		return errors.New("must be a URL such as https://catalog.example.com")
	}
	return errors.New("must be postgres://HOST/DATABASE or sqlite:/FILE")
}

// validateLake holds what the keys about the lake say together.
func (c *Config) validateLake() error {
	l := c.Lake
	switch set := l.Catalog != "" || l.URI.IsSet() || l.IsSet(); {
	case !set:
		return c.validateNoLake()
	case !l.IsSet():
		return c.fieldError(cmp.Or(c.given("lake.catalog"), "lake.uri"), "needs lake.location: where the tables' files go, as s3://BUCKET/PREFIX")
	case l.Catalog == "":
		return c.fieldError("lake.location", "needs lake.catalog: rest or sql")
	case !l.URI.IsSet():
		return c.fieldError("lake.location", "needs lake.uri: where the catalog is")
	case l.Catalog != lakeREST && l.Token.IsSet():
		return c.fieldError("lake.token", "is about lake.catalog: rest")
	case l.Catalog != lakeREST && l.Credential.IsSet():
		return c.fieldError("lake.credential", "is about lake.catalog: rest")
	}
	if strings.HasPrefix(l.Location, "file:") {
		for _, key := range []string{"lake.endpoint", "lake.region", "lake.path_style"} {
			if !c.asByDefault(key) {
				return c.fieldError(key, "is about a lake.location in object storage")
			}
		}
	}
	if uri := l.URI.literal.Reveal(); uri != "" {
		if err := checkLakeURI(l.Catalog, uri); err != nil {
			return &FieldError{Key: "lake.uri", Origin: c.origins["lake.uri"], Reason: err.Error()}
		}
	}
	return nil
}

// validateNoLake refuses settings of a lake that is not there. The program may be named all the same: rollcall lake runs it with what it is given.
func (c *Config) validateNoLake() error {
	for _, k := range keys {
		if strings.HasPrefix(k.Name, "lake.") && k.Name != "lake.command" && !c.asByDefault(k.Name) {
			return c.fieldError(k.Name, "is about the lake, which is not set: lake.catalog, lake.uri and lake.location")
		}
	}
	return nil
}

// given is the key where it was set.
func (c *Config) given(key string) string {
	if c.origins[key].Place == FromDefault {
		return ""
	}
	return key
}

// asByDefault tells whether a key says what it would if nothing were said.
func (c *Config) asByDefault(key string) bool {
	k, _ := findKey(key)
	return showText(k.field.show(c)) == showText(k.field.show(Default()))
}

// LakeAccess is how rollcall-lake reaches a lake.
type LakeAccess struct {
	Catalog, Location, Namespace string
	URI                          extract.Secret
	Buckets                      int // 0: as rollcall-lake has it
	Endpoint, Region             string
	PathStyle                    bool
	Token, Credential            extract.Secret
}

// LakeAccess reads the lake's secrets from wherever they are. The error is a *FieldError, and repeats none of them.
func (c *Config) LakeAccess(ctx context.Context) (LakeAccess, error) {
	l := c.Lake
	out := LakeAccess{
		Catalog: l.Catalog, Location: l.Location, Namespace: l.Namespace, Buckets: l.Buckets, Endpoint: l.Endpoint, Region: l.Region, PathStyle: l.PathStyle,
	}
	for _, s := range []credentialSlot{{"lake.uri", l.URI, &out.URI}, {"lake.token", l.Token, &out.Token}, {"lake.credential", l.Credential, &out.Credential}} {
		if !s.from.IsSet() {
			continue
		}
		value, err := s.from.reveal(ctx)
		if ctx.Err() != nil {
			return LakeAccess{}, ctx.Err()
		}
		if err == nil && s.key == "lake.uri" {
			err = checkLakeURI(l.Catalog, value.Reveal())
		}
		if err != nil {
			return LakeAccess{}, &FieldError{Key: s.key, Origin: c.origins[s.key], Reason: s.from.where() + err.Error()}
		}
		*s.to = value
	}
	return out, nil
}

// PublicURI is the catalog's address without what is secret in it.
func (a LakeAccess) PublicURI() string { return withoutSecret(a.URI.Reveal()) }

// Secrets are the texts that nothing may print.
func (a LakeAccess) Secrets() []extract.Secret {
	var out []extract.Secret
	if uri := a.URI.Reveal(); carriesSecret(uri) {
		out = append(out, a.URI)
		if u, err := url.Parse(uri); err == nil {
			password, _ := u.User.Password()
			for _, text := range append(secretParameters(u), password) {
				out = append(out, extract.Secret(text))
			}
		}
	}
	_, half, _ := strings.Cut(a.Credential.Reveal(), ":")
	out = append(out, a.Token, a.Credential, extract.Secret(half))
	return slices.DeleteFunc(out, func(s extract.Secret) bool { return s == "" })
}

// Variables are what rollcall-lake takes its settings from, as NAME=VALUE: those of our own keys. They hold the secrets.
func (a LakeAccess) Variables() []string {
	var out []string
	set := func(key, value string) {
		if k, ok := findKey(key); ok && value != "" {
			out = append(out, k.Env()[0]+"="+value)
		}
	}
	set("lake.catalog", a.Catalog)
	set("lake.uri", a.URI.Reveal())
	set("lake.location", a.Location)
	set("lake.namespace", a.Namespace)
	if a.Buckets > 0 {
		set("lake.buckets", strconv.Itoa(a.Buckets))
	}
	set("lake.endpoint", a.Endpoint)
	set("lake.region", a.Region)
	if a.PathStyle {
		set("lake.path_style", "true")
	}
	set("lake.token", a.Token.Reveal())
	set("lake.credential", a.Credential.Reveal())
	return out
}

// LakeCommand is the program rollcall-lake as it was named; empty where it was not. The error is a *FieldError.
func (c *Config) LakeCommand() (string, error) {
	if err := c.Lake.denied; err != nil {
		return "", &FieldError{Key: "lake.command", Value: c.Lake.Command, Origin: c.origins["lake.command"], Reason: "the program is not run: " + err.Error()}
	}
	return c.Lake.Command, nil
}

// program is the path of rollcall-lake: who can write the file that names it could run anything as us.
func program() field {
	f := path(func(c *Config) *string { return &c.Lake.Command })
	set := f.set
	f.set = func(c *Config, g given) error {
		if c.Lake.denied = nil; g.file != nil {
			c.Lake.denied = g.file.othersWrite()
		}
		return set(c, g)
	}
	return f
}
