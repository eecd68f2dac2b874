package publish

import (
	"os"
	"strings"
)

// bootID is another one each time the system is started; empty where it cannot be told.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
