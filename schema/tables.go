// Package schema declares the tables that rollcall publishes: names, columns, types, origins and comments, once. DDL, Arrow schemas,
// Parquet files, comments and documentation all derive from here.
//
// The columns of a table are fixed but for users_flat, whose pref_* columns are learned from the data: UsersFlat takes them. Everything
// here is plain data; nothing fails but ParseType.
package schema

// Names of the tables, for code that must tell one from another.
const (
	NameUsers        = "users"
	NameUsersFlat    = "users_flat"
	NameUserContext  = "user_context"
	NameUserModels   = "user_models"
	NameDimensions   = "user_model_dimensions"
	NameVariables    = "user_variables"
	NameRoles        = "roles"
	NameMemories     = "user_memories"
	NameUsersHistory = "users_history"
	NameUsersDeleted = "users_deleted"
	NameUsersChanges = "users_changes"
	NameRuns         = "_runs"
	NameColumns      = "_columns"
	NameIssues       = "_issues"
)

func col(name string, k Kind, o Origin, path, comment string) Column {
	return Column{Name: name, Type: T(k), Origin: o, Path: path, Comment: comment}
}

var usersColumns = []Column{
	col("_id", String, FromList, "$._id", `Document id, where the API gives one (Amigo SQL, full list items); {"$oid": x} reads as x`),
	col("additional_context", JSON, FromModel, "$.additional_context", "Free-text facts about the user; NULL not fetched or forbidden, [] fetched and empty"),
	col("email", String, FromList, "$.email", "E-mail address, as the API writes it"),
	col("first_name", String, FromList, "$.first_name", "First name"),
	col("last_name", String, FromList, "$.last_name", "Last name"),
	col("org_id", String, FromList, "$.org_id", "Organization as the item says; the one asked where it does not"),
	col("preferences", JSON, FromList, "$.preferences", "The user's preferences, the API's bytes as they came"),
	col("region_name", String, FromList, "$.region_name", "AWS region; from the base URL's host where the API gives none"),
	col("role", String, FromList, "$.role", "Role as the API gives it: an id (users_flat.role_name has its name)"),
	col("updated_at", Timestamp, FromList, "$.updated_at", "UTC. Last change by the source; else when a run first saw the user in this form (users_flat._updated_at_origin)"),
	col("user_id", String, FromList, "$.user_id", "The user's id, unique in its organization"),
	col("user_models", JSON, FromModel, "$.user_models", "Personalization models; NULL not fetched or forbidden, [] fetched and empty"),
}

// Users is the documented table: one row for each live user.
var Users = Table{
	Name:           NameUsers,
	Comment:        "One row for each live user: the twelve documented columns",
	Columns:        usersColumns,
	LowCardinality: []string{"org_id", "region_name", "role", "first_name", "last_name"}, HighCardinality: usersTexts,
}

// usersTexts are the columns of users that hardly repeat.
var usersTexts = []string{"_id", "additional_context", "email", "preferences", "user_id", "user_models"}

// key is what each flattened table carries of its parent.
var key = []Column{
	col("org_id", String, FromList, "$.org_id", "Organization, as in users"),
	col("user_id", String, FromList, "$.user_id", "User, as in users"),
}

func keyed(cols ...Column) []Column { return append(append([]Column(nil), key...), cols...) }

// The scalar columns of users_flat before its learned ones.
func flatHead() []Column {
	var out []Column
	for _, c := range usersColumns {
		if c.Type.Kind != JSON {
			out = append(out, c)
		}
		if c.Name == "role" {
			out = append(out, col("role_name", String, FromRole, "$.roles[*].name", "Name of the role; NULL where the roles list does not have it"))
		}
	}
	return out
}

var flatTail = []Column{
	col("num_conversations", Int, FromList, "$.user_stats.num_conversations", "Conversations so far"),
	col("num_messages", Int, FromList, "$.user_stats.num_messages", "Messages so far"),
	col("last_message_time", Timestamp, FromList, "$.user_stats.last_message_time", "UTC; NULL: never talked"),
	col("enable_actions_access", Bool, FromList, "$.enable_actions_access", "May use actions"),
	col("num_context_entries", Int, FromRollcall, "", "Entries of additional_context; NULL where that is NULL"),
	col("num_models", Int, FromRollcall, "", "Entries of user_models; NULL where that is NULL"),
	col("_models_state", String, FromRollcall, "", "fetched, listed (the list item carried them), forbidden (403) or pending (not asked for, or not to be had)"),
	col("_models_fetched_at", Timestamp, FromRollcall, "", "UTC; when context and models were last fetched; NULL: never"),
	col("_updated_at_origin", String, FromRollcall, "", "source: updated_at is the API's; observed: when a run first saw this form"),
	col("_first_seen_at", Timestamp, FromRollcall, "", "UTC; the first run that saw the user"),
	col("_changed_at", Timestamp, FromRollcall, "", "UTC; the last run that saw one of the twelve columns change"),
	col("_run_id", String, FromRollcall, "", "The run that made this version"),
	col("_scope", String, FromRollcall, "", "The organization asked; (_scope, user_id) is the user's identity"),
	col("_item_hash", Blob, FromRollcall, "", "Canonical hash of the ten columns of the list item"),
	col("_models_hash", Blob, FromRollcall, "", "Canonical hash of additional_context and user_models"),
	col("_item_digest", Blob, FromRollcall, "", "SHA-256, its first half, of the list item's bytes when its columns were last taken from it; zeros: not known"),
	col("_extras_hash", Int, FromRollcall, "", "Hash of what the list item carries beside the twelve columns"),
	col("_stats_hash", Int, FromRollcall, "", "Hash of user_stats when the models were last fetched; NULL: never"),
	col("_last_seen_run", String, FromRollcall, "", "The last published run that saw the user; another than _run_id: absent, but kept"),
}

// UsersFlat is users_flat with these learned preference columns between its scalar columns and its bookkeeping.
func UsersFlat(prefs []Column) Table {
	cols := append(flatHead(), prefs...)
	return Table{
		Name:    NameUsersFlat,
		Comment: "One row for each live user: scalars, one typed column a preference, and bookkeeping",
		Columns: append(cols, flatTail...),
		LowCardinality: []string{"org_id", "region_name", "role", "role_name", "first_name", "last_name", "pref_preferred_language", "pref_timezone",
			"_models_state", "_updated_at_origin", "_run_id", "_scope", "_last_seen_run"},
	}
}

// The tables with fixed columns.
var (
	UserContext = Table{
		Name: NameUserContext, Comment: "One row for each entry of additional_context",
		Columns: keyed(
			col("position", Int, FromRollcall, "", "Place in the array, from 0"),
			col("entry", String, FromModel, "$.additional_context[*]", "The entry; JSON text where it is no string"),
			col("name", String, FromModel, "$.additional_context[*]", `What stands before the first ": ", where there is one`),
			col("value", String, FromModel, "$.additional_context[*]", `What stands after the first ": "`)),
		LowCardinality: []string{"org_id"}, HighCardinality: []string{"user_id", "entry", "value"},
	}
	UserModels = Table{
		Name: NameUserModels, Comment: "One row for each personalization model",
		Columns: keyed(
			col("position", Int, FromRollcall, "", "Place in the array, from 0"),
			col("content", String, FromModel, "$.user_models[*].content", "What the model says"),
			col("insight_ids", StringList, FromModel, "$.user_models[*].insight_ids[*]", `Insights it rests on; {"$oid": x} reads as x`)),
		LowCardinality: []string{"org_id"}, HighCardinality: []string{"user_id", "content"},
	}
	UserModelDimensions = Table{
		Name: NameDimensions, Comment: "One row for each dimension of a model",
		Columns: keyed(
			col("model_position", Int, FromRollcall, "", "The model's place, as user_models.position"),
			col("position", Int, FromRollcall, "", "Place in the model's dimensions, from 0"),
			col("description", String, FromModel, "$.user_models[*].dimensions[*].description", "What the dimension is about"),
			col("tags", StringList, FromModel, "$.user_models[*].dimensions[*].tags[*]", "Tags")),
		LowCardinality: []string{"org_id", "description"},
	}
	UserVariables = Table{
		Name: NameVariables, Comment: "One row for each variable of a user",
		Columns: keyed(
			col("name", String, FromList, "$.nonsensitive_variables, $.sensitive_variables", "The variable's name"),
			col("value", String, FromList, "$.nonsensitive_variables.*", "Its value; NULL for a sensitive one, whose value the API never gives"),
			col("is_sensitive", Bool, FromList, "", "The API gives its name alone")),
		LowCardinality: []string{"org_id", "name", "value"},
	}
	Roles = Table{
		Name: NameRoles, Comment: "One row for each role of an organization",
		Columns: []Column{
			col("org_id", String, FromSource, "", "The organization asked"),
			col("role_id", String, FromRole, "$.roles[*].id", "users.role refers to it"),
			col("name", String, FromRole, "$.roles[*].name", "Name"),
			col("description", String, FromRole, "$.roles[*].description", "Description"),
		},
	}
	UserMemories = Table{
		Name: NameMemories, Comment: "One row for each memory (only with memories: true)",
		Columns: keyed(
			col("id", String, FromMemory, "$.memories[*].id", "The memory's id"),
			col("created_at", Timestamp, FromMemory, "$.memories[*].created_at", "UTC"),
			col("conversation_id", String, FromMemory, "$.memories[*].conversation_id", "The conversation it comes from"),
			col("references", StringList, FromMemory, "$.memories[*].references[*]", "Messages it rests on"),
			col("content", String, FromMemory, "$.memories[*].content", "What is remembered"),
			col("context", String, FromMemory, "$.memories[*].context", "What it was said in")),
	}
	UsersHistory = Table{
		Name: NameUsersHistory, Comment: "One row for each version of a user over time; a deletion closes the open row and opens a tombstone",
		Columns: append(append([]Column(nil), usersColumns...),
			col("_valid_from", Timestamp, FromRollcall, "", "UTC; the run that first saw this version"),
			col("_valid_to", Timestamp, FromRollcall, "", "UTC; the run that first saw the next one; NULL: still valid"),
			col("_is_current", Bool, FromRollcall, "", "The user's open row"),
			col("_is_deleted", Bool, FromRollcall, "", "A tombstone: the user was gone in this time"),
			col("_run_id", String, FromRollcall, "", "The run that wrote this version"),
			col("_scope", String, FromRollcall, "", "The organization asked; (_scope, user_id) is the user's identity")),
		LowCardinality: []string{"org_id", "region_name", "role", "first_name", "last_name", "_run_id", "_scope"}, HighCardinality: usersTexts,
	}
	UsersDeleted = Table{
		Name: NameUsersDeleted, Comment: "One row for each user who is deleted now, with the evidence",
		Columns: keyed(
			col("deleted_at", Timestamp, FromRollcall, "", "UTC; the run that deleted the user here"),
			col("last_seen_run", String, FromRollcall, "", "The last run that saw the user"),
			col("evidence", JSON, FromRollcall, "", "The certified sweep and the look-up by id that found the user absent"),
			col("_scope", String, FromRollcall, "", "The organization asked")),
	}
	UsersChanges = Table{
		Name: NameUsersChanges, Comment: "One row for each change of a user",
		Columns: append([]Column{col("run_id", String, FromRollcall, "", "The run that saw the change")}, keyed(
			col("op", String, FromRollcall, "", "added, changed, enriched (models came for the first time), deleted or returned"),
			col("paths", StringList, FromRollcall, "", "JSON paths of what changed, as $.preferences.timezone"),
			col("_scope", String, FromRollcall, "", "The organization asked"))...),
		LowCardinality: []string{"run_id", "org_id", "op", "_scope"},
	}
	Runs = Table{
		Name: NameRuns, Comment: "One row for each run that published a version",
		Columns: []Column{
			col("run_id", String, FromRollcall, "", "The run"),
			col("started_at", Timestamp, FromRollcall, "", "UTC; the run's clock: what it observed, it observed then"),
			col("status", String, FromRollcall, "", "certified, uncertified or held"),
			col("certified", Bool, FromRollcall, "", "Nobody is missing, by the proof named"),
			col("proof", String, FromRollcall, "", "count, anchored or agreement"),
			col("reasons", StringList, FromRollcall, "", "Why it is not certified, or what was held"),
			col("asked_as", String, FromRollcall, "", "The identity that signed in: it sees only what it is permitted to"),
			col("source", String, FromRollcall, "", "amigo, amigo-sql or freddy"),
			col("orgs", StringList, FromRollcall, "", "The organizations asked"),
			col("users", Int, FromRollcall, "", "Live users"),
			col("added", Int, FromRollcall, "", "Users added"),
			col("changed", Int, FromRollcall, "", "Users changed"),
			col("deleted", Int, FromRollcall, "", "Users deleted"),
			col("deletes_held", Int, FromRollcall, "", "Deletions held back"),
			col("quarantined_rows", Int, FromRollcall, "", "Rows in _issues"),
			col("quarantined_cells", Int, FromRollcall, "", "Cells in _issues"),
			col("sweeps", Int, FromRollcall, "", "Passes over the list"),
			col("shifts", Int, FromRollcall, "", "Times the list moved under the sweep"),
			col("users_sha256", String, FromRollcall, "", "Hash of the whole table users"),
		},
	}
	Columns = Table{
		Name: NameColumns, Comment: "One row for each column of each table: where it comes from and what it holds",
		Columns: []Column{
			col("table_name", String, FromRollcall, "", "Table"),
			col("column_name", String, FromRollcall, "", "Column"),
			col("type", String, FromRollcall, "", "Type in DuckDB"),
			col("origin", String, FromRollcall, "", "list, model, role, memory, source or rollcall"),
			col("json_path", String, FromRollcall, "", "Path in the record it comes from"),
			col("declared", Bool, FromRollcall, "", "Documented, so always there; else learned from the data"),
			col("types", StringList, FromRollcall, "", "Types it has had, oldest first"),
			col("null_share", Double, FromRollcall, "", "Share of NULLs, 0 to 1; NULL for an empty table"),
			col("first_run", String, FromRollcall, "", "The run that first had the column"),
			col("last_run", String, FromRollcall, "", "The last run in which a value came for it"),
			col("comment", String, FromRollcall, "", "What it is"),
		},
	}
	Issues = Table{
		Name: NameIssues, Comment: "What could not be held as it came: quarantined rows and cells, raw",
		Columns: append([]Column{
			col("kind", String, FromRollcall, "", "row: the whole item; cell: one value"),
		}, keyed(
			col("path", String, FromRollcall, "", "JSON path of the value"),
			col("column_name", String, FromRollcall, "", "The column that could not hold it; NULL for a row"),
			col("reason", String, FromRollcall, "", "Why"),
			col("raw", String, FromRollcall, "", "The value as it came; bytes that are no UTF-8 are written as \\xNN"),
			col("run_id", String, FromRollcall, "", "The run that saw it"),
			col("_scope", String, FromRollcall, "", "The organization asked"))...),
	}
)

// DeclaredPreferences are the preferences the specification documents (api/amigo.md §2.3): they always have their columns.
var DeclaredPreferences = []Column{
	col("pref_enable_response_recommendation", Bool, FromList, "$.preferences.enable_response_recommendation", "Preference: recommends responses"),
	col("pref_preferred_language", String, FromList, "$.preferences.preferred_language", "Preference: ISO 639 code"),
	col("pref_conversations_visible_to_admins", Bool, FromList, "$.preferences.conversations_visible_to_admins", "Preference: administrators see conversations"),
	col("pref_user_model_visible_to_admins", Bool, FromList, "$.preferences.user_model_visible_to_admins", "Preference: administrators see the user model"),
	col("pref_timezone", String, FromList, "$.preferences.timezone", "Preference: IANA time zone"),
	col("pref_audio_keyterms", StringList, FromList, "$.preferences.audio_keyterms", "Preference: terms for speech recognition"),
}

// Tables lists all tables of a version, in the order of the documentation, with these learned preference columns. user_memories is
// there only where memories are asked for.
func Tables(prefs []Column, memories bool) []Table {
	out := []Table{Users, UsersFlat(prefs), UserContext, UserModels, UserModelDimensions, UserVariables, Roles}
	if memories {
		out = append(out, UserMemories)
	}
	return append(out, UsersHistory, UsersDeleted, UsersChanges, Runs, Columns, Issues)
}
