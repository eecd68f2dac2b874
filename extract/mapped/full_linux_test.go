package mapped

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestADiskThatIsFullIsNotFilled: a file that cannot grow beyond 1 MiB stands for it. What there was room for is not taken from others.
func TestADiskThatIsFullIsNotFilled(t *testing.T) {
	fd, err := unix.MemfdCreate("space", unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Skip("the system has no such files: ", err)
	}
	s := &Space{file: os.NewFile(uintptr(fd), "space")}
	if err := s.file.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_GROW); err != nil {
		t.Fatal(err)
	}
	var l List[int64]
	l.In(s)
	l.Add(1)
	info, err := s.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if !s.full || info.Size() > 0 || *l.At(0) != 1 {
		t.Errorf("full is %t, and the file has %d bytes", s.full, info.Size())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
