package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/cli"
	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract/amigo"
)

// answers are what init asks for. What is empty is not said in the file.
type answers struct {
	source, region, credentials, keyID, userID, at string
	orgs                                           []string
	warehouse                                      string
}

const fromEnvironment = "environment"

// interview asks for what no flag gave.
type interview struct {
	in    *bufio.Scanner
	out   io.Writer
	given func(flag string) bool
}

// errNoAnswer: the terminal was closed.
var errNoAnswer = errors.New("no answer; nothing was written")

// ask asks the five questions. An answer that a key would not take is asked for again.
func (i *interview) ask(said *answers) error {
	questions := []struct {
		flag, text string
		to         *string
		check      func(string) error
		skip       func() bool
	}{
		{"source", "1. Which API do the users come from: amigo, amigo-sql or freddy?", &said.source, takes("source"), nil},
		{"org", "2. Which organization?" + ifFreddy(said, " Nothing: all users that the key may see."), nil, said.takeOrgs, nil},
		{"region", "3. Which region does it live in (" + strings.Join(regions(), ", ") + "), or at which address is the API?", &said.region, said.takesRegion, nil},
		{"credentials", "4. Where is the API key: environment, file:PATH or command:COMMAND?", &said.credentials, takesCredentials, nil},
		{"api-key-id", "   the key's id? Nothing: AMIGO_API_KEY_ID in the environment.", &said.keyID, nil, said.byEnvironment},
		{"user-id", "   the user to sign in as? Nothing: AMIGO_USER_ID in the environment.", &said.userID, nil, said.byEnvironment},
		{"warehouse", "5. Into which folder do the tables go?", &said.warehouse, takes("warehouse"), nil},
		{"at", "   and at what time each night?", &said.at, takesTime, nil},
	}
	for _, q := range questions {
		if i.given(q.flag) || q.skip != nil && q.skip() {
			continue
		}
		if err := i.one(q.text, q.to, q.check); err != nil {
			return err
		}
	}
	return nil
}

func (i *interview) one(text string, to *string, check func(string) error) error {
	preset := ""
	if to != nil {
		preset = *to
	}
	for {
		prompt := text + " "
		if preset != "" {
			prompt += "[" + preset + "] "
		}
		if _, err := io.WriteString(i.out, prompt); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
		if !i.in.Scan() {
			return errors.Join(errNoAnswer, i.in.Err())
		}
		answer := strings.TrimSpace(i.in.Text())
		if answer == "" {
			answer = preset
		}
		if check != nil {
			if err := check(answer); err != nil {
				if _, err := fmt.Fprintf(i.out, "   %v\n", err); err != nil {
					return fmt.Errorf("ask: %w", err)
				}
				continue
			}
		}
		if to != nil {
			*to = answer
		}
		return nil
	}
}

func takes(key string) func(string) error {
	return func(answer string) error { return config.Draft{key: {answer}}.Check(key) }
}

func ifFreddy(a *answers, text string) string {
	if a.source == string(config.Freddy) {
		return text
	}
	return ""
}

func (a *answers) byEnvironment() bool {
	return a.credentials == fromEnvironment || a.source == string(config.Freddy)
}

// takeOrgs takes organizations apart by commas.
func (a *answers) takeOrgs(answer string) error {
	a.orgs = nil
	for _, org := range strings.Split(answer, ",") {
		if org = strings.TrimSpace(org); org != "" {
			a.orgs = append(a.orgs, org)
		}
	}
	if len(a.orgs) == 0 && a.source == string(config.Freddy) {
		return nil
	}
	return config.Draft{"org": a.orgs}.Check("org")
}

func regions() []string {
	var names []string
	for _, host := range amigo.Hosts() {
		names = append(names, amigo.Region(host))
	}
	return names
}

// address is the base URL that a region or an address stands for; empty for the source's own.
func (a *answers) address() string {
	for _, host := range amigo.Hosts() {
		if a.region == amigo.Region(host) {
			return host
		}
	}
	return a.region
}

func (a *answers) takesRegion(answer string) error {
	named := answers{region: answer}
	if answer == "" {
		return nil
	}
	if !strings.Contains(named.address(), "://") {
		return fmt.Errorf("must be one of %s, or a URL such as https://api.amigo.ai", strings.Join(regions(), ", "))
	}
	return takes("base_url")(named.address())
}

func takesCredentials(answer string) error {
	path, isFile := strings.CutPrefix(answer, "file:")
	command, isCommand := strings.CutPrefix(answer, "command:")
	if answer == fromEnvironment || isFile && strings.TrimSpace(path) != "" || isCommand && strings.TrimSpace(command) != "" {
		return nil
	}
	return errors.New("must be environment, file:PATH or command:COMMAND: a secret does not belong in the configuration")
}

func takesTime(answer string) error {
	if _, err := time.Parse("15:04", answer); err != nil {
		return errors.New("must be a time such as 02:00")
	}
	return nil
}

// check looks at what no key would.
func (a *answers) check() error {
	for _, answer := range []struct {
		flag, value string
		err         error
	}{
		{"region", a.region, a.takesRegion(a.region)},
		{"credentials", "", takesCredentials(a.credentials)}, // which could be the secret itself
		{"at", a.at, takesTime(a.at)},
	} {
		if answer.err != nil {
			return usage(answer.flag, answer.value, answer.err)
		}
	}
	return nil
}

// draft is the configuration that the answers make, for a file at path. Relative paths in a file count from its folder; those in answers, from here.
func (a *answers) draft(path string) (config.Draft, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	at, err := time.Parse("15:04", a.at)
	if err != nil {
		return nil, usage("at", a.at, err)
	}
	d := config.Draft{"source": {a.source}, "warehouse": {relative(a.warehouse, path)},
		"schedule.cron": {fmt.Sprintf("%d %d * * *", at.Minute(), at.Hour())}, "schedule.time_zone": {"Local"}}
	if len(a.orgs) > 0 || a.source != string(config.Freddy) {
		d["org"] = a.orgs
	}
	if address := a.address(); address != "" {
		d["base_url"] = []string{address}
	}
	key := "amigo_api_key"
	if a.source == string(config.Freddy) {
		key = "freddy_api_key"
	}
	if file, ok := strings.CutPrefix(a.credentials, "file:"); ok {
		d[key] = []string{"file:" + relative(file, path)}
	} else if a.credentials != fromEnvironment {
		d[key] = []string{a.credentials}
	}
	if a.keyID != "" {
		d["amigo_api_key_id"] = []string{a.keyID}
	}
	if a.userID != "" {
		d["amigo_user_id"] = []string{a.userID}
	}
	for _, name := range []string{"source", "org", "base_url", "warehouse"} {
		if texts, ok := d[name]; ok {
			if err := d.Check(name); err != nil {
				return nil, usage(name, strings.Join(texts, ","), err)
			}
		}
	}
	return d, nil
}

func usage(flag, value string, err error) error {
	message := "--" + flag
	if value != "" {
		message += fmt.Sprintf(" %q", value)
	}
	return &cli.UsageError{Message: message + ": " + err.Error(), Advice: []string{"rollcall init -h says what the answers are"}}
}

// relative is a path as the file has to name it: as it is where the file lies in the working folder, else absolute.
func relative(to, file string) string {
	if filepath.Dir(file) == "." || filepath.IsAbs(to) {
		return to
	}
	if abs, err := filepath.Abs(to); err == nil {
		return abs
	}
	return to
}

// missing are the variables that the environment has to have.
func (a *answers) missing() []string {
	var out []string
	if a.source == string(config.Freddy) {
		if a.credentials == fromEnvironment {
			out = append(out, "FREDDY_API_KEY")
		}
		return out
	}
	for _, v := range []struct {
		name  string
		there bool
	}{{"AMIGO_API_KEY", a.credentials != fromEnvironment}, {"AMIGO_API_KEY_ID", a.keyID != ""}, {"AMIGO_USER_ID", a.userID != ""}} {
		if !v.there {
			out = append(out, v.name)
		}
	}
	return out
}
