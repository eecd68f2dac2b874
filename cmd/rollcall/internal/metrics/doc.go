// Package metrics tells monitors about a warehouse and its runs, in the form of Prometheus.
//
// What a metric says comes from the records of the warehouse (the last runs, the current version), so the daemon's /metrics and the file that a single run
// leaves for node_exporter say the same. Only what the daemon alone can know is counted by it, from when it began: runs by status, those that were missed.
//
// Names begin with rollcall_; times are Unix seconds, so that an age is time() minus a metric, also of a file that nobody renewed. No label has a value that a
// user or an attacker chooses: endpoints, statuses, stages and changes are of fixed sets, and there is none for organizations or runs.
package metrics
