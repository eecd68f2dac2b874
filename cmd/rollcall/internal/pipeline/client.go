package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/rollcall-data/rollcall/cmd/rollcall/internal/config"
	"github.com/rollcall-data/rollcall/extract"
	"github.com/rollcall-data/rollcall/extract/amigo"
	"github.com/rollcall-data/rollcall/extract/freddy"
)

// ClientOptions are how the configured API is asked, and as whom.
func ClientOptions(c *config.Config, creds config.Credentials) extract.Options {
	o := extract.Options{BaseURL: c.BaseURL, Hosts: amigo.Hosts(), RPM: c.RPM, Limits: amigo.Limits()}
	switch {
	case c.Source == config.Freddy:
		o.Hosts, o.Limits, o.Auth = nil, freddy.Limits(), freddy.Auth(creds.FreddyAPIKey)
	case creds.AmigoToken != "":
		o.Auth = extract.Bearer(creds.AmigoToken)
	default:
		o.Auth = amigo.NewKeyAuth(amigo.Credentials{Key: creds.AmigoAPIKey, KeyID: creds.AmigoAPIKeyID, UserID: creds.AmigoUserID})
	}
	return o
}

// Identity is who asks: the user signed in as, or whom a token names.
func Identity(c *config.Config, creds config.Credentials) string {
	if c.Source == config.Freddy {
		return "API key"
	}
	if creds.AmigoToken == "" {
		return creds.AmigoUserID
	}
	if subject, _ := TokenClaims(creds.AmigoToken); subject != "" {
		return subject
	}
	return "bearer token"
}

// TokenClaims are whom a bearer token names and until when it is good, where it is a JWT that says so; unchecked, for the API does that.
func TokenClaims(token extract.Secret) (subject string, expires time.Time) {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return "", time.Time{}
	}
	var claims struct {
		Subject string  `json:"sub"`
		Expires float64 `json:"exp"` // seconds of the epoch, RFC 7519 §2
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", time.Time{}
	}
	_ = json.Unmarshal(payload, &claims) // a claim that makes no sense is one that is not there
	if claims.Expires > 0 && claims.Expires < 1e11 {
		expires = time.Unix(int64(claims.Expires), 0).UTC()
	}
	return claims.Subject, expires
}
