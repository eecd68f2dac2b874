// Package catalog opens Iceberg catalogs: REST, and SQL on Postgres or in an SQLite file.
//
// Names of tables are kept in the catalog, their metadata and data where Settings.Location says. Credentials of object storage come from the usual AWS
// chain (environment, shared files, web identity, instance), never from here. A password or token of the catalog is a Secret, and what a driver says
// about a failure is not repeated where it could hold one.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	icebergcatalog "github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	sqlcatalog "github.com/apache/iceberg-go/catalog/sql"
	iceio "github.com/apache/iceberg-go/io"
	_ "github.com/apache/iceberg-go/io/gocloud/s3" // s3:// locations
	"github.com/apache/iceberg-go/table"
	_ "github.com/jackc/pgx/v5/stdlib" // Postgres
	_ "modernc.org/sqlite"             // one machine, and tests
)

// Kinds of catalogs.
const (
	REST = "rest"
	SQL  = "sql"
)

// sqlName is the catalog's name in a database, which can hold several. Readers open it by this name (PyIceberg, Spark's JDBC catalog).
const sqlName = "rollcall"

// Settings say where a catalog is and where its tables are.
type Settings struct {
	Kind       string // REST or SQL
	URI        Secret // REST: its address; SQL: postgres://… or sqlite:FILE
	Token      Secret // REST: a bearer token as it is
	Credential Secret // REST: client id and secret, ID:SECRET, exchanged for a token
	Warehouse  string // REST: the catalog's own name for a warehouse; empty: its default

	Location  string // s3://BUCKET/PREFIX or file:///FOLDER
	Endpoint  string // of an S3-compatible server; empty: AWS
	Region    string
	PathStyle bool
}

// SettingError says which setting is wrong.
type SettingError struct {
	Setting string // as its flag: catalog
	What    string
	Advice  []string
}

func (e *SettingError) Error() string { return e.Setting + ": " + e.What }

// Hints says what to do.
func (e *SettingError) Hints() []string { return e.Advice }

// Validate looks at the settings without opening anything. Its error is a *SettingError.
func (s Settings) Validate() error {
	switch {
	case s.Kind != REST && s.Kind != SQL:
		return &SettingError{"catalog", fmt.Sprintf("%q is not rest or sql", s.Kind), []string{"--catalog rest or --catalog sql, or ROLLCALL_LAKE_CATALOG"}}
	case s.URI == "":
		return &SettingError{"uri", "it is missing", []string{"--uri or ROLLCALL_LAKE_URI: the catalog's address, postgres://… or sqlite:FILE"}}
	case s.Location == "":
		return &SettingError{"location", "it is missing", []string{"--location or ROLLCALL_LAKE_LOCATION: s3://BUCKET/PREFIX or file:///FOLDER"}}
	}
	if err := s.validateLocation(); err != nil {
		return err
	}
	if s.Kind == SQL {
		_, _, _, err := s.database()
		return err
	}
	at, err := url.Parse(s.URI.Reveal())
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return &SettingError{"uri", "it is no http or https address", nil}
	}
	return nil
}

func (s Settings) validateLocation() error {
	at, err := url.Parse(s.Location)
	switch {
	case err != nil || at.RawQuery != "" || at.Fragment != "" || at.User != nil:
		return &SettingError{"location", "it is no plain s3:// or file:// address", nil}
	case at.Scheme == "s3" && at.Host != "", at.Scheme == "file" && at.Host == "" && filepath.IsAbs(at.Path) && strings.Trim(at.Path, "/") != "":
		if s.staysAsWritten(at) {
			return nil
		}
		return &SettingError{
			"location", fmt.Sprintf("%q would become another address with the names of files behind it", s.Location),
			[]string{"letters, digits and . _ - + = are safe in it; blanks, %, quotation marks, other alphabets and .. are not"},
		}
	}
	return &SettingError{"location", fmt.Sprintf("%q is neither s3://BUCKET/PREFIX nor file:///FOLDER", s.Location), nil}
}

// staysAsWritten tells whether the addresses of files below a location begin with it. The library joins them as URLs, escaping what these do not take, and opens
// local files unescaped: those of other locations are written, but then neither other readers find them, nor what lists the location to remove files.
func (s Settings) staysAsWritten(at *url.URL) bool {
	location := strings.TrimRight(s.Location, "/")
	if at.Scheme == "file" { // where // is /
		return at.EscapedPath() == at.Path && !strings.Contains(location, "%") && !slices.Contains(strings.Split(at.Path, "/"), "..")
	}
	return at.JoinPath("x").String() == location+"/x"
}

// database is the driver and address of an SQL catalog.
func (s Settings) database() (driver, address string, dialect sqlcatalog.SupportedDialect, err error) {
	uri := s.URI.Reveal()
	if file, ok := strings.CutPrefix(uri, "sqlite:"); ok && file != "" {
		at := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath()}
		return "sqlite", at.String() + "?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate", sqlcatalog.SQLite, nil
	}
	if at, err := url.Parse(uri); err == nil && (at.Scheme == "postgres" || at.Scheme == "postgresql") {
		return "pgx", uri, sqlcatalog.Postgres, nil
	}
	return "", "", "", &SettingError{"uri", "an SQL catalog is at postgres://… or sqlite:FILE", nil}
}

// Catalog is an open catalog.
type Catalog struct {
	icebergcatalog.Catalog

	db io.Closer
}

// Close ends the connection.
func (c *Catalog) Close() error {
	if c.db == nil {
		return nil
	}
	return c.db.Close()
}

// Open opens a catalog, and makes its tables in a database that has none. The caller closes it.
func Open(ctx context.Context, s Settings) (*Catalog, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.Kind == REST {
		return s.openREST(ctx)
	}
	return s.openSQL(ctx)
}

// properties are what iceberg-go reads about storage.
func (s Settings) properties() iceberg.Properties {
	p := iceberg.Properties{}
	if s.Endpoint != "" {
		p[iceio.S3EndpointURL] = s.Endpoint
		p[iceio.S3ForceVirtualAddressing] = fmt.Sprint(!s.PathStyle)
	}
	if s.Region != "" {
		p[iceio.S3Region] = s.Region
	}
	return p
}

func (s Settings) openREST(ctx context.Context) (*Catalog, error) {
	options := []rest.Option{rest.WithAdditionalProps(s.properties())}
	if s.Token != "" {
		options = append(options, rest.WithOAuthToken(s.Token.Reveal()))
	}
	if s.Credential != "" {
		options = append(options, rest.WithCredential(s.Credential.Reveal()))
	}
	if s.Warehouse != "" {
		options = append(options, rest.WithWarehouseLocation(s.Warehouse))
	}
	c, err := rest.NewCatalog(ctx, sqlName, s.URI.Reveal(), options...)
	if err != nil {
		return nil, &UnavailableError{s.clean(err)}
	}
	return &Catalog{Catalog: c}, nil
}

func (s Settings) openSQL(ctx context.Context) (*Catalog, error) {
	driver, address, dialect, err := s.database()
	if err != nil {
		return nil, err
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		return nil, &UnavailableError{s.clean(err)}
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(&UnavailableError{s.clean(err)}, db.Close())
	}
	properties := s.properties()
	properties["warehouse"] = s.Location
	properties["init_catalog_tables"] = "true"
	c, err := sqlcatalog.NewCatalog(sqlName, db, dialect, properties)
	if err != nil { // two that make the tables at once: one of them is told that they are there
		if c, err = sqlcatalog.NewCatalog(sqlName, db, dialect, properties); err != nil {
			return nil, errors.Join(&UnavailableError{s.clean(err)}, db.Close())
		}
	}
	return &Catalog{Catalog: c, db: db}, nil
}

// UnavailableError says that a catalog cannot be reached.
type UnavailableError struct{ err error }

func (e *UnavailableError) Error() string { return "open the catalog: " + e.err.Error() }

// Unwrap is what was said.
func (e *UnavailableError) Unwrap() error { return e.err }

// Hints says what to do.
func (e *UnavailableError) Hints() []string {
	return []string{"the tables are as they were: run it again when the catalog is there, which --uri names"}
}

// cleaned is an error without what is secret in the settings.
type cleaned struct {
	text string
	err  error
}

func (e *cleaned) Error() string { return e.text }

func (e *cleaned) Unwrap() error { return e.err }

// clean takes the settings' secrets out of an error's text.
func (s Settings) clean(err error) error { return &cleaned{s.Redact(err.Error()), err} }

// Redact takes the settings' secrets out of a text.
func (s Settings) Redact(text string) string {
	secrets := []string{s.Token.Reveal(), s.Credential.Reveal()}
	if at, err := url.Parse(s.URI.Reveal()); err == nil && at.User != nil {
		if password, ok := at.User.Password(); ok {
			secrets = append(secrets, s.URI.Reveal(), password, url.QueryEscape(password), url.PathEscape(password))
		}
		if s.Kind == REST {
			secrets = append(secrets, at.User.Username())
		}
	}
	if _, query, ok := strings.Cut(s.URI.Reveal(), "?"); ok && s.Kind == SQL && query != "" {
		secrets = append(secrets, query) // password=… may stand here too
		if values, err := url.ParseQuery(query); err == nil && values.Get("password") != "" {
			secrets = append(secrets, values.Get("password"))
		}
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, redacted)
		}
	}
	return text
}

// EnsureNamespace makes a namespace where it is not there.
func (c *Catalog) EnsureNamespace(ctx context.Context, namespace table.Identifier) error {
	there, err := c.CheckNamespaceExists(ctx, namespace)
	if err != nil {
		return fmt.Errorf("look for the namespace: %w", err)
	}
	if there {
		return nil
	}
	err = c.CreateNamespace(ctx, namespace, nil)
	if err == nil || errors.Is(err, icebergcatalog.ErrNamespaceAlreadyExists) {
		return nil
	}
	if there, again := c.CheckNamespaceExists(ctx, namespace); again == nil && there { // another made it
		return nil
	}
	return fmt.Errorf("create the namespace: %w", err)
}
