package config

import (
	"strings"

	"github.com/rollcall-data/rollcall/extract"
)

// UseSandbox makes a sandbox the source: its address, its organization, its credentials and nothing else that would sign in elsewhere. Without a
// --rpm flag there is no limit of our own, since there is nobody to be polite to. Copies go nowhere, but for where the environment says.
func (c *Config) UseSandbox(baseURL, org string, given Credentials) {
	c.BaseURL, c.Orgs = baseURL, []string{org}
	c.AmigoToken = Given(given.AmigoToken)
	c.AmigoAPIKey, c.AmigoAPIKeyID, c.AmigoUserID = Given(given.AmigoAPIKey), Given(extract.Secret(given.AmigoAPIKeyID)), Given(extract.Secret(given.AmigoUserID))
	c.FreddyAPIKey = Given(given.FreddyAPIKey)
	for _, key := range []string{"base_url", "org", "amigo_token", "amigo_api_key", "amigo_api_key_id", "amigo_user_id", "freddy_api_key"} {
		c.origins[key] = Origin{Place: FromSandbox}
	}
	if c.origins["publish"].Place == FromFile { // it is where the real users go
		c.Publish, c.origins["publish"] = "", Origin{Place: FromSandbox}
	}
	if c.origins["lake.location"].Place == FromFile {
		c.Lake = defaultLake()
		for _, k := range keys {
			if strings.HasPrefix(k.Name, "lake.") {
				c.origins[k.Name] = Origin{Place: FromSandbox}
			}
		}
	}
	c.MuteForSandbox()
	if c.origins["rpm"].Place != FromFlag {
		c.RPM, c.origins["rpm"] = extract.RPMNone, Origin{Place: FromSandbox}
	}
}

// MuteForSandbox has nobody told that a run over made-up users went well or badly, but for where the environment or a flag says.
func (c *Config) MuteForSandbox() {
	for key, at := range map[string]*Credential{"notify.webhook": &c.Notify.Webhook, "notify.slack": &c.Notify.Slack, "notify.ping": &c.Notify.Ping} {
		if c.origins[key].Place == FromFile {
			*at, c.origins[key] = Credential{}, Origin{Place: FromSandbox}
		}
	}
	for key, at := range map[string]*string{"notify.email.server": &c.Notify.Email.Server, "metrics_file": &c.MetricsFile} {
		if c.origins[key].Place == FromFile {
			*at, c.origins[key] = "", Origin{Place: FromSandbox}
		}
	}
}
