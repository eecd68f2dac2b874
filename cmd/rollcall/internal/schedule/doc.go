// Package schedule says when runs begin: a cron expression in a time zone, right through both changes of daylight saving.
//
// The expression has five fields (minute, hour, day of the month, month, day of the week) as crontab(5) has them, or is one of @hourly, @daily, @midnight,
// @weekly, @monthly, @yearly, @annually. What the clock on the wall does twice a year is settled so:
//
//   - A time that does not exist, because the clock is put forward over it, is at the first instant after the gap. Several such times are one.
//   - A time that comes twice, because the clock is put back, is the first of the two. So `30 2 * * *` is once a day, every day of the year.
//   - Where minute or hour is `*` or `*/N` the expression means an interval, and goes on ticking while the hour is repeated: `*/15 * * * *` is every 15
//     minutes of the time that passes, and `30 * * * *` every hour of it. (Vixie cron tells the two kinds apart in the same way.)
//
// A Schedule is immutable and knows no clock. It fails only in Parse, and never afterwards: an expression whose time never comes is refused there.
package schedule
