package engine

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Dialects of SQL.
const (
	Spark  = "spark"
	Trino  = "trino"
	DuckDB = "duckdb" // only to be printed
)

// Dialects are all of them.
func Dialects() []string { return []string{Spark, Trino, DuckDB} }

//go:embed sql/*.sql
var sources embed.FS

// Job is work that an engine does.
type Job struct {
	Name  string
	Does  string
	Table string // that it makes; empty: none

	steps []string // names of the source's statements
}

const compact = "compact"

// Jobs are all there are.
func Jobs() []Job {
	return []Job{
		{"history", "what each user of each organization was, and from when until when: a MERGE of users", "lake_history", []string{"create", "merge"}},
		{"people", "one row a person over all organizations, by e-mail address", "lake_people", []string{"create"}},
		{"flatten", "one row for each value in preferences, additional_context and user_models", "lake_values", []string{"create"}},
		{compact, "compaction of every table, and expiry of the job tables' snapshots, by the engine's own commands", "", nil},
	}
}

// Find is the job of a name.
func Find(name string) (Job, bool) {
	for _, j := range Jobs() {
		if j.Name == name {
			return j, true
		}
	}
	return Job{}, false
}

// Tables are the names of all tables that jobs make.
func Tables() []string {
	var out []string
	for _, j := range Jobs() {
		if j.Table != "" {
			out = append(out, j.Table)
		}
	}
	return out
}

// Input is what a job is run on.
type Input struct {
	Run       string    // that the table users shows
	At        time.Time // when that run began
	Snapshot  int64     // of users; 0: it has none
	Catalog   string    // the engine's name for the catalog
	Namespace []string
	Published []string // the tables of rollcall that are there
	Made      []string // the tables of jobs that are there
}

// Statement is one statement of a job.
type Statement struct {
	Job   string
	Name  string
	SQL   string
	Table string // whose rows are counted after it; empty: none
}

// String is how a statement is called.
func (s Statement) String() string { return s.Job + ": " + s.Name }

// Statements are the statements of jobs in a dialect. Compaction has the tables that jobs before it make.
func Statements(dialect string, in Input, jobs ...Job) ([]Statement, error) {
	var out []Statement
	for _, j := range jobs {
		more, err := j.Statements(dialect, in)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
		if j.Table != "" && !slices.Contains(in.Made, j.Table) {
			in.Made = append(slices.Clone(in.Made), j.Table)
		}
	}
	return out, nil
}

// Statements are a job's statements in a dialect.
func (j Job) Statements(dialect string, in Input) ([]Statement, error) {
	if !slices.Contains(Dialects(), dialect) {
		return nil, fmt.Errorf("engine %q is not known", dialect)
	}
	if j.Name == compact {
		return compaction(dialect, in)
	}
	name := j.Name + "." + dialect + ".sql"
	if dialect == DuckDB {
		name = j.Name + ".sql"
	}
	source, err := sources.ReadFile("sql/" + name)
	if err != nil {
		return nil, fmt.Errorf("read the job's SQL: %w", err)
	}
	texts := split(string(source))
	if len(texts) != len(j.steps) {
		return nil, fmt.Errorf("job %s has %d statements, not %d", j.Name, len(texts), len(j.steps))
	}
	fill := replacer(dialect, in)
	var out []Statement
	for i, text := range texts {
		s := Statement{Job: j.Name, Name: j.steps[i], SQL: fill.Replace(text)}
		if i == len(texts)-1 {
			s.Table = in.named(dialect, j.Table)
		}
		out = append(out, s)
	}
	return out, nil
}

// split is the statements of a source: each ends with a semicolon at a line's end, and whole lines are comments.
func split(source string) []string {
	var out []string
	var b strings.Builder
	for line := range strings.Lines(source) {
		if strings.HasPrefix(line, "--") {
			continue
		}
		b.WriteString(line)
		if text, ended := strings.CutSuffix(strings.TrimSpace(b.String()), ";"); ended {
			out = append(out, text)
			b.Reset()
		}
	}
	return out
}

// replacer puts names and literals where a source has __name__, quoted as its dialect does.
func replacer(dialect string, in Input) *strings.Replacer {
	at := in.At.UTC().Format("2006-01-02 15:04:05.000000")
	literal := "TIMESTAMP '" + at + "'"
	if dialect == Spark {
		literal = "TIMESTAMP_NTZ '" + at + "'"
	}
	put := map[string]string{"users": in.users(dialect), "at": literal, "run": "'" + in.Run + "'"}
	for _, table := range Tables() {
		put[table] = in.named(dialect, table)
	}
	var pairs []string
	for name, text := range put {
		mark := "__" + name + "__"
		switch dialect {
		case Spark:
			mark = "`" + mark + "`"
		case Trino:
			mark = `"` + mark + `"`
		}
		pairs = append(pairs, mark, text)
	}
	return strings.NewReplacer(pairs...)
}

// named is a table's whole name.
func (in Input) named(dialect, table string) string {
	switch dialect {
	case Spark: // a level of the namespace is a part of the name
		parts := append(append([]string{in.Catalog}, in.Namespace...), table)
		for i, p := range parts {
			parts[i] = "`" + strings.ReplaceAll(p, "`", "``") + "`"
		}
		return strings.Join(parts, ".")
	case DuckDB:
		if slices.Contains(Tables(), table) {
			return table // in the database that is in use
		}
	}
	parts := []string{in.Catalog, strings.Join(in.Namespace, "."), table}
	for i, p := range parts {
		parts[i] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
	}
	return strings.Join(parts, ".")
}

// users is the table of that name as it was at the input's snapshot.
func (in Input) users(dialect string) string {
	name := in.named(dialect, "users")
	switch {
	case in.Snapshot == 0:
		return name
	case dialect == Spark:
		return fmt.Sprintf("%s VERSION AS OF %d", name, in.Snapshot)
	case dialect == Trino:
		return fmt.Sprintf("%s FOR VERSION AS OF %d", name, in.Snapshot)
	}
	return fmt.Sprintf("(SELECT * FROM %s AT (VERSION => %d))", name, in.Snapshot) // no alias may follow it there
}

// KeepFor is how long snapshots of the jobs' tables are kept by compaction. Trino refuses less by default.
const KeepFor = 7 * 24 * time.Hour

// compaction is the engine's own command for every table, and the expiry of the snapshots of those that maintain does not look after.
func compaction(dialect string, in Input) ([]Statement, error) {
	if dialect == DuckDB {
		return nil, fmt.Errorf("DuckDB does not compact Iceberg tables")
	}
	var out []Statement
	for _, table := range slices.Concat(in.Published, in.Made) {
		text := "ALTER TABLE " + in.named(Trino, table) + " EXECUTE optimize"
		if dialect == Spark {
			text = in.call("rewrite_data_files", table, "options => map('remove-dangling-deletes', 'true')")
		}
		out = append(out, Statement{Job: compact, Name: "compact " + table, SQL: text})
	}
	for _, table := range in.Made {
		text := fmt.Sprintf("ALTER TABLE %s EXECUTE expire_snapshots(retention_threshold => '%dd')", in.named(Trino, table), KeepFor/(24*time.Hour))
		if dialect == Spark {
			text = in.call("expire_snapshots", table, "retain_last => 1, stream_results => true")
		}
		out = append(out, Statement{Job: compact, Name: "expire " + table, SQL: text})
	}
	return out, nil
}

// call is a call of one of Iceberg's procedures on Spark. A table's name in it is text, with quotes of its own. expire_snapshots keeps five days by default.
func (in Input) call(procedure, table, options string) string {
	name := in.named(Spark, table)
	_, name, _ = strings.Cut(name, ".")
	return fmt.Sprintf("CALL `%s`.system.%s(table => '%s', %s)", strings.ReplaceAll(in.Catalog, "`", "``"), procedure, name, options)
}
