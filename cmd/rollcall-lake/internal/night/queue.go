package night

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// shardArgs is the job of an organization in a night.
type shardArgs struct {
	Night string `json:"night" river:"unique"`
	Org   string `json:"org" river:"unique"`
}

// Kind names the job.
func (shardArgs) Kind() string { return shardKind }

// publishArgs is the job of publishing a night, once its shards up to a job have ended.
type publishArgs struct {
	Night string `json:"night" river:"unique"`
	After int64  `json:"after" river:"unique"`
}

// Kind names the job.
func (publishArgs) Kind() string { return publishKind }

const (
	shardKind   = "rollcall_shard"
	publishKind = "rollcall_publish"
)

// Queue is the queue in Postgres.
type Queue struct {
	pool *pgxpool.Pool
	log  *slog.Logger
}

// UnreachableError says that Postgres cannot be reached. It does not say with what.
type UnreachableError struct{ err error }

func (e *UnreachableError) Error() string {
	var code interface{ SQLState() string }
	if errors.As(e.err, &code) {
		return "the queue's Postgres refuses us (SQLSTATE " + code.SQLState() + ")"
	}
	return "the queue's Postgres cannot be reached"
}

// Hints says what to do.
func (e *UnreachableError) Hints() []string {
	return []string{"ROLLCALL_LAKE_QUEUE is its address: postgres://USER:PASSWORD@HOST:PORT/DATABASE"}
}

// OpenQueue opens the queue and makes its tables where they are missing. address is secret: no error repeats it. The caller closes it.
func OpenQueue(ctx context.Context, address string, log *slog.Logger) (*Queue, error) {
	c, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, &UsageError{Message: "queue: it is no postgres:// address", Advice: (&UnreachableError{}).Hints()}
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err == nil {
		err = pool.Ping(ctx)
	}
	if err != nil {
		if pool != nil {
			pool.Close()
		}
		return nil, &UnreachableError{err}
	}
	q := &Queue{pool, log}
	if err := q.migrate(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("make the queue's tables: %w", err)
	}
	return q, nil
}

// Close ends the connections.
func (q *Queue) Close() { q.pool.Close() }

// migrating is the advisory lock of whoever makes tables: "rollcall" on a telephone.
const migrating = 76552255

func (q *Queue) migrate(ctx context.Context) (err error) {
	return pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", migrating); err != nil {
			return err
		}
		m, err := rivermigrate.New(riverpgxv5.New(q.pool), &rivermigrate.Config{Logger: q.log})
		if err != nil {
			return err
		}
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS rollcall_worker (id text PRIMARY KEY, host text NOT NULL, beat timestamptz NOT NULL)")
		return err
	})
}

// Enqueued says what became of a night's jobs.
type Enqueued struct {
	Inserted int `json:"inserted"`
	Skipped  int `json:"skipped"` // in the queue already, or done
}

// maxInserts is how many jobs are inserted at once.
const maxInserts = 1000

// Enqueue inserts a job for each organization of the plan that has neither a job nor a result. Failures of before are taken back: the organizations are
// tried again.
func (q *Queue) Enqueue(ctx context.Context, p *Place, plan Plan, attempts int) (done Enqueued, err error) {
	results, failures, err := Outcomes(ctx, p, plan.Night)
	if err != nil {
		return done, err
	}
	client, err := river.NewClient(riverpgxv5.New(q.pool), &river.Config{Logger: q.log})
	if err != nil {
		return done, fmt.Errorf("open the queue: %w", err)
	}
	var params []river.InsertManyParams
	for _, org := range plan.Orgs {
		if _, ok := results[org]; ok {
			done.Skipped++
			continue
		}
		if _, ok := failures[org]; ok {
			if err := p.store.remove(ctx, failureName(plan.Night, org)); err != nil {
				return done, fmt.Errorf("take back a failure: %w", err)
			}
		}
		params = append(params, river.InsertManyParams{Args: shardArgs{plan.Night, org}, InsertOpts: &river.InsertOpts{
			MaxAttempts: attempts, UniqueOpts: river.UniqueOpts{ByArgs: true},
		}})
	}
	for len(params) > 0 {
		n := min(len(params), maxInserts)
		inserted, err := client.InsertMany(ctx, params[:n])
		if err != nil {
			return done, fmt.Errorf("insert the night's jobs: %w", err)
		}
		for _, job := range inserted {
			if job.UniqueSkippedAsDuplicate {
				done.Skipped++
			} else {
				done.Inserted++
			}
		}
		params = params[n:]
	}
	return done, nil
}

// beat says that a worker lives.
func (q *Queue) beat(ctx context.Context, worker, host string) error {
	_, err := q.pool.Exec(ctx, `INSERT INTO rollcall_worker VALUES ($1, $2, now()) ON CONFLICT (id) DO UPDATE SET beat = now()`, worker, host)
	if err == nil {
		_, err = q.pool.Exec(ctx, `DELETE FROM rollcall_worker WHERE beat < now() - interval '1 day'`)
	}
	return err
}

// takeOver gives the jobs of workers that are heard of no more to others, and those of ours that we are not at: whose end the database did not hear of.
func (q *Queue) takeOver(ctx context.Context, worker string, deadAfter time.Duration, at []int64) (taken int64, err error) {
	tag, err := q.pool.Exec(ctx, `
		UPDATE river_job j SET state = 'available', scheduled_at = now(), errors = array_append(errors, jsonb_build_object(
			'at', now(), 'attempt', attempt, 'error', 'its worker was heard of no more', 'trace', ''))
		WHERE state = 'running' AND kind = ANY($1) AND attempted_at < now() - make_interval(secs => $2) AND CASE
			WHEN attempted_by[array_upper(attempted_by, 1)] = $3 THEN id <> ALL($4)
			ELSE NOT EXISTS (
				SELECT 1 FROM rollcall_worker w WHERE w.id = j.attempted_by[array_upper(j.attempted_by, 1)] AND w.beat > now() - make_interval(secs => $2))
			END`, []string{shardKind, publishKind}, deadAfter.Seconds(), worker, at)
	return tag.RowsAffected(), err
}

// ended lists the nights whose shards have all ended and that nobody was asked to publish since, with the last shard's job.
func (q *Queue) ended(ctx context.Context) ([]publishArgs, error) {
	rows, err := q.pool.Query(ctx, `
		WITH shards AS (
			SELECT args->>'night' AS night, max(id) AS last, bool_and(finalized_at IS NOT NULL) AS ended FROM river_job WHERE kind = $1 GROUP BY 1)
		SELECT night, last FROM shards s
		WHERE ended AND NOT EXISTS (SELECT 1 FROM river_job p WHERE p.kind = $2 AND p.args->>'night' = s.night AND p.id > s.last)`, shardKind, publishKind)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[publishArgs])
}

// count counts the jobs of a night, its publishing included, and those of them that have not ended.
func (q *Queue) count(ctx context.Context, night string) (jobs, open int, err error) {
	err = q.pool.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE finalized_at IS NULL) FROM river_job WHERE kind = ANY($1) AND args->>'night' = $2`,
		[]string{shardKind, publishKind}, night).Scan(&jobs, &open)
	return jobs, open, err
}

// jobState is what the queue knows of a shard.
type jobState struct {
	Org       string
	State     string
	Attempt   int
	Worker    string
	Attempted *time.Time
	Scheduled time.Time
	Error     string
}

func (q *Queue) jobs(ctx context.Context, night string) (map[string]jobState, error) {
	rows, err := q.pool.Query(ctx, `
		SELECT DISTINCT ON (1) args->>'org', state::text, attempt::int, coalesce(attempted_by[array_upper(attempted_by, 1)], ''), attempted_at, scheduled_at,
			coalesce(errors[array_upper(errors, 1)]->>'error', '')
		FROM river_job WHERE kind = $1 AND args->>'night' = $2 ORDER BY 1, id DESC`, shardKind, night)
	if err != nil {
		return nil, fmt.Errorf("ask the queue about the night: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[jobState])
	if err != nil {
		return nil, fmt.Errorf("ask the queue about the night: %w", err)
	}
	jobs := make(map[string]jobState, len(list))
	for _, j := range list {
		jobs[j.Org] = j
	}
	return jobs, nil
}
