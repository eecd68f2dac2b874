package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// configFlag is the flag and, in the environment, the variable that name the file.
const (
	configFlag = "config"
	configEnv  = "ROLLCALL_CONFIG"
)

// Load puts together the configuration in force. flags are the command's, parsed; those that AddFlags did not make are left
// alone. env looks up a variable, as os.LookupEnv does.
func Load(flags *pflag.FlagSet, env func(string) (string, bool)) (*Config, error) {
	c := Default()
	if err := c.loadFile(flags, env); err != nil {
		return nil, err
	}
	// Key by key: source stands before what depends on it, and is final by then.
	for _, k := range keys {
		set, err := c.applyFlag(k, flags)
		if !set && err == nil {
			err = c.applyEnv(k, env)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.BaseURL == "" {
		c.BaseURL = c.Source.DefaultBaseURL()
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	c.Lake.Location = strings.TrimRight(c.Lake.Location, "/")
	return c, nil
}

func (c *Config) loadFile(flags *pflag.FlagSet, env func(string) (string, bool)) error {
	if f := flags.Lookup(configFlag); f != nil && f.Changed {
		return c.applyFile(f.Value.String(), false)
	}
	if path, ok := env(configEnv); ok && path != "" {
		return c.applyFile(path, false)
	}
	if _, err := os.Stat(DefaultFile); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return c.applyFile(DefaultFile, true)
}

// applyFlag sets the key from its flag; set says whether there was one.
func (c *Config) applyFlag(k Key, flags *pflag.FlagSet) (set bool, err error) {
	f := flags.Lookup(k.Flag())
	if f == nil || !f.Changed {
		return false, nil
	}
	v, ok := f.Value.(*flagValue)
	if !ok {
		return false, nil
	}
	return true, c.apply(k, v.texts, Origin{Place: FromFlag, Name: "--" + f.Name})
}

func (c *Config) applyEnv(k Key, env func(string) (string, bool)) error {
	for _, name := range k.Env() {
		value, ok := env(name)
		if !ok || value == "" || !c.concerns(name) {
			continue
		}
		texts := []string{value}
		if (k.field.kind == kindList || k.field.kind == kindRules) && strings.HasPrefix(name, "ROLLCALL_") {
			texts = strings.Split(value, ",")
		}
		return c.apply(k, texts, Origin{Place: FromEnvironment, Name: name})
	}
	return nil
}

func (c *Config) apply(k Key, texts []string, at Origin) error {
	if err := k.field.set(c, given{texts: texts}); err != nil {
		return &FieldError{Key: k.Name, Value: k.quotable(strings.Join(texts, ",")), Origin: at, Reason: err.Error()}
	}
	c.origins[k.Name] = at
	return nil
}

// concerns says whether a vendor's variable is meant for the source in force: both vendors may be set up side by side.
func (c *Config) concerns(name string) bool {
	switch name {
	case "AMIGO_BASE_URL", "AMIGO_ORGANIZATION_ID":
		return c.Source != Freddy
	case "FREDDY_BASE_URL":
		return c.Source == Freddy
	}
	return true
}
