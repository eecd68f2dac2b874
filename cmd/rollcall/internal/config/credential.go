package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode"

	"github.com/rollcall-data/rollcall/extract"
)

const (
	filePrefix    = "file:"
	commandPrefix = "command:"

	maxSecretBytes = 64 << 10
	commandTimeout = 30 * time.Second
)

// Credential is a secret, or where to find one. It prints without any part of the secret.
type Credential struct {
	literal extract.Secret
	path    string
	command string
	denied  error // why the command may not run; nil where it may
}

// Given is a credential whose value is known.
func Given(s extract.Secret) Credential { return Credential{literal: s} }

// IsSet says whether there is one.
func (c Credential) IsSet() bool { return c.literal != "" || c.path != "" || c.command != "" }

// String says where the credential is, and redacts what it is. A command is redacted too: secrets hide in their arguments.
func (c Credential) String() string {
	switch {
	case c.path != "":
		return filePrefix + c.path
	case c.command != "":
		return commandPrefix + "**redacted**"
	}
	return c.literal.String()
}

// GoString is String.
func (c Credential) GoString() string { return c.String() }

// parseCredential reads a value of the file (file:PATH, command:COMMAND or a literal) or of the environment (a literal).
func parseCredential(g given) (Credential, error) {
	t := g.text()
	if g.file == nil {
		return Credential{literal: extract.Secret(t)}, checkSecret(t)
	}
	if p, ok := strings.CutPrefix(t, filePrefix); ok {
		return Credential{path: g.file.resolve(p)}, checkPath(p)
	}
	if c, ok := strings.CutPrefix(t, commandPrefix); ok {
		if strings.TrimSpace(c) == "" {
			return Credential{}, errors.New("names no command")
		}
		return Credential{command: c, denied: g.file.othersWrite()}, nil
	}
	return Credential{literal: extract.Secret(t)}, checkSecret(t)
}

// checkSecret refuses what no HTTP header can carry.
func checkSecret(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return errors.New("holds a control character or a line break")
	}
	return nil
}

// reveal reads a secret of one line from where it is. Nothing of it is in an error.
func (c Credential) reveal(ctx context.Context) (extract.Secret, error) {
	text, err := c.read(ctx)
	if err != nil {
		return "", err
	}
	value := strings.TrimRight(text, "\r\n")
	return extract.Secret(value), checkSecret(value)
}

// read is the text that is where the credential says.
func (c Credential) read(ctx context.Context) (string, error) {
	var raw []byte
	var err error
	switch {
	case c.path != "":
		raw, err = readSecretFile(c.path)
	case c.command != "":
		raw, err = c.run(ctx)
	default:
		return c.literal.Reveal(), nil
	}
	return string(raw), err
}

func readSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", withoutPath(err))
	}
	defer func() { _ = f.Close() }()
	return readSecret(f)
}

func readSecret(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxSecretBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", withoutPath(err))
	}
	if len(raw) > maxSecretBytes {
		return nil, fmt.Errorf("has more than %d bytes", maxSecretBytes)
	}
	return raw, nil
}

// withoutPath leaves the cause of a file error, for messages that name the path already.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// run runs the command in a shell and gives what it prints. Its own messages are dropped: they may quote the secret.
func (c Credential) run(ctx context.Context) ([]byte, error) {
	if c.denied != nil {
		return nil, fmt.Errorf("the command is not run: %w", c.denied)
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", c.command) //nolint:gosec // it is the user's own, from a file that nobody else can write
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("the command cannot be started: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the command cannot be started: %w", err)
	}
	raw, readErr := readSecret(out)
	if readErr != nil {
		cancel()
	}
	err = cmd.Wait()
	switch {
	case readErr != nil:
		return nil, fmt.Errorf("what the command prints %w", readErr)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("the command had not ended after %s", commandTimeout)
	case err != nil:
		return nil, fmt.Errorf("the command failed: %w", err)
	}
	return raw, nil
}

// Credentials are what a source signs in with. Which of them are set depends on the source.
type Credentials struct {
	AmigoToken    extract.Secret // where set, the other three of Amigo are not
	AmigoAPIKey   extract.Secret
	AmigoAPIKeyID string
	AmigoUserID   string
	FreddyAPIKey  extract.Secret
}

// Credentials reads what the configured source signs in with, from wherever it is. A token wins over a key. The error is a
// *NoCredentialsError where nothing is set, a *FieldError where something cannot be read.
func (c *Config) Credentials(ctx context.Context) (Credentials, error) {
	var out Credentials
	var id, user extract.Secret
	wanted := []credentialSlot{
		{"amigo_api_key", c.AmigoAPIKey, &out.AmigoAPIKey}, {"amigo_api_key_id", c.AmigoAPIKeyID, &id}, {"amigo_user_id", c.AmigoUserID, &user},
	}
	switch {
	case c.Source == Freddy:
		wanted = []credentialSlot{{"freddy_api_key", c.FreddyAPIKey, &out.FreddyAPIKey}}
	case c.AmigoToken.IsSet():
		wanted = []credentialSlot{{"amigo_token", c.AmigoToken, &out.AmigoToken}}
	}
	var missing []string
	for _, w := range wanted {
		if !w.from.IsSet() {
			missing = append(missing, strings.ToUpper(w.key))
		}
	}
	if len(missing) > 0 {
		return Credentials{}, &NoCredentialsError{Source: c.Source, Missing: missing}
	}
	for _, w := range wanted {
		s, err := w.from.reveal(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return Credentials{}, ctx.Err()
			}
			return Credentials{}, &FieldError{Key: w.key, Origin: c.origins[w.key], Reason: w.from.where() + err.Error()}
		}
		*w.to = s
	}
	out.AmigoAPIKeyID, out.AmigoUserID = id.Reveal(), user.Reveal()
	return out, nil
}

type credentialSlot struct {
	key  string
	from Credential
	to   *extract.Secret
}

// where names the file in front of a reason.
func (c Credential) where() string {
	if c.path != "" {
		return c.path + " "
	}
	return ""
}
