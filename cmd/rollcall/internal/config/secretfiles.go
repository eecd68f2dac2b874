package config

// SecretFile is a file that holds a secret.
type SecretFile struct {
	Key  string // that names it
	Path string
}

// SecretFiles are the files that credentials in force are read from, in the order of the keys.
func (c *Config) SecretFiles() []SecretFile {
	var out []SecretFile
	for _, s := range []struct {
		key  string
		from Credential
	}{
		{"lake.uri", c.Lake.URI}, {"lake.token", c.Lake.Token}, {"lake.credential", c.Lake.Credential},
		{"schedule.sql_token", c.Schedule.SQLToken},
		{"notify.webhook", c.Notify.Webhook}, {"notify.slack", c.Notify.Slack}, {"notify.ping", c.Notify.Ping}, {"notify.email.password", c.Notify.Email.Password},
		{"amigo_api_key", c.AmigoAPIKey}, {"amigo_token", c.AmigoToken}, {"freddy_api_key", c.FreddyAPIKey},
		{"pii_key", c.PIIKey}, {"journal_identity", c.JournalIdentity},
	} {
		if s.from.path != "" {
			out = append(out, SecretFile{s.key, s.from.path})
		}
	}
	return out
}
