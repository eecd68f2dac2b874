// Package notify tells people how a run ended: by a webhook, Slack, e-mail, and a ping that comes only when all is well.
//
// What is told are counts, statuses, the run's id and its error; nothing of a user. An address that slipped into an error's text is taken out all the same.
// Webhook URLs and passwords are secrets, and in no error of this package.
//
// A place that cannot be reached is tried once more; each try has 15 seconds. Whatever happens, the run stays what it was: Tell returns what went wrong for
// the log, and that is all.
//
// That something was wrong is remembered in the warehouse (notify.json) until a run goes well, so that it can be told that it does.
package notify
