// Package config says how a run is set up: one Config, put together from defaults, a YAML file, the environment and flags.
//
// A key has one name everywhere: page_size in the file, ROLLCALL_PAGE_SIZE in the environment, --page-size on the command
// line. Later sources win: default, file, environment, flag. Where each value came from is remembered, for messages and for
// `rollcall config`. Beside ROLLCALL_…, the names that the vendors' own tools use are understood (AMIGO_API_KEY and so on);
// ROLLCALL_… wins over them. An empty variable counts as unset.
//
// The file is the one named by --config, else by $ROLLCALL_CONFIG, else ./rollcall.yaml where that exists. It is read
// strictly: a key nobody knows, a value of the wrong kind, a second document are errors with file and line. Paths in it are
// relative to the folder it lies in.
//
// Credentials never come from a flag, and never from the text of the file: there they are named as `file:PATH` or
// `command:COMMAND`. They are read when a command needs them, not before. A command runs only from a file that nobody but
// its owner can write, the owner being us or root.
//
// Load fails with a *FieldError that names key and value, or with a *FileError that names file and line. Neither carries a
// secret. Config.Credentials fails with a *NoCredentialsError where there are none.
package config
