package publish

import "golang.org/x/sys/unix"

// bootID is another one each time the system is started; empty where it cannot be told.
func bootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}
