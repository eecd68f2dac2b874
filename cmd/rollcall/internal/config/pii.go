package config

import (
	"context"

	"github.com/rollcall-data/rollcall/transform/pii"
)

// PersonalData makes the rules about personal data ready, reading their key where one of them needs it; nil where there are none. The error is
// a *FieldError.
func (c *Config) PersonalData(ctx context.Context) (*pii.Rules, error) {
	var key []byte
	for _, r := range c.PII {
		if r.Action != pii.Hash || key != nil {
			continue
		}
		secret, err := c.PIIKey.reveal(ctx)
		if err != nil {
			return nil, &FieldError{Key: "pii_key", Origin: c.origins["pii_key"], Reason: c.PIIKey.where() + err.Error()}
		}
		key = []byte(secret.Reveal())
	}
	rules, err := pii.New(c.PII, key)
	if err != nil {
		return nil, &FieldError{Key: "pii", Origin: c.origins["pii"], Reason: err.Error()}
	}
	return rules, nil
}
