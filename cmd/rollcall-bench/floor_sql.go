package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	// DuckDB as rollcall links it: the same driver, the same library.
	_ "github.com/rollcall-data/rollcall/load/duckdb"
	"github.com/rollcall-data/rollcall/schema"
)

// sqlFloor is how DuckDB's SQL made the tables.
type sqlFloor struct {
	DuckDB       string `json:"duckdb"`
	Memory       string `json:"memory_limit"`
	TableThreads int    `json:"table_threads"`
	CopyThreads  int    `json:"copy_threads"`
	TableBytes   int64  `json:"table_bytes"` // of the files
}

// What the floor may use. Memory is what rollcall gives DuckDB. Tables are made by one thread for the reason for which rollcall makes them so
// (load/duckdb: with several, DuckDB 1.1 corrupts its heap); it costs no CPU time, which is what is compared. Parquet is written by all there are.
const (
	floorMemory  = "800MB"
	tableThreads = 1
)

const (
	floorRun   = "20250101-000000-000000"
	floorClock = "TIMESTAMP '2025-01-01 00:00:00'"
)

// runSQLFloor makes the tables of a version from the pages that savePages left in pages, into out, which must not exist.
func runSQLFloor(ctx context.Context, pages, out string, copyThreads int) (f sqlFloor, err error) {
	f = sqlFloor{Memory: floorMemory, TableThreads: tableThreads, CopyThreads: copyThreads}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return f, err
	}
	options := fmt.Sprintf("?autoinstall_known_extensions=false&autoload_known_extensions=false&memory_limit=%s&threads=%d", floorMemory, tableThreads)
	db, err := sql.Open("duckdb", options)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx) // what is attached and chosen is a connection's
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.QueryRowContext(ctx, "SELECT version()").Scan(&f.DuckDB); err != nil {
		return f, err
	}
	for _, s := range floorStatements(pages, out, copyThreads) {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return f, fmt.Errorf("%.60s…: %w", s, err)
		}
	}
	f.TableBytes, err = sizeOf(out)
	return f, err
}

// floorStatements are the floor: a version's tables as SQL makes them best. The pages are parsed once; what other tables need of them stays
// in users until they are made.
func floorStatements(pages, out string, copyThreads int) []string {
	s := []string{
		"SET temp_directory = " + schema.Literal(filepath.Join(out, "spill")),
		"ATTACH " + schema.Literal(filepath.Join(out, "users.duckdb")) + " AS floor",
		"USE floor",
		"BEGIN TRANSACTION", // else every table goes through the write-ahead log
		fmt.Sprintf("CREATE TABLE users AS SELECT %s, %s FROM read_json(%s, format = 'newline_delimited', columns = %s) ORDER BY user_id",
			strings.Join(columnNames(schema.Users), ", "), strings.Join(extras, ", "), schema.Literal(filepath.Join(pages, "*.ndjson")), pageColumns),
		schema.Roles.DDL(),
		"INSERT INTO roles VALUES " + roleValues(),
		flatTable(), "CREATE TEMP TABLE positions AS SELECT range AS position FROM range(10)", contextTable, modelsTable, dimensionsTable, "ALTER TABLE user_models DROP COLUMN dimensions", variablesTable,
	}
	for _, c := range extras {
		s = append(s, "ALTER TABLE users DROP COLUMN "+c)
	}
	s = append(s, historyTable, changesTable, schema.UsersDeleted.DDL(), schema.Issues.DDL(), schema.Runs.DDL(),
		"INSERT INTO _runs BY NAME SELECT '"+floorRun+"' AS run_id, "+floorClock+" AS started_at, 'certified' AS status, true AS certified, count(*) AS users FROM users",
		schema.Columns.DDL(),
		"INSERT INTO _columns BY NAME SELECT table_name, column_name, data_type AS type FROM duckdb_columns() WHERE database_name = 'floor' AND NOT internal",
		"COMMIT", "CHECKPOINT floor", fmt.Sprintf("SET threads = %d", copyThreads))
	for _, t := range schema.Tables(nil, false) {
		file := filepath.Join(out, t.Name+".parquet")
		s = append(s, fmt.Sprintf("COPY %s TO %s (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)", schema.Quote(t.Name), schema.Literal(file)))
	}
	return append(s, "USE memory", "DETACH floor")
}

func columnNames(t schema.Table) []string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = c.Name
	}
	return out
}

func roleValues() string {
	rows := make([]string, len(roles))
	for i, r := range roles {
		rows[i] = fmt.Sprintf("(%s, %s, %s, %s)", schema.Literal(org), schema.Literal(r.ID), schema.Literal(r.Name), schema.Literal(r.Description))
	}
	return strings.Join(rows, ", ")
}

// extras are the members of a record that the tables flattened from it need beside the twelve columns.
var extras = []string{"user_stats", "nonsensitive_variables", "sensitive_variables", "enable_actions_access"}

const pageColumns = `{_id: 'VARCHAR', user_id: 'VARCHAR', org_id: 'VARCHAR', email: 'VARCHAR', first_name: 'VARCHAR', last_name: 'VARCHAR', role: 'VARCHAR',
	region_name: 'VARCHAR', updated_at: 'TIMESTAMP', preferences: 'JSON', additional_context: 'JSON', user_models: 'JSON',
	user_stats: 'STRUCT(num_conversations BIGINT, num_messages BIGINT, last_message_time TIMESTAMP)', nonsensitive_variables: 'MAP(VARCHAR, VARCHAR)',
	sensitive_variables: 'VARCHAR[]', enable_actions_access: 'BOOLEAN'}`

// flatColumns are the columns of users_flat that are not columns of users of the same name, as SQL has them from u, a user, and p, the user's
// preferences. Of the preferences, those are here that the made-up organization has.
var flatColumns = map[string]string{
	"role_name":                            "r.name",
	"pref_enable_response_recommendation":  "p.enable_response_recommendation",
	"pref_preferred_language":              "p.preferred_language",
	"pref_conversations_visible_to_admins": "p.conversations_visible_to_admins",
	"pref_user_model_visible_to_admins":    "p.user_model_visible_to_admins",
	"pref_timezone":                        "p.timezone",
	"pref_audio_keyterms":                  "p.audio_keyterms",
	"pref_theme":                           "p.theme",
	"pref_checkin_hour":                    "p.checkin_hour",
	"pref_notifications_email":             "p.notifications.email",
	"pref_notifications_sms":               "p.notifications.sms",
	"pref_notifications_quiet_hours_from":  `p.notifications.quiet_hours."from"`,
	"pref_notifications_quiet_hours_to":    `p.notifications.quiet_hours."to"`,
	"pref_text_scale":                      "p.text_scale",
	"pref_nickname":                        "p.nickname",
	"num_conversations":                    "u.user_stats.num_conversations",
	"num_messages":                         "u.user_stats.num_messages",
	"last_message_time":                    "u.user_stats.last_message_time",
	"num_context_entries":                  "json_array_length(u.additional_context)::BIGINT",
	"num_models":                           "json_array_length(u.user_models)::BIGINT",
	"_models_state":                        "'listed'",
	"_models_fetched_at":                   "NULL::TIMESTAMP",
	"_updated_at_origin":                   "'source'",
	"_first_seen_at":                       floorClock,
	"_changed_at":                          floorClock,
	"_run_id":                              "'" + floorRun + "'",
	"_scope":                               "'" + org + "'",
	"_last_seen_run":                       "'" + floorRun + "'",
	"_stats_hash":                          "NULL::BIGINT",
	"_extras_hash":                         "(hash(u.user_stats, u.nonsensitive_variables, u.sensitive_variables, u.enable_actions_access) >> 1)::BIGINT",
	"_models_hash":                         "unhex(md5(concat_ws('|', u.additional_context, u.user_models)))",
}

// hashOf stands for a hash of a record that rollcall makes and SQL cannot: as long, and as hard to compress.
const hashOf = "unhex(md5(concat_ws('|', u._id, u.email, u.first_name, u.last_name, u.org_id, u.preferences, u.region_name, u.role, u.updated_at, u.user_id, '%s')))"

const preferencesType = `{"enable_response_recommendation": "BOOLEAN", "preferred_language": "VARCHAR", "conversations_visible_to_admins": "BOOLEAN",
	"user_model_visible_to_admins": "BOOLEAN", "timezone": "VARCHAR", "audio_keyterms": ["VARCHAR"], "theme": "VARCHAR", "checkin_hour": "BIGINT",
	"notifications": {"email": "BOOLEAN", "sms": "BOOLEAN", "quiet_hours": {"from": "VARCHAR", "to": "VARCHAR"}}, "text_scale": "DOUBLE", "nickname": "VARCHAR"}`

// flatTable makes users_flat with the columns that it has in a version: the declared ones, and those that the organization's preferences teach.
func flatTable() string {
	var learned []schema.Column
	for _, name := range slices.Sorted(maps.Keys(flatColumns)) {
		if strings.HasPrefix(name, "pref_") {
			learned = append(learned, schema.Column{Name: name})
		}
	}
	var columns []string
	for _, c := range schema.UsersFlat(learned).Columns {
		expression, ok := flatColumns[c.Name]
		switch {
		case !ok && c.Type.Kind == schema.Blob:
			expression = fmt.Sprintf(hashOf, c.Name)
		case !ok:
			expression = "u." + c.Name
		}
		columns = append(columns, expression+" AS "+c.Name)
	}
	return "CREATE TABLE users_flat AS SELECT " + strings.Join(columns, ", ") +
		" FROM (SELECT *, json_transform(preferences, '" + preferencesType + "') AS p FROM users) u LEFT JOIN roles r ON r.role_id = u.role"
}

const contextTable = `CREATE TABLE user_context AS SELECT org_id, user_id, position, entry, CASE WHEN split THEN left(entry, at - 1) END AS name, CASE WHEN split THEN substr(entry, at + 2) END AS value
	FROM (SELECT *, at > 1 AND at + 1 < length(entry) AND NOT contains(left(entry, at - 1), ':') AS split
	FROM (SELECT *, strpos(entry, ': ') AS at
	FROM (SELECT org_id, user_id, position, entries[position + 1] AS entry
	FROM (SELECT org_id, user_id, json_transform(additional_context, '["VARCHAR"]') AS entries FROM users) JOIN positions ON position < len(entries))))
	ORDER BY user_id, position`

const modelsTable = `CREATE TABLE user_models AS SELECT org_id, user_id, position, model.content AS content, model.insight_ids AS insight_ids, model.dimensions AS dimensions
	FROM (SELECT org_id, user_id, position, json_transform(json_extract(user_models, position), '{"content": "VARCHAR", "insight_ids": ["VARCHAR"], "dimensions": "JSON"}') AS model
	FROM users JOIN positions ON position < json_array_length(user_models)::BIGINT) ORDER BY user_id, position`

const dimensionsTable = `CREATE TABLE user_model_dimensions AS SELECT org_id, user_id, model_position, position, dimension.description AS description, dimension.tags AS tags
	FROM (SELECT org_id, user_id, user_models.position AS model_position, positions.position AS position,
	json_transform(json_extract(dimensions, positions.position), '{"description": "VARCHAR", "tags": ["VARCHAR"]}') AS dimension
	FROM user_models JOIN positions ON positions.position < json_array_length(dimensions)::BIGINT) ORDER BY user_id, model_position, position`

const variablesTable = `CREATE TABLE user_variables AS FROM (
	SELECT org_id, user_id, unnest(map_keys(nonsensitive_variables)) AS name, unnest(map_values(nonsensitive_variables)) AS value, false AS is_sensitive FROM users
	WHERE cardinality(nonsensitive_variables) > 0
	UNION ALL SELECT org_id, user_id, unnest(sensitive_variables) AS name, NULL AS value, true AS is_sensitive FROM users
	WHERE len(sensitive_variables) > 0) ORDER BY user_id`

const historyTable = `CREATE TABLE users_history AS SELECT *, ` + floorClock + ` AS _valid_from, NULL::TIMESTAMP AS _valid_to, true AS _is_current, false AS _is_deleted,
	'` + floorRun + `' AS _run_id, '` + org + `' AS _scope FROM users`

const changesTable = `CREATE TABLE users_changes AS SELECT '` + floorRun + `' AS run_id, org_id, user_id, 'added' AS op, []::VARCHAR[] AS paths, '` + org + `' AS _scope FROM users`
