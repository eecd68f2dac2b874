package config

import (
	"fmt"
	"os/user"
	"strconv"

	"github.com/rollcall-data/rollcall/load/publish"
)

// GroupOfReaders is the number of the group that may read versions; [publish.Private] where there is none.
func (c *Config) GroupOfReaders() (int, error) {
	if c.ShareGroup == "" {
		return publish.Private, nil
	}
	g, err := user.LookupGroup(c.ShareGroup)
	if err != nil {
		return 0, c.fieldError("share_group", "is no group of this machine")
	}
	n, err := strconv.Atoi(g.Gid)
	if err != nil {
		return 0, c.fieldError("share_group", fmt.Sprintf("has the number %q", g.Gid))
	}
	return n, nil
}
