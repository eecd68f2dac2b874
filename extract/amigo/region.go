package amigo

import (
	"net/url"
	"strings"

	"github.com/rollcall-data/rollcall/extract"
)

// DefaultBaseURL is the US region's (api/amigo.md §1.1).
const DefaultBaseURL = "https://api.amigo.ai"

// regions are the hosts and the AWS region of each (api/amigo.md §1.1).
var regions = []struct{ host, region string }{
	{"api.amigo.ai", "us-east-1"},
	{"api-ca-central-1.amigo.ai", "ca-central-1"},
	{"api-eu-central-1.amigo.ai", "eu-central-1"},
	{"api-ap-southeast-2.amigo.ai", "ap-southeast-2"},
}

// Hosts are the base URLs of all regions, for extract.Options.Hosts.
func Hosts() []string {
	urls := make([]string, len(regions))
	for i, r := range regions {
		urls[i] = "https://" + r.host
	}
	return urls
}

// Region is the AWS region behind a base URL's host, as us-east-1; "" for any other host.
func Region(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return ""
	}
	for _, r := range regions {
		if strings.EqualFold(u.Hostname(), r.host) {
			return r.region
		}
	}
	return ""
}

// Limits are the documented requests a minute of each endpoint used here (api/amigo.md §4.2), for extract.Options.Limits. They are taken
// to be per organization.
func Limits() map[extract.Kind]int {
	return map[extract.Kind]int{
		extract.KindSignIn: 5,
		extract.KindList:   60,
		extract.KindModel:  60,
		extract.KindMemory: 40,
		extract.KindRole:   20,
		extract.KindSQL:    6,
	}
}
