package schema

// Macros are the table functions that a version's DuckDB file has beside its tables:
//
//   - users_asof(ts): the live users as they were at an instant, UTC; the twelve columns;
//   - users_diff(run_a, run_b): what changed after run_a up to and with run_b, in the order it did.
//
// Parquet has no such thing; there the same is a query on users_history and users_changes.
var Macros = []string{
	`CREATE OR REPLACE MACRO users_asof(ts) AS TABLE SELECT * EXCLUDE (_valid_from, _valid_to, _is_current, _is_deleted, _run_id, _scope) FROM users_history
WHERE _valid_from <= ts AND (_valid_to IS NULL OR _valid_to > ts) AND NOT _is_deleted`,
	`CREATE OR REPLACE MACRO users_diff(run_a, run_b) AS TABLE SELECT * FROM users_changes WHERE run_id > run_a AND run_id <= run_b ORDER BY run_id`,
}
