package config

import (
	"fmt"
	"time"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/transform/pii"
)

// Source is the kind of API that the users come from.
type Source string

// The sources.
const (
	Amigo    Source = "amigo"     // the REST endpoints, api/amigo.md
	AmigoSQL Source = "amigo-sql" // the SQL endpoint of the same API
	Freddy   Source = "freddy"    // api/freddy.md
)

// DefaultBaseURL is where the source answers when no base URL is given (api/amigo.md §1.1, api/freddy.md §1).
func (s Source) DefaultBaseURL() string {
	if s == Freddy {
		return "https://api.aitronos.com"
	}
	return "https://api.amigo.ai"
}

// Paging is the dialect in which the user list is paged.
type Paging string

// The paging dialects.
const (
	PagingAuto   Paging = "auto"   // the first answer tells
	PagingToken  Paging = "token"  // limit and continuation_token, as the specification has it
	PagingOffset Paging = "offset" // limit and offset, as the "Users" page has it
)

// Models says whose models a run asks for.
type Models string

// The ways to choose models.
const (
	ModelsAuto Models = "auto" // those that can have changed, within the budget
	ModelsAll  Models = "all"  // everybody's
	ModelsNone Models = "none" // nobody's; what was fetched before is kept
)

// SQLColumns says whether a run of the source Amigo takes what its user list lacks (_id, region_name, updated_at) from the SQL endpoint.
type SQLColumns string

// The ways to take them.
const (
	SQLColumnsOff  SQLColumns = "off"  // not at all; what was taken before is kept
	SQLColumnsAuto SQLColumns = "auto" // where the endpoint answers; a run goes on without it
	SQLColumnsOn   SQLColumns = "on"   // an endpoint that does not answer fails the run
)

// Asked tells whether the endpoint is asked at all.
func (s SQLColumns) Asked() bool { return s == SQLColumnsAuto || s == SQLColumnsOn }

// Config is the configuration in force. Make one with Load; Default is where Load starts.
type Config struct {
	Warehouse string // folder of the versions, journals and run records

	Source  Source
	BaseURL string   // without a trailing slash; Load fills in the source's own where none is given
	Orgs    []string // organizations asked, without repeats; may be empty for Freddy

	Paging           Paging
	PageSize         int // rows a page, at least 1
	RPM              extract.RPM
	Models           Models
	ModelBudget      time.Duration // time a run may spend on models
	ModelMaxAge      time.Duration // age that no row's models should pass
	MaxDeletePercent float64       // 0 to 100: more deletions than this are held; a single one never is
	AcceptDeletes    bool          // let held deletions through
	AllowEmpty       bool          // an empty list may be certified
	Memories         bool          // fill user_memories
	SQLColumns       SQLColumns    // whether the SQL endpoint completes the list
	SortKeyImmutable bool          // e-mail addresses never change: one pass can be a proof

	SchemaContract string   // evolve, freeze or quarantine
	SchemaColumns  string   // the same for new columns; empty: as SchemaContract
	SchemaTypes    string   // the same for wider types; empty: as SchemaContract
	SchemaPaths    []string // PATH=MODE, for single paths

	PII []pii.Rule // what of the personal data does not get into the tables

	Checks Checks // what a version must be like to be published

	KeepVersions      int           // versions kept, at least 1
	KeepFor           time.Duration // time for which a version is kept after it was current
	KeepJournal       time.Duration // age to which journals are kept whole
	Journal           Journal       // what becomes of the API's answers
	JournalRecipients []string      // age1…, whom an encrypted journal is written for
	ShareGroup        string        // group that may read versions; empty: nobody but the owner

	DuckDB DuckDB // what a run lets DuckDB use

	Publish          string // s3://BUCKET/PREFIX that each version is copied to; empty: nowhere
	PublishEndpoint  string // of an S3-compatible server; empty: as the AWS configuration says
	PublishRegion    string // of the bucket; empty: as the AWS configuration says
	PublishPathStyle bool   // the bucket is in the path of requests, not in the host's name

	Lake Lake // that versions are published to as Iceberg tables

	Schedule    Schedule
	MetricsFile string // that a run writes its metrics to; empty: none
	Notify      Notify

	LogLevel  string // debug, info, warn or error
	LogFormat string // auto, console or json

	AmigoAPIKey     Credential
	AmigoAPIKeyID   Credential
	AmigoUserID     Credential
	AmigoToken      Credential
	FreddyAPIKey    Credential
	PIIKey          Credential // of the hashes that rules about personal data make
	JournalIdentity Credential // the text that age-keygen writes; opens encrypted journals

	file    string // path of the file read; empty: none
	origins map[string]Origin
}

// DuckDB is what a run lets DuckDB use.
type DuckDB struct {
	Memory  string // as DuckDB writes it, or auto
	Threads int    // for reading a version back; 0: one a processor
}

// Default is the configuration without file, environment and flags. Its BaseURL is empty: Load knows the source.
func Default() *Config {
	return &Config{
		Warehouse:        "./warehouse",
		Source:           Amigo,
		Paging:           PagingAuto,
		PageSize:         100,
		RPM:              extract.RPMAuto,
		Models:           ModelsAuto,
		ModelBudget:      4 * time.Hour,
		ModelMaxAge:      720 * time.Hour,
		MaxDeletePercent: 5,
		SQLColumns:       SQLColumnsOff,
		SchemaContract:   "evolve",
		Checks:           Checks{MaxDropPercent: 100},
		KeepVersions:     7,
		KeepFor:          time.Hour,
		KeepJournal:      168 * time.Hour,
		Journal:          JournalPlain,
		DuckDB:           DuckDB{Memory: "auto"},
		Lake:             defaultLake(),
		Schedule:         defaultSchedule(),
		Notify:           Notify{Email: Email{TLS: MailStartTLS}},
		LogLevel:         "info",
		LogFormat:        "auto",
		origins:          map[string]Origin{},
	}
}

// File is the path of the configuration file in force; empty where there is none.
func (c *Config) File() string { return c.file }

// Origin is where the value of the key (page_size) came from.
func (c *Config) Origin(key string) Origin { return c.origins[key] }

// Place is the kind of place a value came from, weakest first.
type Place uint8

// The places, in the order of precedence.
const (
	FromDefault Place = iota
	FromFile
	FromEnvironment
	FromFlag
	FromSandbox // --sandbox stands for a source, its address and its credentials
)

// Origin says where a value came from. The zero value is the built-in default.
type Origin struct {
	Place Place
	Name  string // the file's path, the variable or the flag (--page-size)
	Line  int    // in the file, from 1
}

// String is the origin for people: "default", "rollcall.yaml:3", "$ROLLCALL_RPM", "--rpm".
func (o Origin) String() string {
	switch o.Place {
	case FromFile:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	case FromEnvironment:
		return "$" + o.Name
	case FromFlag:
		return o.Name
	case FromSandbox:
		return "--sandbox"
	}
	return "default"
}
