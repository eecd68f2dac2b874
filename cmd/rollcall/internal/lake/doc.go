// Package lake runs rollcall-lake, the program that publishes versions to Iceberg tables. It is a program of its own for what it links: nothing of it is
// in this one, which hands it settings in variables and a warehouse in a flag.
//
// What it logs is logged as ours, with the secrets that it was given taken out, whatever it says. It is asked to stop (SIGTERM) when the context ends, and
// killed when it has not stopped a while later: it loses nothing by that, for it commits a table whole or not at all, and once however often it is run.
// It stays in our process group, so that who kills that kills it too.
package lake
