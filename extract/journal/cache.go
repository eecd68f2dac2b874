package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// spot is where a block lies.
type spot struct {
	off     int64
	segment uint32 // position among the run's segments
	raw     uint32 // length decoded
}

// cacheBudget is how many decoded bytes the cache keeps beyond the block in use: the blocks that a run's concurrent requests are in at once.
const cacheBudget = 32 << 20

// cache keeps the blocks used last, decoded. Answers are asked for in about the order in which they came, so a few blocks are enough,
// and each is read and decoded once, however many ask for it at the same time.
type cache struct {
	load   func(block uint32) ([]byte, error)
	mu     sync.Mutex
	blocks []*cached // the one used last is last
	size   int64
}

type cached struct {
	block uint32
	size  int64
	once  sync.Once
	raw   []byte
	err   error
}

// get returns the decoded bytes of a block, size of them. They must not be modified.
func (c *cache) get(block uint32, size int64) ([]byte, error) {
	b := c.entry(block, size)
	b.once.Do(func() { b.raw, b.err = c.load(block) })
	return b.raw, b.err
}

func (c *cache) entry(block uint32, size int64) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.blocks) - 1; i >= 0; i-- {
		if b := c.blocks[i]; b.block == block {
			copy(c.blocks[i:], c.blocks[i+1:])
			c.blocks[len(c.blocks)-1] = b
			return b
		}
	}
	for len(c.blocks) > 0 && (c.size+size > cacheBudget || len(c.blocks) == maxCached) {
		c.size -= c.blocks[0].size
		c.blocks[0] = nil
		c.blocks = c.blocks[1:]
	}
	b := &cached{block: block, size: size}
	c.blocks, c.size = append(c.blocks, b), c.size+size
	return b
}

// maxCached bounds the search through the cache.
const maxCached = 64

// readSpot reads and decodes the block of entries at s, in a segment of that codec.
func readSpot(dir string, s spot, c codec) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, segmentName(int(s.segment)+1)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRead, err)
	}
	defer f.Close()
	var b buffers
	err = readEntries(f, s, c, &b)
	return b.raw, err
}

// readEntries reads and decodes the block of entries at s of an open segment file.
func readEntries(f *os.File, s spot, c codec, b *buffers) error {
	h, err := readBlock(f, c, s.off, b)
	if err == nil && (h.Type != entriesBlock || h.Raw != s.raw) {
		err = damaged(f.Name(), s.off, errForeign)
	}
	return err
}
