// Package night shares the organizations of a night out among workers on any number of machines, and publishes what they fetched as one.
//
// # A night
//
// A night is a date and a list of organizations, frozen when it is begun ([Freeze]): its plan. An organization of it is a shard: one job in River's queue in Postgres,
// unique by night and organization. A worker that takes the job runs `rollcall sync` for this organization alone, in a warehouse of its own below a folder
// that all workers share, and records the outcome once. When every shard has its outcome, one of the workers publishes all versions to the lake, one
// commit a table.
//
// # What holds, whatever dies
//
// Nothing rests on the queue but who tries next. A job may be lost, done twice or be done by two workers at once:
//
//   - The warehouse's lock lets one `rollcall` at a time write (exit 11: the job is put off), and its journal lets the next go on where the one before died.
//   - A shard's result is created where there is none yet (If-None-Match on S3, link(2) in a folder). A worker that was stopped and woke up late is refused, and says so.
//   - A worker that takes over looks into the warehouse first: a run that ended well since the night began is the shard's, and nothing is asked again. Runs and
//     plans are compared by their machines' clocks: one that is ahead by more than the time between two nights would take yesterday's run for today's.
//   - What is published is decided once ([Decision], created where there is none), and the night's run id is the mark in each table: several publishers make one commit.
//
// Workers tell Postgres every few seconds that they live, by its clock. The jobs of one that is heard of no more are given to others. That is a guess, and
// a wrong one costs a job that is put off.
//
// # Rates
//
// An organization's limits hold because one process at a time asks for it, and that process keeps to them; a run that was killed may have spent a request
// that the next does not know of, and each run spreads its requests over the minute. Organizations that share one limit between them are not known as such:
// give each its share with --rpm.
//
// A warehouse whose lock was left by a machine that is gone waits for a person: `rollcall sync --break-lock`. Whether that machine is gone or only cannot be reached
// cannot be told from here, and two runs at once would destroy each other's work.
package night
