package config

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/transform/pii"
)

// Scope says which commands a key concerns, and so where it is a flag.
type Scope uint8

// The scopes.
const (
	EveryCommand   Scope = iota // a flag of every command
	SourceCommands              // a flag of sync, backfill, plan and doctor
	RunCommands                 // a flag of sync, backfill and schedule
	FileOnly                    // no flag: file and environment
	Secret                      // no flag, and the file may only say where it is
)

// A Key is one setting: its name, what it does, and its place in a Config.
type Key struct {
	Name  string // snake_case, as in the file
	Usage string // one line, for help and the JSON Schema
	Scope Scope
	env   []string // names beside ROLLCALL_…
	field field
}

// Flag is the key as a flag: page-size. It is a flag only where the scope says so.
func (k Key) Flag() string { return strings.ReplaceAll(k.Name, "_", "-") }

// Env are the variables that set the key, the winning one first.
func (k Key) Env() []string {
	return append([]string{"ROLLCALL_" + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))}, k.env...)
}

// Choices are the values the key can take, where they can be counted.
func (k Key) Choices() []string { return k.field.choices }

// Keys are all settings, in the order in which people look for them.
func Keys() []Key { return slices.Clone(keys) }

var keys = []Key{
	{Name: "warehouse", Scope: EveryCommand, Usage: "folder of the versions, journals and run records",
		field: path(func(c *Config) *string { return &c.Warehouse })},

	{Name: "source", Scope: SourceCommands, Usage: "API the users come from",
		field: choice(func(c *Config) *Source { return &c.Source }, Amigo, AmigoSQL, Freddy)},
	{Name: "base_url", Scope: SourceCommands, Usage: "the API's address: https, or http to this machine (default: the source's own)",
		env:   []string{"AMIGO_BASE_URL", "FREDDY_BASE_URL"},
		field: text(func(c *Config) *string { return &c.BaseURL }, checkBaseURL)},
	{Name: "org", Scope: SourceCommands, Usage: "organization to ask; may be repeated",
		env:   []string{"AMIGO_ORGANIZATION_ID"},
		field: list(func(c *Config) *[]string { return &c.Orgs }, checkOrg)},
	{Name: "paging", Scope: SourceCommands, Usage: "how the user list is paged",
		field: choice(func(c *Config) *Paging { return &c.Paging }, PagingAuto, PagingToken, PagingOffset)},
	{Name: "page_size", Scope: SourceCommands, Usage: "users a page: 1 to 100, with --paging offset up to 10000",
		field: integer(func(c *Config) *int { return &c.PageSize }, 1, maxOffsetPage)},
	{Name: "rpm", Scope: SourceCommands, Usage: "requests a minute to each endpoint: a number, auto (documented limits and the server's headers) or none",
		field: rate(func(c *Config) *extract.RPM { return &c.RPM })},
	{Name: "models", Scope: SourceCommands, Usage: "whose models to fetch: auto (those that can have changed), all or none",
		field: choice(func(c *Config) *Models { return &c.Models }, ModelsAuto, ModelsAll, ModelsNone)},
	{Name: "model_budget", Scope: SourceCommands, Usage: "time a run may spend on models",
		field: duration(func(c *Config) *time.Duration { return &c.ModelBudget }, time.Nanosecond)},
	{Name: "model_max_age", Scope: SourceCommands, Usage: "age no user's models should pass",
		field: duration(func(c *Config) *time.Duration { return &c.ModelMaxAge }, time.Nanosecond)},
	{Name: "max_delete_percent", Scope: SourceCommands, Usage: "hold deletions when they are more than this share of the users (a single one never is)",
		field: percent(func(c *Config) *float64 { return &c.MaxDeletePercent })},
	{Name: "accept_deletes", Scope: SourceCommands, Usage: "let held deletions through this once",
		field: boolean(func(c *Config) *bool { return &c.AcceptDeletes })},
	{Name: "allow_empty", Scope: SourceCommands, Usage: "an empty list may be certified (a lost permission looks the same)",
		field: boolean(func(c *Config) *bool { return &c.AllowEmpty })},

	{Name: "memories", Scope: FileOnly, Usage: "fill the table user_memories: one request a user more",
		field: boolean(func(c *Config) *bool { return &c.Memories })},
	{Name: "sql_columns", Scope: FileOnly, Usage: "take _id, region_name and updated_at, which the list of source: amigo lacks, from the SQL endpoint: off, auto (where it answers) or on (or the run fails)",
		field: choice(func(c *Config) *SQLColumns { return &c.SQLColumns }, SQLColumnsOff, SQLColumnsAuto, SQLColumnsOn)},
	{Name: "sort_key_immutable", Scope: FileOnly, Usage: "e-mail addresses never change in this organization: one pass over the list can prove a sweep",
		field: boolean(func(c *Config) *bool { return &c.SortKeyImmutable })},
	{Name: "schema.contract", Scope: FileOnly, Usage: "what a new preference or a wider type does: evolve (columns follow), freeze (the run fails) or quarantine (the cells go to _issues)",
		field: choice(func(c *Config) *string { return &c.SchemaContract }, contractModes...)},
	{Name: "schema.columns", Scope: FileOnly, Usage: "schema.contract for new preferences alone",
		field: choice(func(c *Config) *string { return &c.SchemaColumns }, contractModes...)},
	{Name: "schema.types", Scope: FileOnly, Usage: "schema.contract for wider types alone",
		field: choice(func(c *Config) *string { return &c.SchemaTypes }, contractModes...)},
	{Name: "schema.paths", Scope: FileOnly, Usage: "schema.contract for single paths: $.preferences.volume: freeze",
		field: list(func(c *Config) *[]string { return &c.SchemaPaths }, checkPathMode)},
	{Name: "pii", Scope: FileOnly, Usage: "personal data kept out of the tables: drop, mask or hash by column or JSON path, as email: drop",
		field: piiRules(func(c *Config) *[]pii.Rule { return &c.PII })},
	{Name: "checks.sql", Scope: FileOnly, Usage: "SQL by name that must return no rows of a version, or it is not published: no_email: FROM users WHERE email IS NULL",
		field: sqlChecks(func(c *Config) *[]SQLCheck { return &c.Checks.SQL })},
	{Name: "checks.min_users", Scope: FileOnly, Usage: "least users of a version that is published",
		field: integer(func(c *Config) *int { return &c.Checks.MinUsers }, 0, math.MaxInt32)},
	{Name: "checks.max_drop_percent", Scope: FileOnly, Usage: "a version is not published with fewer users than the current one by more than this share (default 100: any drop will do)",
		field: percent(func(c *Config) *float64 { return &c.Checks.MaxDropPercent })},
	{Name: "checks.max_age", Scope: FileOnly, Usage: "a version is not published whose latest updated_at is older; 0s: however old it is",
		field: duration(func(c *Config) *time.Duration { return &c.Checks.MaxAge }, 0)},

	{Name: "keep_versions", Scope: FileOnly, Usage: "versions kept",
		field: integer(func(c *Config) *int { return &c.KeepVersions }, 1, 100_000)},
	{Name: "keep_for", Scope: FileOnly, Usage: "time for which a version is kept after it was current, whatever keep_versions says: readers of Parquet cannot be seen",
		field: duration(func(c *Config) *time.Duration { return &c.KeepFor }, 0)},
	{Name: "keep_journal", Scope: FileOnly, Usage: "age to which journals are kept whole",
		field: duration(func(c *Config) *time.Duration { return &c.KeepJournal }, 0)},
	{Name: "journal", Scope: FileOnly, Usage: "what becomes of the API's answers: plain, encrypted (for journal_recipients) or off (removed, those of before too, once a run is done: no replay)",
		field: choice(func(c *Config) *Journal { return &c.Journal }, JournalPlain, JournalEncrypted, JournalOff)},
	{Name: "journal_recipients", Scope: FileOnly, Usage: "age recipients (age1…) that an encrypted journal is written for; each can open it alone",
		field: list(func(c *Config) *[]string { return &c.JournalRecipients }, checkRecipient)},
	{Name: "share_group", Scope: FileOnly, Usage: "group that may read versions",
		field: text(func(c *Config) *string { return &c.ShareGroup }, checkGroup)},

	{Name: "duckdb.memory", Scope: FileOnly, Usage: "memory that DuckDB may use for a version that is built or read back: auto (what the columns ask for), or an amount such as 800MB or 2GB",
		field: text(func(c *Config) *string { return &c.DuckDB.Memory }, checkMemory)},
	{Name: "duckdb.threads", Scope: FileOnly, Usage: "threads that DuckDB may read a version back with; 0: one a processor (it writes with one)",
		field: integer(func(c *Config) *int { return &c.DuckDB.Threads }, 0, 256)},

	{Name: "publish", Scope: FileOnly, Usage: "s3://BUCKET/PREFIX that each version is copied to; credentials are those of the AWS configuration",
		field: text(func(c *Config) *string { return &c.Publish }, checkPublish)},
	{Name: "publish_endpoint", Scope: FileOnly, Usage: "address of an S3-compatible server: https, or http to this machine (default: as AWS_ENDPOINT_URL_S3 or the AWS configuration says)",
		field: text(func(c *Config) *string { return &c.PublishEndpoint }, checkEndpoint)},
	{Name: "publish_region", Scope: FileOnly, Usage: "region of the bucket (default: as AWS_REGION or the AWS configuration says)",
		field: text(func(c *Config) *string { return &c.PublishRegion }, checkRegion)},
	{Name: "publish_path_style", Scope: FileOnly, Usage: "name the bucket in the path of requests, not in the host's name, as most S3-compatible servers want it",
		field: boolean(func(c *Config) *bool { return &c.PublishPathStyle })},

	{Name: "lake.catalog", Scope: FileOnly, Usage: "catalog of the Iceberg tables that rollcall-lake publishes each version to: rest or sql",
		field: choice(func(c *Config) *string { return &c.Lake.Catalog }, lakeREST, lakeSQL)},
	{Name: "lake.uri", Scope: Secret, Usage: "address of that catalog: https://HOST/… of a REST catalog, postgres://USER@HOST/DATABASE or sqlite:/FILE of a SQL one; with a password in it, file:PATH or command:COMMAND",
		field: address(func(c *Config) *Credential { return &c.Lake.URI })},
	{Name: "lake.location", Scope: FileOnly, Usage: "where the tables' files go: s3://BUCKET/PREFIX, with the credentials of the AWS configuration, or file:///FOLDER",
		field: text(func(c *Config) *string { return &c.Lake.Location }, checkLakeLocation)},
	{Name: "lake.namespace", Scope: FileOnly, Usage: "namespace of the tables in the catalog",
		field: text(func(c *Config) *string { return &c.Lake.Namespace }, checkNamespace)},
	{Name: "lake.buckets", Scope: FileOnly, Usage: "buckets that each table is split into when it is made",
		field: integer(func(c *Config) *int { return &c.Lake.Buckets }, 1, 10_000)},
	{Name: "lake.endpoint", Scope: FileOnly, Usage: "address of an S3-compatible server for lake.location: https, or http to this machine (default: as AWS_ENDPOINT_URL_S3 or the AWS configuration says)",
		field: text(func(c *Config) *string { return &c.Lake.Endpoint }, checkEndpoint)},
	{Name: "lake.region", Scope: FileOnly, Usage: "region of the bucket of lake.location (default: as AWS_REGION or the AWS configuration says)",
		field: text(func(c *Config) *string { return &c.Lake.Region }, checkRegion)},
	{Name: "lake.path_style", Scope: FileOnly, Usage: "name the lake's bucket in the path of requests, not in the host's name, as most S3-compatible servers want it",
		field: boolean(func(c *Config) *bool { return &c.Lake.PathStyle })},
	{Name: "lake.token", Scope: Secret, Usage: "bearer token for a REST catalog",
		field: secret(func(c *Config) *Credential { return &c.Lake.Token })},
	{Name: "lake.credential", Scope: Secret, Usage: "CLIENT:SECRET for a REST catalog, which it exchanges for a token",
		field: secret(func(c *Config) *Credential { return &c.Lake.Credential })},
	{Name: "lake.command", Scope: FileOnly, Usage: "the program rollcall-lake (default: beside this program, else on the PATH)",
		field: program()},
	{Name: "lake.deadline", Scope: FileOnly, Usage: "time after which a publish to the lake is stopped, for the next run to go on with; 0s: none",
		field: duration(func(c *Config) *time.Duration { return &c.Lake.Deadline }, 0)},

	{Name: "schedule.cron", Scope: FileOnly, Usage: "when `rollcall schedule` runs a sync: minute, hour, day of the month, month, day of the week, or @daily and the like",
		field: text(func(c *Config) *string { return &c.Schedule.Cron }, checkCron)},
	{Name: "schedule.time_zone", Scope: FileOnly, Usage: "time zone of schedule.cron: UTC, Local (the machine's) or a name such as Europe/Berlin",
		field: text(func(c *Config) *string { return &c.Schedule.TimeZone }, checkTimeZone)},
	{Name: "schedule.jitter", Scope: FileOnly, Usage: "the most by which runs begin later, so that many warehouses do not begin at once; the same every night",
		field: duration(func(c *Config) *time.Duration { return &c.Schedule.Jitter }, 0)},
	{Name: "schedule.catch_up", Scope: FileOnly, Usage: "make up, once, for a run that was missed while the daemon or the machine was off",
		field: boolean(func(c *Config) *bool { return &c.Schedule.CatchUp })},
	{Name: "schedule.deadline", Scope: FileOnly, Usage: "time after which a run is interrupted, for the next to go on with; 0s: none",
		field: duration(func(c *Config) *time.Duration { return &c.Schedule.Deadline }, 0)},
	{Name: "schedule.retries", Scope: FileOnly, Usage: "how often a run that fails is tried again before the next is due: after 5 minutes, then twice as long each time",
		field: integer(func(c *Config) *int { return &c.Schedule.Retries }, 0, 20)},
	{Name: "schedule.listen", Scope: FileOnly, Usage: "HOST:PORT on which `rollcall schedule` serves the status page, /metrics and /healthz; off: nowhere",
		field: text(func(c *Config) *string { return &c.Schedule.Listen }, checkListen)},
	{Name: "schedule.healthy_within", Scope: FileOnly, Usage: "/healthz fails when the last certified run is older; 0s: however old it is",
		field: duration(func(c *Config) *time.Duration { return &c.Schedule.HealthyWithin }, 0)},
	{Name: "schedule.sql_token", Scope: Secret, Usage: "token that opens the status page's read-only SQL box; without one there is no such box",
		field: secret(func(c *Config) *Credential { return &c.Schedule.SQLToken })},

	{Name: "metrics_file", Scope: RunCommands, Usage: "file that a run writes its metrics to when it ends, for node_exporter's textfile collector: a name that ends in .prom",
		field: path(func(c *Config) *string { return &c.MetricsFile })},
	{Name: "notify.on", Scope: FileOnly, Usage: "what is told: failed, uncertified, held, quarantined, recovered (default: all of them)",
		field: list(func(c *Config) *[]string { return &c.Notify.On }, checkEvent)},
	{Name: "notify.webhook", Scope: Secret, Usage: "URL that a JSON document is posted to",
		field: secret(func(c *Config) *Credential { return &c.Notify.Webhook })},
	{Name: "notify.slack", Scope: Secret, Usage: "URL of an incoming webhook of Slack, or of what understands the same",
		field: secret(func(c *Config) *Credential { return &c.Notify.Slack })},
	{Name: "notify.ping", Scope: Secret, Usage: "URL that is fetched when a run ended with certified users, for a service that complains when it is not",
		field: secret(func(c *Config) *Credential { return &c.Notify.Ping })},
	{Name: "notify.email.server", Scope: FileOnly, Usage: "HOST:PORT of the mail server",
		field: text(func(c *Config) *string { return &c.Notify.Email.Server }, checkMailServer)},
	{Name: "notify.email.tls", Scope: FileOnly, Usage: "how the mail server is spoken to: starttls (as on port 587), implicit (as on port 465), or none (a relay in your own network, without a password)",
		field: choice(func(c *Config) *MailTLS { return &c.Notify.Email.TLS }, MailStartTLS, MailImplicit, MailPlain)},
	{Name: "notify.email.from", Scope: FileOnly, Usage: "address that mail comes from",
		field: text(func(c *Config) *string { return &c.Notify.Email.From }, checkAddress)},
	{Name: "notify.email.to", Scope: FileOnly, Usage: "addresses that mail goes to",
		field: list(func(c *Config) *[]string { return &c.Notify.Email.To }, checkAddress)},
	{Name: "notify.email.username", Scope: Secret, Usage: "user to sign in to the mail server as",
		field: identifier(func(c *Config) *Credential { return &c.Notify.Email.Username })},
	{Name: "notify.email.password", Scope: Secret, Usage: "password for the mail server",
		field: secret(func(c *Config) *Credential { return &c.Notify.Email.Password })},

	{Name: "log_level", Scope: EveryCommand, Usage: "least severe log lines shown",
		field: choice(func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error")},
	{Name: "log_format", Scope: EveryCommand, Usage: "log format; auto: console on a terminal, else json",
		field: choice(func(c *Config) *string { return &c.LogFormat }, "auto", "console", "json")},

	{Name: "amigo_api_key", Scope: Secret, Usage: "API key, exchanged for a token",
		env: []string{"AMIGO_API_KEY"}, field: secret(func(c *Config) *Credential { return &c.AmigoAPIKey })},
	{Name: "amigo_api_key_id", Scope: Secret, Usage: "id of the API key",
		env: []string{"AMIGO_API_KEY_ID"}, field: identifier(func(c *Config) *Credential { return &c.AmigoAPIKeyID })},
	{Name: "amigo_user_id", Scope: Secret, Usage: "user to sign in as with the API key",
		env: []string{"AMIGO_USER_ID"}, field: identifier(func(c *Config) *Credential { return &c.AmigoUserID })},
	{Name: "amigo_token", Scope: Secret, Usage: "bearer token, used as it is instead of a key",
		env: []string{"AMIGO_TOKEN"}, field: secret(func(c *Config) *Credential { return &c.AmigoToken })},
	{Name: "freddy_api_key", Scope: Secret, Usage: "API key of Freddy",
		env: []string{"FREDDY_API_KEY"}, field: secret(func(c *Config) *Credential { return &c.FreddyAPIKey })},
	{Name: "pii_key", Scope: Secret, Usage: "key of the hashes that pii rules make, 16 bytes or more",
		field: secret(func(c *Config) *Credential { return &c.PIIKey })},
	{Name: "journal_identity", Scope: Secret, Usage: "age identity that opens encrypted journals: to go on with a run, backfill --replay, forget, verify",
		field: secret(func(c *Config) *Credential { return &c.JournalIdentity })},
}

// contractModes are what a schema contract can say.
var contractModes = []string{"evolve", "freeze", "quarantine"}

func findKey(name string) (Key, bool) {
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return Key{}, false
	}
	return keys[i], true
}

// urlKeys are the keys whose values could carry a user and password by mistake.
var urlKeys = []string{"base_url", "publish", "publish_endpoint", "lake.location", "lake.endpoint"}

// quotable is the text of a value as a message may repeat it: nothing of a secret, nor of a URL that carries one, nor a key's secret half in the
// place of the public one.
func (k Key) quotable(text string) string {
	if k.field.secret || strings.Contains(strings.ToUpper(text), "AGE-SECRET-KEY") || slices.Contains(urlKeys, k.Name) && strings.Contains(text, "@") {
		return ""
	}
	return text
}
