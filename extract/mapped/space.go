package mapped

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// The file grows by regions. What of them is in memory is dropped once so much was looked at, in bytes; the file has it. With a page that is looked at
// the kernel maps what was written to the file along with it: so much.
const (
	regionBytes = 64 << 20
	mostLooked  = 64 << 20
	aroundBytes = 64 << 10
)

// Space is a file that is mapped into memory as far as it is used. A nil Space has no room. It is safe for concurrent use.
type Space struct {
	file   *os.File
	after  int
	looked atomic.Int64

	mu      sync.Mutex // guards what follows
	regions [][]byte
	used    int // of the last region, in bytes
	full    bool
}

// New makes a space in dir, of which a list makes use once it has so many bytes in plain memory.
func New(dir string, after int) (*Space, error) {
	f, err := os.CreateTemp(dir, ".mapped-*")
	if err != nil {
		return nil, fmt.Errorf("make room for the users: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("make room for the users: %w", errors.Join(err, f.Close()))
	}
	return &Space{file: f, after: after}, nil
}

// Close gives the space back. What lists have in it must not be looked at any more.
func (s *Space) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, r := range s.regions {
		errs = append(errs, unix.Munmap(r))
	}
	s.regions, s.full = nil, true
	return errors.Join(append(errs, s.file.Close())...)
}

// alloc returns n bytes of zeros, nil where there is no room. They begin at a multiple of 64 bytes.
func (s *Space) alloc(n int) []byte {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n = (n + 63) &^ 63
	if len(s.regions) == 0 || s.used+n > regionBytes {
		if s.full || n > regionBytes || !s.grow() {
			return nil
		}
	}
	last := s.regions[len(s.regions)-1]
	b := last[s.used : s.used+n : s.used+n]
	s.used += n
	return b
}

// grow maps another region. Its zeros are written out first: where the disk has no room for them, that is told now, and not by a signal once they are
// written to. Then, and where memory cannot be mapped, there is no more room, and false; what was written goes, for the disk is not this file's alone.
func (s *Space) grow() bool {
	end := int64(len(s.regions)) * regionBytes
	zeros := make([]byte, aroundBytes)
	for off := int64(0); off < regionBytes; off += int64(len(zeros)) {
		if _, err := s.file.WriteAt(zeros, end+off); err != nil {
			return s.give(end)
		}
	}
	r, err := unix.Mmap(int(s.file.Fd()), end, regionBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return s.give(end)
	}
	s.regions, s.used = append(s.regions, r), 0
	return true
}

// give gives back what the file has beyond end, and is false.
func (s *Space) give(end int64) bool {
	s.full = true
	_ = s.file.Truncate(end) // where it cannot be done, the room is taken until Close
	return false
}

// look counts what is looked at, n bytes that were not looked at just before, and from time to time drops from memory whatever is there.
func (s *Space) look(n int) {
	if s.looked.Add(int64(max(n, aroundBytes))) < mostLooked {
		return
	}
	s.looked.Store(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.regions {
		_ = unix.Madvise(r, unix.MADV_DONTNEED) // of a file that is shared it forgets nothing; where it cannot be done, memory is used
	}
}
