package config

import (
	"errors"
	"net/url"
	"regexp"

	"github.com/rollcall-data/rollcall/load/objectstore"
)

func checkPublish(s string) error {
	_, _, err := objectstore.ParseURL(s)
	return err
}

// checkEndpoint allows what base_url allows: users go there.
func checkEndpoint(s string) error {
	if u, err := url.Parse(s); err != nil || u.Host == "" {
		return errors.New("must be a URL such as https://s3.example.com")
	}
	return checkBaseURL(s)
}

var region = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

func checkRegion(s string) error {
	if !region.MatchString(s) {
		return errors.New("must be a region such as eu-central-1")
	}
	return nil
}

// validatePublish refuses settings of a place that nothing goes to.
func (c *Config) validatePublish() error {
	for _, key := range []string{"publish_endpoint", "publish_region", "publish_path_style"} {
		if c.Publish == "" && c.origins[key].Place != FromDefault {
			return c.fieldError(key, "is about publish, which is not set: publish: s3://BUCKET/PREFIX")
		}
	}
	return nil
}

// ObjectStorage is where versions are copied to; its URL is empty where they are not.
func (c *Config) ObjectStorage() objectstore.Options {
	return objectstore.Options{URL: c.Publish, Endpoint: c.PublishEndpoint, Region: c.PublishRegion, PathStyle: c.PublishPathStyle}
}
